//go:build linux && amd64

package install

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// StatusNumber returns what the system says of a process or thread under a name, the first of several numbers; 0 when it says nothing.
func StatusNumber(id int, name string) int {
	return statusNumber(fmt.Sprintf("/proc/%d/status", id), name, 10)
}

// LeaderOf returns the process of a thread; the thread itself when it has ended.
func LeaderOf(id int) int {
	if process := StatusNumber(id, "Tgid"); process != 0 {
		return process
	}
	return id
}

func statusNumber(file, name string, base int) int {
	status, _ := os.ReadFile(file)
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, name+":"); ok {
			if fields := strings.Fields(text); len(fields) > 0 {
				n, _ := strconv.ParseUint(fields[0], base, 64) // 0 is nothing; all bits of a set of signals
				return int(n)
			}
		}
	}
	return 0
}
