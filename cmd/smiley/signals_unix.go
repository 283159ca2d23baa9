//go:build unix

package main

import (
	"os"
	"syscall"
)

// forwarded are the signals that are passed on to the program that is run.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH}
