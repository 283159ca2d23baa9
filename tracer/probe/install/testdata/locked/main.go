// Command locked locks all its memory and calls a function some thousand times, or until its input ends if it is told to wait; then it
// prints how many KiB are resident.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
)

//go:noinline
func leaf(i int) int { return i + 1 }

func main() {
	if err := syscall.Mlockall(syscall.MCL_CURRENT | syscall.MCL_FUTURE); err != nil {
		fmt.Println("refused")
		return
	}
	n := 0
	for range 5000 {
		n = leaf(n)
	}
	if len(os.Args) > 1 {
		wait()
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, resident, _ := strings.Cut(string(status), "VmRSS:")
	resident, _, _ = strings.Cut(resident, "kB")
	fmt.Println(strings.TrimSpace(resident))
}

func wait() {
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
	}()
	fmt.Println("ready")
	for n := 0; !over.Load(); {
		n = leaf(n)
	}
}
