// Command profile profiles itself while it calls small functions, and writes the profile to the file it is given. How many
// thousand times it does so can follow.
package main

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
)

//go:noinline
func hot(a, b int) int { return a*31 + b }

//go:noinline
func warm(n int) (sum int) {
	for i := range n {
		sum = hot(sum, i)
	}
	return sum
}

func main() {
	f, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		panic(err)
	}
	rounds := 4
	if len(os.Args) > 2 {
		if rounds, err = strconv.Atoi(os.Args[2]); err != nil {
			panic(err)
		}
	}
	sum := 0
	for range 1000 * rounds {
		sum += warm(5000)
	}
	pprof.StopCPUProfile()
	f.Close()
	fmt.Println(sum)
}
