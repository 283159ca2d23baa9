// Large passes values of which only a part is shown.
package main

import (
	"errors"
	"fmt"
	"os"
)

type (
	numbers = [64]int64
	record  struct {
		names  [20]string
		counts [40]int64
		tags   []string
	}
	wide struct {
		n      int
		bytes  [5000]byte
		floats [100]float64
		names  [30]string
		p      *int
		err    error
	}
	page struct {
		_    [6000]byte
		name string
	}
	table struct {
		n     int
		bytes [9992]byte
	}
	held struct {
		name  string
		sizes map[string]int
		list  []string
		in    any
	}
)

// parser refers to much, and to most of it only in a list of large elements that is empty.
type parser struct {
	injected []record
	files    []record
	source   string
	log      func(string)
	uses     map[string]int
	names    []string
	last     error
	more     []any
	pending  chan int
	position *int
	end      []byte
}

func parse(p *parser, s string, rest ...any) (string, *parser) { return p.source, p }

func lists(a []string, b [][]int, c []struct{ a, b string }, d []error, e []any, f []*int, g []func(), h string) ([]error, []any) {
	return d, e
}

func onStack(a numbers, b [100]int64, c int) (numbers, int) { a[63]++; return a, c + int(b[99]) }

func structs(w wide, s string) (wide, string) { w.n++; return w, s + w.names[0] }

func arrays(a [3]wide, b [100]string, s string) [2]wide { return [2]wide{a[1], a[2]} }

func pointers(w *wide, p *page, s string) (*page, error) { return p, w.err }

func nils(w *wide, p *page, s string) *wide { return w }

func slices(r []record, s string, e error) int { return len(r) }

func tables(t []table, s string) int { return len(t) }

func inInterface(v any, e error) any { return v }

func eight(a, b, c, d, e, f, g, h any) any { return h }

func list(v ...any) int { return len(v) }

func beyond(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, bb, cc, dd, ee, ff, gg, hh numbers, last int) int {
	return int(a[0]) + last
}

func ten(a, b, c, d, e, f, g, h, i, j any) any { return j }

// cubes refers to hundreds of strings.
func cubes(c [][][]string, s string) int { return len(c) }

func a(n int) held {
	return held{fmt.Sprint("name", n), map[string]int{"a": n}, []string{fmt.Sprint("first", n), "second"}, n}
}

func cube() [][][]string {
	all := make([][][]string, 8)
	for i := range all {
		all[i] = make([][]string, 8)
		for k := range all[i] {
			for n := range 8 {
				all[i][k] = append(all[i][k], fmt.Sprintf("%012d", 64*i+8*k+n))
			}
		}
	}
	return all
}

func main() {
	seven := 7
	w := wide{n: 1, p: &seven, err: os.ErrExist}
	w.names[0], w.names[29], w.floats[3], w.bytes[0] = "first", "last", 2.5, 'x'
	onStack(numbers{0: 1, 63: 2}, [100]int64{99: 5}, 4)
	structs(w, "behind ")
	arrays([3]wide{w, w, w}, [100]string{"e"}, "behind")
	pointers(&w, &page{name: "far"}, "behind")
	nils(nil, nil, "behind")
	slices([]record{{tags: []string{"x"}}}, "behind", errors.New("one"))
	slices(make([]record, 9), "behind", errors.New("nine"))
	tables([]table{{n: 1}, {n: 2}, {n: 3}}, "behind")
	tables([]table{{n: 1}, {n: 2}, {n: 3}, {n: 4}, {n: 5}, {n: 6}}, "behind")
	inInterface(w, fmt.Errorf("wrapped: %w", os.ErrClosed))
	inInterface(&w, os.ErrClosed)
	eight(a(1), a(2), a(3), a(4), a(5), a(6), a(7), a(8))
	list(a(1), a(2), a(3), a(4), a(5), a(6), a(7), a(8), a(9))
	ten(a(1), a(2), a(3), a(4), a(5), a(6), a(7), a(8), a(9), a(10))
	cubes(cube(), "behind")
	var z numbers
	beyond(numbers{1}, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, numbers{63: 5}, 6)
	parse(&parser{
		source: "source", log: func(string) {}, uses: map[string]int{"a": 1}, names: []string{"b", "c"}, last: os.ErrClosed,
		more: []any{1, "d"}, pending: make(chan int, 3), position: &seven, end: []byte("end"),
	}, "behind", "e", 5)
	lists([]string{"a", "b"}, [][]int{{1}, nil, {2, 3}}, []struct{ a, b string }{{"a", "b"}}, []error{nil, os.ErrClosed},
		[]any{1, "b"}, []*int{&seven, nil}, []func(){nil, main}, "behind")
}
