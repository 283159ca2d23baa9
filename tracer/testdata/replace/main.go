// Replace becomes another program by exec, after a try that fails, while other goroutines run.
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	fmt.Println("before")
	for range 3 {
		go spin()
	}
	fmt.Println(become("/nowhere/at/all"))
	step()
	panic(become("/bin/sh"))
}

func become(path string) error {
	return syscall.Exec(path, []string{path, "-c", "echo after; exit 4"}, os.Environ())
}

func step() {}

func spin() {
	for {
		step()
	}
}
