// Crash ends in the way its argument names.
package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

func main() {
	fmt.Println("before")
	switch os.Args[1] {
	case "panic":
		outer()
	case "nested":
		nested()
	case "nil":
		fmt.Println(*field(nil))
	case "deadlock":
		deadlock(make(chan int))
	case "kill":
		kill(syscall.SIGKILL)
	case "abort":
		kill(syscall.SIGABRT)
	case "fatal":
		m := map[int]int{}
		go scribble(m)
		scribble(m)
	}
}

func outer() { inner(7) }

func inner(n int) { panic(fmt.Errorf("broken: %w", errors.New("no key"))) }

func nested() {
	defer func() { panic("second") }()
	panic("first")
}

type point struct{ x, y int }

func field(p *point) *int { q := p.y; return &q }

func deadlock(c chan int) { <-c }

func kill(s syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		panic(err)
	}
	select {}
}

func scribble(m map[int]int) {
	for i := 0; ; i++ {
		m[i%8]++
	}
}
