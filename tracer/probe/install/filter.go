//go:build linux && amd64

package install

import (
	"fmt"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// passFilter makes sure that the program's own filter of system calls (seccomp), if it has one, lets pass what a stub asks the kernel
// for: a filter may end the program for a call that it does not know. The kernel suspends filters for tracers with CAP_SYS_ADMIN.
// Others go on only if the filter is most likely one that this process has too, such as that of a container.
func passFilter(pid, id int) error {
	own := secureComputing("/proc/thread-self/status")
	its := secureComputing(fmt.Sprintf("/proc/%d/task/%d/status", pid, id))
	if its.mode == 0 || suspendFilters(id) == nil || its == own {
		return nil
	}
	return recording.Errorf(recording.CodeUnsupported, "process %d filters its system calls (seccomp): to map memory in it could end it", pid).
		WithHint("run smiley with CAP_SYS_ADMIN, for which the kernel suspends the filter, or start the program with smiley run")
}

// suspendFilters lets a stopped thread make any system call until it goes on without us. Tests have it fail.
var suspendFilters = func(id int) error { return unix.PtraceSetOptions(id, unix.PTRACE_O_SUSPEND_SECCOMP) }

// filters is what a process's status says of them.
type filters struct {
	mode, number int // mode 0: none
}

// secureComputing reads the file of a thread's status; one that has ended does nothing any more.
func secureComputing(file string) filters {
	return filters{mode: statusNumber(file, "Seccomp", 10), number: statusNumber(file, "Seccomp_filters", 10)}
}
