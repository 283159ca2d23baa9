// Command counted calls work until its standard input ends, and then prints how often that was. Meanwhile it writes to the file
// that its first argument names when it had counted how much; the second is how long it rests after a thousand calls.
package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

func work(n int) int { return n * 2 }

func main() {
	log, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	pause, err := time.ParseDuration(os.Args[2])
	if err != nil {
		panic(err)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for n := 0; ; {
		select {
		case <-ended:
			fmt.Println(n)
			os.Exit(7)
		default:
			for range 1000 {
				work(n)
				n++
			}
			fmt.Fprintln(log, time.Now().UnixNano(), n)
			time.Sleep(pause)
		}
	}
}
