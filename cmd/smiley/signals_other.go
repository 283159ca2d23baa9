//go:build !unix

package main

import (
	"os"
	"syscall"
)

// forwarded are the signals that are passed on to the program that is run.
var forwarded = []os.Signal{os.Interrupt, syscall.SIGTERM}
