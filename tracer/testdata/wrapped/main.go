// Wrapped ends by the panic of an error in an error. No function of its has to do with the type error, and no type of its.
package main

import "fmt"

type failure struct {
	code int
	what string
}

func (f *failure) Error() string { return f.what }

//go:noinline
func attempt(n int) {
	panic(fmt.Errorf("attempt %d: %w", n, &failure{n, "too late"}))
}

func main() { attempt(3) }
