// Command smiley records what a Go program does, call by call with values, and shows the recording.
//
// One file holds one command; root.go ties them together and turns errors into what a person reads. The commands hold no
// logic of their own: they parse what was asked for, ask analysis and store, and hand the answer to export or to a table.
package main

import (
	"context"
	"os"
)

func main() {
	limitMemory()
	os.Exit(Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
