// Command batches calls a function in batches: a line announces the end of one, and a byte from outside begins the next.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

//go:noinline
func called(i int) int { return i }

func main() {
	runtime.LockOSThread()
	batches, _ := strconv.Atoi(os.Args[1])
	calls, _ := strconv.Atoi(os.Args[2])
	var next [1]byte
	for b := range batches {
		for i := range calls {
			called(i)
		}
		fmt.Println(b)
		if _, err := os.Stdin.Read(next[:]); err != nil {
			panic(err)
		}
	}
}
