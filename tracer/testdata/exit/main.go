// Exit ends with the status given as its argument, behind a function that never returns.
package main

import (
	"os"
	"strconv"
)

func main() {
	code, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	leave(code)
}

func leave(code int) {
	if code != 0 {
		os.Exit(code)
	}
}
