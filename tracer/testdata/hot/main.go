// Hot calls one function all the time and others now and then, and prints how often each ran.
package main

import (
	"fmt"
	"os"
	"strconv"
)

var sum int

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	for i := range n {
		if i%100_000 == 0 {
			cool(i)
		}
		outer(i)
	}
	fmt.Println("hot", n, "cool", (n+99_999)/100_000, sum)
}

func outer(i int) { sum += hot(i) + hot(i+1) }

func hot(i int) int { return i & 1 }

func cool(i int) int {
	for range 1000 {
		i = work(i)
	}
	return i
}

//go:noinline
func work(i int) int { return i*31 + 7 }
