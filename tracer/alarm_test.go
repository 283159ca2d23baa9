//go:build linux && amd64

package tracer

import (
	"testing"
	"time"
)

// TestAlarm waits for an alarm that does not ring, for one that does meanwhile, and for one that did before.
func TestAlarm(t *testing.T) {
	var a alarm
	if a.within(0) || a.within(time.Millisecond) {
		t.Error("it rang by itself")
	}
	heard := make(chan bool)
	go func() { heard <- a.within(time.Hour) }()
	a.ring()
	if !<-heard || !a.within(time.Hour) {
		t.Error("it was not heard")
	}
}
