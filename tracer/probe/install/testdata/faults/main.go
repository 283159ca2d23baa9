// Command faults dereferences nil in the first and in the last instruction of functions, and divides by zero.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

type node struct {
	next  *node
	value int
}

//go:noinline
func first(n *node) *node { return n.next }

//go:noinline
func last(n *node, a, b int) int {
	c := a * b
	for i := range a {
		c += i
	}
	return c + n.value
}

//go:noinline
func divide(a, b int) int { return a / b }

//go:noinline
func store(n *node, v int) { n.value = v }

//go:noinline
func framed(n *node) int {
	defer func() { trace = append(trace, "deferred") }()
	return first(n).value
}

//go:noinline
func own(n *node) (v int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
			v = 7
		}
	}()
	v = n.value
	return v, nil
}

var trace []string

// attempt prints what f panics with and where from.
func attempt(name string, f func()) {
	defer func() {
		r := recover()
		var re runtime.Error
		if err, ok := r.(error); ok && errors.As(err, &re) {
			pcs := make([]uintptr, 20)
			frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
			var lines []string
			for {
				f, more := frames.Next()
				lines = append(lines, fmt.Sprintf("%s:%d", f.Function, f.Line))
				if !more {
					break
				}
			}
			fmt.Println(name, re, strings.Join(lines, " "))
			return
		}
		fmt.Println(name, "no panic", r)
	}()
	f()
}

func main() {
	for range 1000 {
		v, err := own(nil)
		if v != 7 || err == nil {
			fmt.Println("own", v, err)
		}
	}
	attempt("first", func() { first(nil) })
	attempt("last", func() { last(nil, 3, 4) })
	attempt("divide", func() { divide(1, len(os.Args)-len(os.Args)) })
	attempt("store", func() { store(nil, 1) })
	attempt("framed", func() { framed(nil) })
	attempt("framed inner", func() { framed(&node{}) })
	fmt.Println(trace)
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "first":
			first(nil)
		case "last":
			last(nil, 3, 4)
		case "framed":
			framed(nil)
		}
	}
}
