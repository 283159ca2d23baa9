// Package site finds the bytes of a Go program for linux/amd64 that a five-byte jump may replace: one place at each
// function's entry and one at each of its RETs.
//
// Start with [Load], which reads the program's file, and [Image.Analyse], which looks at one function. [Move] re-encodes
// the instructions a jump displaces for another address. The package knows instructions and the Go ABI; it knows nothing
// of what is generated at the other end of the jump, and nothing of a running process.
package site
