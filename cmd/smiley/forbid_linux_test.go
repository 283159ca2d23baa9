package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forbiddable are system calls that scripts can forbid.
var forbiddable = map[string]uint32{
	"ptrace": unix.SYS_PTRACE, "process_vm_readv": unix.SYS_PROCESS_VM_READV, "memfd_create": unix.SYS_MEMFD_CREATE,
}

// forbid is the command "forbid CALLS PROGRAM ARGS...": PROGRAM, and all that it starts, may not make these system calls.
func forbid() {
	runtime.LockOSThread()
	if err := filterCalls(strings.Split(os.Args[1], ",")); err != nil {
		fmt.Fprintln(os.Stderr, "no filter:", err)
		os.Exit(1)
	}
	if len(os.Args) == 2 {
		return // it is possible
	}
	program, err := exec.LookPath(os.Args[2])
	if err == nil {
		err = syscall.Exec(program, os.Args[2:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// filterCalls installs a filter for the calling thread.
func filterCalls(names []string) error {
	const equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	for _, name := range names {
		program = append(program, unix.SockFilter{Code: equal, Jf: 1, K: forbiddable[name]},
			unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	}
	program = slices.Concat(program, []unix.SockFilter{{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW}})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&f)), 0, 0)
}
