// Forkexec starts children, which share its memory until they exec, while other goroutines make calls.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
)

func main() {
	var all sync.WaitGroup
	for i := range 3 {
		all.Add(1)
		go func() {
			defer all.Done()
			busy(40)
			fmt.Println(child(i))
			busy(40)
		}()
	}
	all.Wait()
	os.Exit(childStatus())
}

func child(i int) string {
	out, err := exec.Command("/bin/sh", "-c", fmt.Sprintf("echo child %d", i)).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out[:len(out)-1])
}

func childStatus() int {
	cmd := exec.Command("/bin/sh", "-c", "exit 3")
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode()
}

func busy(n int) int {
	sum := 0
	for i := range n {
		sum += leaf(i)
	}
	return sum
}

func leaf(i int) int { return 2 * i }
