// Exitgoroutine calls os.Exit in a goroutine while others wait.
package main

import "os"

func main() {
	for range 4 {
		go wait()
	}
	go leave(5)
	wait()
}

func wait() { select {} }

func leave(code int) { os.Exit(code) }
