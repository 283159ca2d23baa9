// Command supervised is a program whose main thread asks a supervisor before it makes a memory file, as in a sandbox: it waits in the
// kernel until that answers. Descriptor 3 is a socket on which the supervisor gets what the kernel asks it with.
//
// It counts calls in some goroutines until its input ends.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

var stop atomic.Bool

//go:noinline
func leaf(a, b int) int { return a + b }

//go:noinline
func spin(n int) (sum int) {
	for i := range n {
		sum += leaf(i, 1)
	}
	return sum
}

// supervise has the calling thread ask.
func supervise() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_MEMFD_CREATE, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return unix.Sendmsg(3, []byte{0}, unix.UnixRights(int(listener)), nil, 0)
}

func init() {
	runtime.LockOSThread() // the main thread
	if err := supervise(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	var bad atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for !stop.Load() {
				if spin(100) != 100*99/2+100 {
					bad.Add(1)
				}
			}
		})
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop.Store(true)
	all.Wait()
	fmt.Println("wrong results:", bad.Load())
}
