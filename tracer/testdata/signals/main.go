// Signals waits for SIGTERM, with a handler or without one as its argument says.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if os.Args[1] == "handler" {
		handled()
	}
	fmt.Println("ready")
	select {}
}

func handled() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("ready")
	got := <-c
	fmt.Println("got", got)
	end(9)
}

func end(code int) { os.Exit(code) }
