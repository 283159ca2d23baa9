// Command counted calls work until its standard input ends, and then prints how often that was. Meanwhile it writes to the file
// that its first argument names when it had counted how much; the second is how long it rests after a thousand calls, the third,
// if there is one, how many random bytes each call is given.
package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

func work(n int, text string) int { return n*2 + len(text) }

func main() {
	log, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	pause, err := time.ParseDuration(os.Args[2])
	if err != nil {
		panic(err)
	}
	size := 0
	if len(os.Args) > 3 {
		if size, err = strconv.Atoi(os.Args[3]); err != nil {
			panic(err)
		}
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	random := rand.NewChaCha8([32]byte{})
	bytes := make([]byte, size)
	for n := 0; ; {
		select {
		case <-ended:
			fmt.Println(n)
			os.Exit(7)
		default:
			for range 1000 {
				_, _ = random.Read(bytes)
				work(n, string(bytes))
				n++
			}
			fmt.Fprintln(log, time.Now().UnixNano(), n)
			time.Sleep(pause)
		}
	}
}
