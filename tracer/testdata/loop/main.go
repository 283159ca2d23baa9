// Loop has functions whose first instruction may be jumped to, and an empty one.
package main

import (
	"fmt"
	"sync/atomic"
)

func main() {
	var flag atomic.Int64
	flag.Store(50)
	for range 3 {
		empty()
		fmt.Println(countdown(&flag), spin(25))
	}
	fmt.Println(zero(new([4]int)))
}

func empty() {}

// countdown jumps to its beginning until the counter is negative.
func countdown(c *atomic.Int64) int64 {
again:
	if n := c.Add(-10); n > 0 {
		goto again
	}
	return c.Swap(50)
}

func spin(n int) int {
	for n > 0 {
		n--
	}
	return n
}

func zero(p *[4]int) int {
again:
	if p[0] < 10 {
		p[0]++
		goto again
	}
	return p[0]
}
