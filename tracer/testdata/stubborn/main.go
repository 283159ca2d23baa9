// Stubborn ignores requests to end.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	fmt.Println("ready")
	for s := range c {
		ignore(s)
	}
}

func ignore(s os.Signal) { fmt.Println("ignored", s) }
