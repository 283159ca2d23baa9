// Fixed maps memory at addresses of its own choice, as programs do that want them in 32 bits, and says of each whether it was free.
package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

//go:noinline
func add(a, b int) int { return a + b }

func main() {
	n := 0
	for at := uintptr(0x1000_0000); at < 0x8000_0000; at += 0x1000_0000 {
		n = add(n, 1)
		_, _, errno := unix.Syscall6(unix.SYS_MMAP, at, 16<<20, unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uintptr(0), 0)
		fmt.Printf("%#x %d\n", at, errno)
	}
	fmt.Println(n)
}
