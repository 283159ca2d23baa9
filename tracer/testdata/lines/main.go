// Lines prints what its variables hold, at lines that call seen.
package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

type pair struct {
	small bool
	large int
	text  string
}

// seen prints variables by name, as smiley shows them.
//
//go:noinline
func seen(list ...any) {
	var b strings.Builder
	for i := 0; i+1 < len(list); i += 2 {
		fmt.Fprintf(&b, "%v=%v;", list[i], list[i+1])
	}
	fmt.Println(b.String())
}

func loop(n int) (sum int) {
	for i := 0; i < n; i++ {
		square := i * i
		seen("n", n, "i", i, "square", square, "sum", sum)
		sum += square
	}
	seen("n", n, "sum", sum)
	return sum
}

func shadow(text string) error {
	err := errors.New("outer")
	for i := range 2 {
		err := fmt.Errorf("inner %d", i)
		seen("i", i, "err", fmt.Sprintf("error(*errors.errorString: %q)", err.Error()))
	}
	seen("err", fmt.Sprintf("error(*errors.errorString: %q)", err.Error()), "text", fmt.Sprintf("%q", text))
	return err
}

func escape(n int) int {
	total := 0
	p := pair{n%2 == 1, n, "p"}
	var all sync.WaitGroup
	all.Add(1)
	go func() {
		defer all.Done()
		total += n
	}()
	all.Wait()
	seen("total", total, "p", fmt.Sprintf("main.pair{small: %v, large: %d, text: %q}", p.small, p.large, p.text))
	return total
}

func recurse(n int) int {
	if n == 0 {
		return 0
	}
	below := recurse(n - 1)
	seen("n", n, "below", below)
	return n + below
}

func main() {
	loop(4)
	_ = shadow("x")
	escape(21)
	recurse(5)
	var all sync.WaitGroup
	for i := range 3 {
		all.Add(1)
		go func() {
			defer all.Done()
			one(i)
		}()
	}
	all.Wait()
	fmt.Println("done")
}

func one(i int) float64 {
	half := float64(i) / 4
	seen("i", i, "half", half)
	return half
}
