// Command smiley records what a Go program does, call by call with values, and shows the recording.
//
// One file holds one command; root.go ties them together and turns errors into what a person reads. The commands hold no
// logic of their own: they parse what was asked for, ask analysis and store, and hand the answer to export or to a table.
package main

import (
	"context"
	"os"
	"runtime/debug"
)

func main() {
	limitMemory()
	os.Exit(Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// memoryLimit leaves room for what does not count below the 256 MiB that smiley means to need: its own code, and rings.
const memoryLimit = 176 << 20

// limitMemory has garbage collected more often when there is much of it, as while a large program is started: without, one with
// ten thousand functions takes 400 MiB for a moment. It bounds nothing that is in use. GOMEMLIMIT comes first.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
