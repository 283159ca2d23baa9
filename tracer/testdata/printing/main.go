// Command printing writes as many lines as its argument says, each with a system call of its own, and as much to a file of which nothing is
// recorded.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	line := strings.Repeat("-", 200)
	for range n {
		fmt.Println(line)
		fmt.Fprintln(null, line)
	}
	fmt.Println("finished")
}
