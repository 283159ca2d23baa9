//go:build linux && amd64

package tracer

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// randomProgram makes up a Go program that ends, does the same each time, and whose goroutines do one after the other what they do
// at once in a program that is worth recording: functions of random signatures call each other, recurse, panic, recover, defer,
// leave by Goexit, start goroutines and wait for them, and write to standard output.
func randomProgram(seed uint64) string {
	g := &programmer{r: rand.New(rand.NewPCG(seed, 2026))}
	g.line("package main")
	g.line(`import ("errors"; "fmt"; "os"; "runtime"; "strings")`)
	g.line("var _ = []any{errors.New, fmt.Sprint, os.Exit, runtime.Goexit, strings.Repeat}")
	g.line(randomTypes)
	n := 4 + g.r.IntN(9)
	for i := range n {
		g.functions = append(g.functions, g.signature(i))
	}
	for i := range g.functions {
		g.function(i)
	}
	g.line("func main() {")
	for i := range g.functions {
		g.call(&g.functions[i], "6")
	}
	g.line("for runtime.NumGoroutine() > 1 { runtime.Gosched() }") // what they have yet to do is to be recorded in every run
	if g.r.IntN(4) == 0 {
		g.line(fmt.Sprintf(`if fuel > 0 { panic(fmt.Sprint("the end ", %d)) }`, g.r.IntN(100)))
	}
	g.line("os.Exit(%d)", g.r.IntN(3))
	g.line("}")
	return g.b.String()
}

// randomTypes are what the functions are about. fuel ends programs that call too much.
const randomTypes = `
var fuel = 400

type point struct { X, Y int; Name string }
type list struct { Items []int; Next *list; Last error }
type shape interface { Area(scale int) float64 }
type square float64
type circle struct { R float64; P *point }
type failure struct { Code int; Text string }

func (s square) Area(scale int) float64 { return float64(s) * float64(s) * float64(scale) }
func (c *circle) Area(scale int) float64 { return 3 * c.R * c.R * float64(scale) }
func (f *failure) Error() string { return fmt.Sprint(f.Text, " ", f.Code) }

func largest[T int | float64 | string](values ...T) (most T) {
	for _, v := range values { if v > most { most = v } }
	return most
}

var errOdd = errors.New("odd")
var origin = point{1, 2, "origin"}
var empty list
`

type programmer struct {
	r         *rand.Rand
	b         strings.Builder
	functions []randomFunction
}

type randomFunction struct {
	name            string
	receiver        string // type, "" for a function
	params, results []string
}

func (g *programmer) line(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	g.b.WriteString(format + "\n")
}

func (g *programmer) pick(list ...string) string { return list[g.r.IntN(len(list))] }

var randomValues = map[string][]string{
	"int": {"-1", "n", "n*n", "1<<40 + n", "len(os.Args)"}, "string": {`""`, `"text"`, `fmt.Sprint("n", n)`, `strings.Repeat("long ", max(n, 0)*9)`},
	"bool": {"true", "n%2 == 0"}, "float64": {"0.5", "float64(n)/3", "-1e300"}, "uint8": {"uint8(n)", "255"}, "int16": {"int16(-n)"},
	"[]int": {"nil", "[]int{}", "[]int{n, 2, 3}", "make([]int, max(n, 0)*5, 99)"}, "[]string": {`[]string{"a", fmt.Sprint(n)}`, "nil"},
	"[3]int": {"[3]int{1, n, 3}"}, "[1]string": {`[1]string{"one"}`}, "point": {`point{n, -n, "p"}`, "point{}"},
	"*point": {"nil", `&point{n, 2, "far"}`}, "*list": {"nil", "&list{Items: []int{n}, Last: errOdd}"}, "list": {"list{}", "list{Items: []int{1, n}}"},
	"map[string]int": {"nil", `map[string]int{"a": n}`}, "chan int": {"nil", "make(chan int, max(n, 0)+1)"}, "func(int) int": {"nil", "func(i int) int { return i + n }"},
	"error": {"nil", "errOdd", `&failure{n, "bad"}`, `fmt.Errorf("wrapped: %w", errOdd)`}, "any": {"nil", "n", `"any"`, `point{n, n, "in any"}`, `&point{n, 1, "at"}`, "n%2 == 0"},
	"shape": {"square(n)", "&circle{R: 2, P: &point{1, 2, \"c\"}}", "nil"}, "complex128": {"complex(float64(n), 1)"}, "struct{}": {"struct{}{}"},
}

