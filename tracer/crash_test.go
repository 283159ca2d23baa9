//go:build linux && amd64

package tracer

import (
	"strings"
	"testing"
)

// TestCrashReport splits reports as Go prints them.
func TestCrashReport(t *testing.T) {
	for _, test := range []struct{ text, message, stack string }{
		{"", "", ""},
		{"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n", "panic: boom", "goroutine 1 [running]:\nmain.main()"},
		{"panic: boom\n", "panic: boom", ""}, // GOTRACEBACK=none
		{"panic: a\n\t\n\tb\n\ngoroutine 1 [running]:\n", "panic: a\n\t\n\tb", "goroutine 1 [running]:"},
		{
			"panic: first [recovered]\n\tpanic: second\n\ngoroutine 1 [running]:\n",
			"panic: first [recovered]\n\tpanic: second", "goroutine 1 [running]:",
		},
		{
			"panic: nil deref\n[signal SIGSEGV: x]\n\ngoroutine 7 [running]:\n", "panic: nil deref",
			"[signal SIGSEGV: x]\n\ngoroutine 7 [running]:",
		},
		{"fatal error: bad\n\nruntime stack:\nruntime.throw()\n", "fatal error: bad", "runtime stack:\nruntime.throw()"},
		{"SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\ngoroutine 1:\n", "SIGQUIT: quit", "PC=0x1 m=0 sigcode=0\n\ngoroutine 1:"},
	} {
		c := crash{begun: true}
		for piece := range strings.SplitSeq(test.text, " ") { // it comes in pieces
			if len(c.text) > 0 {
				c.add([]byte(" "))
			}
			c.add([]byte(piece))
		}
		if message, stack := c.report(); message != test.message || stack != test.stack {
			t.Errorf("%q: message %q, stack %q", test.text, message, stack)
		}
	}
	var long crash
	for range 2 * maxCrash / 16 {
		long.add([]byte("0123456789abcde\n"))
	}
	if _, stack := long.report(); len(long.text) != maxCrash || !strings.HasSuffix(stack, "[the report is longer]") {
		t.Errorf("%d bytes kept of a long report, ending %q", len(long.text), stack[max(0, len(stack)-40):])
	}
}
