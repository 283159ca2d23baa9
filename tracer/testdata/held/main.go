// Held passes on values that lie in interfaces in what interfaces hold, until its standard input ends.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

type point struct {
	X    int
	Name string
}

type holder struct {
	Value any
	Small any
	Err   error
}

//go:noinline
func show(v any, err error) { _, _ = v, err }

func main() {
	over := make(chan bool)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	inner := errors.New("no such file, and a reason that is longer than sixty-four bytes, as reasons sometimes are")
	v := &holder{Value: point{7, "inner"}, Small: uint8(3), Err: inner}
	err := fmt.Errorf("open: %w", inner)
	for {
		show(v, err)
		select {
		case <-over:
			return
		case <-time.After(time.Millisecond):
		}
	}
}
