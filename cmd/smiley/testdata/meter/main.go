// Command meter calls work in several goroutines until its input ends, and counts the calls that have returned in a file that outlives it.
package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const goroutines = 4

//go:noinline
func work(n int, text string) (string, error) {
	if n%1000 == 0 {
		return text, fmt.Errorf("%d is round", n)
	}
	return text[:n%len(text)], nil
}

func worker(count *atomic.Uint64) {
	for n := range int(^uint(0) >> 1) {
		work(n, "a text of some length")
		count.Add(1)
	}
}

func main() {
	file, err := os.OpenFile(os.Args[1], os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = file.Truncate(8 * goroutines)
	}
	if err != nil {
		panic(err)
	}
	shared, err := syscall.Mmap(int(file.Fd()), 0, 8*goroutines, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	for i := range goroutines {
		go worker((*atomic.Uint64)(unsafe.Pointer(&shared[8*i])))
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}
