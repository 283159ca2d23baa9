// Forever makes calls until it is killed. It prints its process id first.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println(os.Getpid())
	for i := 0; ; i++ {
		step(i)
	}
}

func step(i int) int { return i ^ 1 }
