// Copy sends a file to stdout by way of the kernel.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	fmt.Println("begin")
	f, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	n, err := io.Copy(os.Stdout, f)
	if err != nil {
		panic(err)
	}
	fmt.Println("end", n)
}
