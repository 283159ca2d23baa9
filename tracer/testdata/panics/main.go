// Panics panics with values of several types, and recovers.
package main

import (
	"errors"
	"fmt"
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

func main() {
	for range 3 {
		for _, v := range []any{
			errors.New("plain"), &failure{3, "own"}, failure{4, "by value"}, fmt.Errorf("around %w", &failure{5, "inner"}), "text", 6, nil,
		} {
			fmt.Println(raise(v))
		}
	}
}
