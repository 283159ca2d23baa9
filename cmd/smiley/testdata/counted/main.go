// Command counted calls work until its standard input ends, and then prints how often that was.
package main

import (
	"fmt"
	"io"
	"os"
)

func work(n int) int { return n * 2 }

func main() {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for n := 0; ; n++ {
		select {
		case <-ended:
			fmt.Println(n)
			os.Exit(7)
		default:
			work(n)
		}
	}
}
