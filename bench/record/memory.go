package main

import (
	"os"
	"strconv"
	"strings"
)

// peak returns the most memory this process has held at a time since resetPeak, in bytes; 0 where the system does not say.
func peak() int64 { return statusLine("VmHWM:") }

// resident returns the memory this process holds now.
func resident() int64 { return statusLine("VmRSS:") }

func statusLine(name string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// resetPeak makes peak begin anew. Where it cannot, peak is that of the whole process, which is no less.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }
