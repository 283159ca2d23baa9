package store

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// processSpace names this boot of this machine and the process namespace: where a process id means something.
var processSpace = sync.OnceValue(func() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return "linux/" + strings.TrimSpace(string(boot)) + "/" + namespace
})

// process names a process by its id and the clock tick of its start; "" when there is none, or only what is left of it.
func process(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, ok := cutLast(string(stat), ") ") // the name before it may hold anything
	fields := strings.Fields(rest)
	const state, start = 0, 19 // fields 3 and 22 of proc_pid_stat(5)
	if !ok || len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return ""
	}
	return fmt.Sprintf("%d-%s", pid, fields[start])
}
