// Command memfd shares memory with itself as others do who need it twice: a file without a name, mapped to write to, to read from, and, as
// compilers do that run what they write, to execute. Until its input ends it writes and looks whether it reads the same.
package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	memfdCreate = 319
	size        = 1 << 20
)

//go:noinline
func write(memory []byte, i int) { memory[i%size] = byte(i) }

//go:noinline
func read(memory []byte, i int) byte { return memory[i%size] }

func share() []byte {
	var name [1]byte
	fd, _, errno := syscall.Syscall(memfdCreate, uintptr(unsafe.Pointer(&name)), 0, 0)
	if errno != 0 {
		panic(errno)
	}
	if err := syscall.Ftruncate(int(fd), size); err != nil {
		panic(err)
	}
	return mapped(int(fd), syscall.PROT_READ|syscall.PROT_WRITE)
}

func mapped(fd, mode int) []byte {
	memory, err := syscall.Mmap(fd, 0, size, mode, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return memory
}

// files returns the number of the descriptor that share opened n-th.
func files(n int) int {
	found := 0
	for fd := 3; fd < 100; fd++ {
		if name, _ := os.Readlink(fmt.Sprint("/proc/self/fd/", fd)); name == "/memfd: (deleted)" {
			if found == n {
				return fd
			}
			found++
		}
	}
	panic("no such file")
}

func main() {
	alone, twice := share(), share()
	code := mapped(files(1), syscall.PROT_READ|syscall.PROT_EXEC)
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
	}()
	fmt.Println("ready")
	wrong := 0
	for i := 0; !over.Load(); i++ {
		write(alone, i)
		write(twice, i)
		if read(alone, i) != byte(i) || read(code, i) != byte(i) {
			wrong++
		}
	}
	fmt.Println("wrong results:", wrong)
}
