// Command offsets calls a function with texts that begin at each place of a page.
package main

import "fmt"

const page = 4096

//go:noinline
func text(s string) int { return len(s) }

func main() {
	all, n := string(make([]byte, 3*page)), 0
	for i := range page {
		n += text(all[page+i : page+i+3])
	}
	fmt.Println(n)
}