var randomTypesOfValues = []string{
	"int", "string", "bool", "float64", "uint8", "int16", "[]int", "[]string", "[3]int", "[1]string", "point", "*point", "*list", "list",
	"map[string]int", "chan int", "func(int) int", "error", "any", "shape", "complex128", "struct{}",
}

func (g *programmer) types(most int) []string {
	var list []string
	for range g.r.IntN(most + 1) {
		list = append(list, randomTypesOfValues[g.r.IntN(len(randomTypesOfValues))])
	}
	return list
}

func (g *programmer) signature(i int) randomFunction {
	f := randomFunction{name: fmt.Sprintf("f%d", i), params: g.types(5), results: g.types(3)}
	if g.r.IntN(4) == 0 {
		f.receiver = g.pick("point", "*point", "list")
	}
	if g.r.IntN(2) == 0 {
		f.results = append(f.results, "error")
	}
	return f
}

// value is an expression of a type; n is an int in its scope.
func (g *programmer) value(t string) string {
	values := randomValues[t]
	return values[g.r.IntN(len(values))]
}

func (g *programmer) function(i int) {
	f := &g.functions[i]
	receiver := ""
	if f.receiver != "" {
		receiver = "(on " + f.receiver + ") "
	}
	var params []string
	for k, t := range f.params {
		params = append(params, fmt.Sprintf("a%d %s", k, t))
	}
	var results []string
	for k, t := range f.results {
		results = append(results, fmt.Sprintf("r%d %s", k, t))
	}
	g.line("//go:noinline")
	g.line("func %s%s(n int%s) (%s) {", receiver, f.name, strings.Join(append([]string{""}, params...), ", "), strings.Join(results, ", "))
	g.line("if fuel--; fuel <= 0 || n <= 0 { return }")
	for range 1 + g.r.IntN(4) {
		g.line("{")
		g.statement(i)
		g.line("}")
	}
	if g.r.IntN(3) > 0 && len(f.results) > 0 {
		var values []string
		for _, t := range f.results {
			values = append(values, g.value(t))
		}
		g.line("return %s", strings.Join(values, ", "))
	} else {
		g.line("return")
	}
	g.line("}")
}

// statement writes one that does something.
func (g *programmer) statement(i int) {
	callee := &g.functions[g.r.IntN(len(g.functions))]
	switch g.r.IntN(11) {
	case 0:
		g.line(`fmt.Println("%s", n)`, g.functions[i].name)
	case 1:
		g.line("defer func() { if r := recover(); r != nil { _ = largest(n, len(fmt.Sprint(r))) } }()")
		g.line(`if n%%%d == 1 { panic(%s) }`, 2+g.r.IntN(3), g.pick("n", `"a string"`, "errOdd", `&failure{n, "panicked"}`, "point{n, 0, \"p\"}"))
	case 2:
		g.line("for i := range %d { _ = i", 1+g.r.IntN(3))
		g.call(callee, "n-2")
		g.line("}")
	case 3:
		g.line("done := make(chan bool)")
		g.line("go func(n int) { defer close(done)")
		g.call(callee, "n-1")
		if g.r.IntN(3) == 0 {
			g.line("runtime.Goexit()")
		}
		g.line("}(n)")
		g.line("<-done")
	case 4:
		g.line("func() { defer func() { recover() }()")
		g.call(callee, "n-1")
		g.line("var p *point; if n%2 == 0 { p.X = n }")
		g.line("}()")
	case 5:
		g.line("_ = largest(%s)", g.pick("n, 2, 3", `"a", "b"`, "0.5, float64(n)"))
	case 6:
		g.line("for _, s := range []shape{square(2), &circle{R: float64(n)}} { _ = s.Area(n) }")
	case 7:
		g.line("defer func(k int) { _ = largest(k) }(n)")
	case 8:
		g.line("f := square(3).Area; _ = f(n)")
	case 9:
		g.line("add := func(k int) int { return k + n }; _ = add(add(1))")
	default:
		g.call(callee, "n-1")
	}
}

// call writes a call of a function.
func (g *programmer) call(f *randomFunction, n string) {
	g.line("{ n := %s", n)
	args := []string{"n"}
	for _, t := range f.params {
		args = append(args, g.value(t))
	}
	call := fmt.Sprintf("%s(%s)", f.name, strings.Join(args, ", "))
	if f.receiver != "" {
		call = map[string]string{"point": "origin.", "*point": "(&origin).", "list": "empty."}[f.receiver] + call
	}
	if k := len(f.results); k > 0 {
		call = strings.TrimSuffix(strings.Repeat("_, ", k), ", ") + " = " + call
	}
	g.line("_ = n; %s }", call)
}
