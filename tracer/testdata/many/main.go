// Many calls small functions as often as its argument says, by goroutines of which each makes an equal share, and prints when it
// has finished.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	const goroutines = 4
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := range n / goroutines {
				step(i)
			}
		})
	}
	all.Wait()
	fmt.Println("finished")
}

func step(i int) int { return inner(i) + 1 }

func inner(i int) int { return i * 2 }
