// Beside puts structures into interfaces that hold a pointer and, beside it, something without a size.
package main

import (
	"fmt"
	"os"
)

type wide struct{ A, B, C int }

type empty struct{}

type beside struct {
	_ empty
	P *wide
}

type within struct{ In [1]beside }

//go:noinline
func keep(v any) any { return v }

func main() {
	far := &wide{1, 2, 3}
	keep(beside{P: far})
	keep(within{[1]beside{{P: far}}})
	keep([1]beside{{P: far}})
	keep(beside{})
	keep(struct{ P *wide }{far})
	fmt.Fprintln(os.Stdout, far.A)
}
