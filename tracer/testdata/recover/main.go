// Recover panics and recovers in all the ways there are.
package main

import (
	"errors"
	"fmt"
)

func main() {
	fmt.Println(guarded(func() { fail(1) }))
	fmt.Println(guarded(func() { index([]int{1}, 5) }))
	fmt.Println(guarded(func() { deref(nil) }))
	fmt.Println(guarded(func() { deep(5) }))
	fmt.Println(guarded(repanic))
	fmt.Println(guarded(replace))
	fmt.Println(guarded(func() { panic(nil) }))
	fmt.Println(middle())
	for i := range 3 {
		fmt.Println(guarded(func() { fail(i) }))
	}
}

func guarded(f func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint("recovered ", r)
		}
	}()
	f()
	return "nothing"
}

func fail(n int) { panic(errors.New("fail")) }

func index(s []int, i int) int { return s[i] }

func deref(p *int) int { return *p }

func deep(n int) int {
	if n == 0 {
		panic("bottom")
	}
	return deep(n-1) + 1
}

func repanic() {
	defer func() { panic(recover()) }()
	fail(2)
}

func replace() {
	defer func() { fail(3) }()
	panic("first")
}

// middle recovers in the middle of a call chain and goes on.
func middle() int {
	total := 0
	for i := range 3 {
		total += survive(i)
	}
	return total
}

func survive(n int) (result int) {
	defer func() { _ = recover(); result = n }()
	deep(n)
	return -1
}
