// Output writes in all the ways Go programs do.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"runtime"
	"syscall"
)

func main() {
	fmt.Println("fmt to stdout")
	fmt.Fprintln(os.Stderr, "fmt to stderr")
	print("print", 1, true, "\n")
	println("println", 2.5)
	log.SetFlags(0)
	log.Print("log")
	if _, err := syscall.Write(1, []byte("syscall\n")); err != nil {
		panic(err)
	}
	helper()
	big()
	elsewhere()
	if _, err := syscall.Write(1, nil); err != nil {
		panic(err)
	}
	if _, err := syscall.Write(99, []byte("nowhere\n")); err == nil {
		panic("descriptor 99 is open")
	}
	done := make(chan bool)
	go func() { fmt.Print("no newline"); done <- true }()
	<-done
	for runtime.NumGoroutine() > 1 { // what it has yet to do is to be recorded in every run
		runtime.Gosched()
	}
}

func helper() { fmt.Println("in a call") }

// big writes more than is kept of one write, and more than a pipe holds.
func big() { os.Stdout.Write(bytes.Repeat([]byte("0123456789abcde\n"), 10_000)) }

// elsewhere writes to another descriptor.
func elsewhere() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(w, "not output")
	w.Close()
	r.Close()
}
