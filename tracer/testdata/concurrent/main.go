// Concurrent does a bit of everything Go has calls for in 8 goroutines.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
)

const workers = 8

func main() {
	var (
		all     sync.WaitGroup
		mu      sync.Mutex
		results []string
	)
	for id := range workers {
		all.Add(1)
		go func() {
			defer all.Done()
			r := work(id)
			mu.Lock()
			defer mu.Unlock()
			results = append(results, r)
		}()
	}
	all.Wait()
	for runtime.NumGoroutine() > 1 { // what they have yet to do is to be recorded in every run
		runtime.Gosched()
	}
	sort.Strings(results)
	fmt.Println(strings.Join(results, "\n"))
	if len(results) != workers {
		os.Exit(1)
	}
}

func work(id int) string {
	cart := &cart{}
	for i := range 4 {
		cart.add(item{name: fmt.Sprint("item", i), price: i * id})
	}
	counter := counter()
	counter()
	counter()
	return fmt.Sprintf("%d: fib %d, cart %d, counter %d, %v, %v, %d %s",
		id, fib(6), cart.total(), counter(), safely(id), largest([]int{id, 3, 5}),
		apply(id, func(n int) int { return double(n) }), shape(square{id}).describe())
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

type item struct {
	name  string
	price int
}

type cart struct{ items []item }

func (c *cart) add(i item) { c.items = append(c.items, i) }

func (c *cart) total() (sum int) {
	defer func() { sum = withTax(sum) }()
	for _, i := range c.items {
		sum += i.cost()
	}
	return sum
}

func (i item) cost() int { return i.price }

func withTax(n int) int { return n + n/5 }

func counter() func() int {
	n := 0
	return func() int { n++; return n }
}

func safely(id int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered: %v", r)
		}
	}()
	return risky(id)
}

func risky(id int) error {
	defer cleanup(id)
	switch id % 3 {
	case 0:
		panic("risky")
	case 1:
		return errors.New("refused")
	}
	return nil
}

func cleanup(id int) int { return -id }

func largest[T int | float64](values []T) T {
	var best T
	for _, v := range values {
		best = larger(best, v)
	}
	return best
}

func larger[T int | float64](a, b T) T {
	if a > b {
		return a
	}
	return b
}

func apply(n int, f func(int) int) int { return f(n) }

func double(n int) int { return 2 * n }

type shape interface{ describe() string }

type square struct{ side int }

func (s square) describe() string { return fmt.Sprint("square ", s.area()) }

func (s square) area() int { return s.side * s.side }
