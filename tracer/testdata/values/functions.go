package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

type codeError struct{ Code int }

func (e *codeError) Error() string { return "code " + strconv.Itoa(e.Code) }

type plainError string

func (e plainError) Error() string { return string(e) }

//go:noinline
func kError(v error) error { work(); return v }

//go:noinline
func kErrors(v []error) []error { work(); return v }

// known says how an error is shown whose message the recording can have.
func known(err error) string { return fmt.Sprintf("error(%T: %q)", err, err.Error()) }

func errorValues() {
	_, pathErr := os.Open("does/not/exist")
	_, numErr := strconv.Atoi("4x2")
	for _, err := range []error{
		errors.New("no such key"), fmt.Errorf("outer: %w", io.EOF), fmt.Errorf("%w and %w", io.EOF, fs.ErrExist),
		errors.Join(io.EOF, errors.New("second")), pathErr, numErr, context.DeadlineExceeded, context.Canceled, syscall.ENOENT,
		os.NewSyscallError("open", syscall.EPERM), fmt.Errorf("a: %w", fmt.Errorf("b: %w", fmt.Errorf("c: %w", pathErr))),
		bounds(), errors.New(strings.Repeat("long ", 40)),
	} {
		same("kError", known(err))
		kError(err)
	}
	same("kError", "nil")
	kError(nil)
	same("kError", "error(*main.codeError: &main.codeError{Code: 3})")
	kError(&codeError{3})
	same("kError", "error(*main.codeError: nil)")
	kError((*codeError)(nil))
	same("kError", `error(main.plainError: main.plainError("p"))`)
	kError(plainError("p"))
	same("kErrors", `[]error{error(*errors.errorString: "EOF"), nil}`)
	kErrors([]error{io.EOF, nil})
}

func bounds() (err error) {
	defer func() { err = recover().(error) }()
	return []error{nil}[number+1]
}

type callback func(int) int

type method struct{ n int }

func (m method) add(v int) int { return m.n + v }

//go:noinline
func kFunc(v func(int) int) func(int) int { work(); return v }

//go:noinline
func kCallback(v callback) callback { work(); return v }

//go:noinline
func makeAdder(n int) func(int) int { return func(v int) int { return v + n } }

func functions() {
	same("kFunc", "func main.leaf")
	kFunc(leaf)
	same("kFunc", "func main.makeAdder.func1")
	want("makeAdder", "3", "func main.makeAdder.func1")
	kFunc(makeAdder(3))
	same("kFunc", "nil")
	kFunc(nil)
	same("kFunc", "func main.method.add-fm")
	kFunc(method{1}.add)
	same("kCallback", "func main.leaf")
	kCallback(leaf)
}

//go:noinline
func (p point) scale(f int) point { work(); return point{p.X * f, p.Y * f} }

//go:noinline
func (p *point) move(dx, dy int) { work(); p.X += dx; p.Y += dy }

//go:noinline
func (empty) greet(name string) string { work(); return "hi " + name }

//go:noinline
func (color) unnamed(int, string) (int, error) { work(); return 1, nil }

//go:noinline
func unused(_ int, used string, _ float64, _ any) int { work(); return len(used) }

//go:noinline
func thirteen(a, b, c, d, e, f, g, h, i, j, k, l, m int) (int, int, int, int, int, int, int, int, int, int, int) {
	work()
	return a, b, c, d, e, f, g, h, i, j, k + l + m
}

//go:noinline
func spilled(a string, b []int, c [2]int, d string, e float32, f []string, g bool) (string, [2]string, bool) {
	work()
	return a + d, [2]string{a, d}, g
}

//go:noinline
func floats(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q float64) (float64, float32) {
	work()
	return a + q, float32(p)
}

//go:noinline
func variadic(first string, rest ...int) int { work(); return len(rest) }

