//go:build !linux

package store

import (
	"fmt"
	"os"
	"time"
)

var began = time.Now()

// processSpace is unknown: only heartbeats tell whether another process lives.
func processSpace() string { return "" }

// process names this process.
func process(int) string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%d-%s-%d", os.Getpid(), host, began.UnixNano())
}
