// Command pointers passes strings that lead nowhere, and strings that end where a page does.
package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

//go:noinline
func take(s string, n int) int { return len(s) + n }

func wild(p uintptr, n int) string {
	return unsafe.String((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), n)
}

func main() {
	mem, err := syscall.Mmap(-1, 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	for i := range mem {
		mem[i] = byte('a' + i%26)
	}
	base := uintptr(unsafe.Pointer(&mem[0]))
	if err := syscall.Mprotect(mem[4096:], syscall.PROT_NONE); err != nil {
		panic(err)
	}
	sum := 0
	for range 10 {
		sum += take(wild(8, 5), 0)
		sum += take(wild(0x8000000000000000, 9), 1)
		sum += take(wild(base+4096, 3), 2)
		sum += take(wild(base+4096-30, 40), 3)
		for n := range 80 {
			sum += take(wild(base+4096-uintptr(n), n), 4)
		}
		sum += take("", 5)
		sum += take("hello", 6)
	}
	fmt.Println(sum)
}
