// Goexit leaves goroutines through runtime.Goexit, with recovered panics on the way.
package main

import (
	"fmt"
	"runtime"
)

func main() {
	run(plain)
	run(deferred)
	run(recovering)
	fmt.Println("end")
}

func run(f func()) {
	done := make(chan bool)
	go func() {
		defer close(done)
		f()
		panic("not reached")
	}()
	<-done
	for runtime.NumGoroutine() > 1 { // it has yet to end, and the program must not end before it
		runtime.Gosched()
	}
}

func plain() { leave(1) }

func leave(n int) { runtime.Goexit() }

func deferred() {
	defer note("deferred")
	leave(2)
}

func note(s string) { fmt.Println(s) }

// recovering panics in a deferred call while Goexit runs. The recovery, in the frame that Goexit is leaving, makes Goexit
// go on.
func recovering() {
	defer note("outermost")
	defer func() { note(fmt.Sprint(recover())) }()
	defer fail("in defer")
	leave(3)
}

func fail(s string) { panic(s) }