//go:noinline
func named(n int) (half int, err error) {
	defer func() {
		if r := recover(); r != nil {
			half, err = -1, fmt.Errorf("recovered: %v", r)
		}
	}()
	if n < 0 {
		panic("negative")
	}
	half = n / 2
	return half, nil
}

//go:noinline
func deferred(n int) (result int) {
	defer func() { result *= 2 }()
	return n + 1
}

//go:noinline
func nothing() {}

//go:noinline
func zeroSizes(_ empty, n int, _ [0]string) (empty, int) { work(); return empty{}, n }

func signatures() {
	want("point.scale", "main.point{X: 1, Y: 2} | 3", "main.point{X: 3, Y: 6}")
	p := point{1, 2}
	p.scale(3)
	want("(*point).move", "&main.point{X: 1, Y: 2} | 10 | 20", "")
	p.move(10, 20)
	want("empty.greet", `main.empty{} | "you"`, `"hi you"`)
	empty{}.greet("you")
	want("color.unnamed", `main.color(4) | 5 | "six"`, "1 | nil")
	if _, err := color(4).unnamed(5, "six"); err != nil {
		panic(err)
	}
	want("unused", `1 | "used" | 2.5 | any(3)`, "4")
	unused(1, "used", 2.5, 3)
	want("thirteen", "1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13", "1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 36")
	thirteen(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
	want("spilled", `"a" | []int{1} | [2]int{2, 3} | "d" | 0.5 | []string{"f"} | true`, `"ad" | [2]string{"a", "d"} | true`)
	spilled("a", []int{1}, [2]int{2, 3}, "d", 0.5, []string{"f"}, true)
	want("floats", "1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17", "18 | 16")
	floats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
	want("variadic", `"f" | []int{1, 2}`, "2")
	variadic("f", 1, 2)
	want("variadic", `"f" | nil`, "0")
	variadic("f")
	want("named", "8", "4 | nil")
	want("named", "-1", `-1 | error(*errors.errorString: "recovered: negative")`)
	for _, n := range []int{8, -1} {
		if _, err := named(n); err != nil && n > 0 {
			panic(err)
		}
	}
	want("deferred", "20", "42")
	deferred(20)
	want("nothing", "", "")
	nothing()
	want("zeroSizes", "main.empty{} | 5 | [0]string{}", "main.empty{} | 5")
	zeroSizes(empty{}, 5, [0]string{})
}

type pair[K comparable, V any] struct {
	Key   K
	Value V
}

type list[T any] struct{ items []T }

//go:noinline
func (l *list[T]) push(v T) int { work(); l.items = append(l.items, v); return len(l.items) }

//go:noinline
func first[T any](v []T, or T) T {
	work()
	if len(v) == 0 {
		return or
	}
	return v[0]
}

//go:noinline
func makePair[K comparable, V any](k K, v V) pair[K, V] { work(); return pair[K, V]{k, v} }

func generics() {
	want("first[...]", "[]int{1, 2} | 3", "1")
	first([]int{1, 2}, 3)
	want("first[...]", `nil | "or"`, `"or"`)
	first(nil, "or")
	want("makePair[...]", `"k" | 0.5`, `main.pair[...]{Key: "k", Value: 0.5}`)
	makePair("k", 0.5)
	want("(*list[...]).push", `&main.list[...]{items: nil} | "x"`, "1")
	new(list[string]).push("x")
	at := &point{1, 2} // which is not known where pointers of all types are one
	shown := fmt.Sprintf("unsafe.Pointer(%p)", at)
	want("first[...]", "[]unsafe.Pointer{"+shown+", nil} | nil", shown)
	first([]*point{at, nil}, nil)
	want("makePair[...]", `"k" | `+shown, `main.pair[...]{Key: "k", Value: `+shown+`}`)
	makePair("k", at)
	want("(*list[...]).push", `&main.list[...]{items: nil} | `+shown, "1")
	new(list[*point]).push(at)
	same("kAny", `any(main.pair[string,int]{Key: "a", Value: 1})`)
	kAny(pair[string, int]{"a", 1})
}
