// Environment prints its working directory, its environment and its arguments.
package main

import (
	"fmt"
	"os"
)

func main() {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	fmt.Printf("%q %q %q\n", dir, os.Environ(), os.Args[1:])
}
