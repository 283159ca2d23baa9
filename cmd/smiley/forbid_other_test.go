//go:build !linux

package main

import "os"

// forbid: there are no such filters here.
func forbid() { os.Exit(1) }
