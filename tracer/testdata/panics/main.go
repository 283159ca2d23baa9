// Panics panics with values of several types, and recovers.
package main

import (
	"errors"
	"fmt"
	"os"
)

type failure struct {
	code int
	what string
}

func (f *failure) Error() string { return f.what }

func raise(v any) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	panic(v)
}

// nest panics in a deferred function of each of n panics, which it recovers.
func nest(n int) {
	if n == 0 {
		panic("innermost")
	}
	defer func() { again(n, recover()) }()
	nest(n - 1)
}

func again(n int, v any) { panic(fmt.Sprintf("%d on %.9s", n, v)) }

func nested(n int) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	nest(n)
	return "nothing"
}

func main() {
	if len(os.Args) > 1 {
		for _, n := range []int{1, 3, 4, 5, 9, 60} {
			fmt.Println(nested(n))
		}
		return
	}
	for range 3 {
		for _, v := range []any{
			errors.New("plain"), &failure{3, "own"}, failure{4, "by value"}, fmt.Errorf("around %w", &failure{5, "inner"}), "text", 6, nil,
		} {
			fmt.Println(raise(v))
		}
	}
}
