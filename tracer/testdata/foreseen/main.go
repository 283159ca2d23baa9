// Foreseen puts values of many types into interfaces, each once, as the first thing that it does: nobody has met these types before.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

type failure struct {
	Code int
	Text string
}

func (f *failure) Error() string { return f.Text }

type shape interface{ Area() float64 }

type square struct {
	Side float64
	Name string
}

func (s square) Area() float64 { return s.Side * s.Side }

type label string

type pair[K comparable, V any] struct {
	Key   K
	Value V
}

type box struct {
	Inside any
	Err    error
}

//go:noinline
func fails(err error) error { return err }

//go:noinline
func holds(v any) any { return v }

//go:noinline
func measures(s shape) shape { return s }

//go:noinline
func many(list ...any) int { return len(list) }

//go:noinline
func boxed(b *box, ctx context.Context) {}

func main() {
	fails(&failure{1, "a failure"})
	measures(square{2, "by value"})
	measures(&square{3, "by pointer"})
	holds(square{4, "in any"})
	holds(&failure{5, "pointer in any"})
	holds(label("a label"))
	holds([]string{"a", "b"})
	holds(pair[string, int]{"one", 1})
	holds(pair[label, []string]{"list", []string{"c", "d"}})
	holds([]any{1, "text", square{6, "in a list"}, &failure{7, "in a list"}, label("l"), 2.5, nil, []string{"deep"}})
	holds(map[string]int{"a": 1})
	holds(struct{}{})
	holds(time.Second)
	many("printf", 1, label("x"), square{8, "variadic"}, errors.New("an error"))
	fails(errors.Join(&failure{9, "joined"}, os.ErrNotExist, errors.New("third")))
	fails(fmt.Errorf("wrapped: %w", &failure{10, "inside"}))
	_, err := os.Open("/nothing/here")
	fails(err)
	boxed(&box{square{11, "in a box"}, &failure{12, "in a box"}}, context.Background())
	func() {
		defer func() { holds(recover()) }()
		panic(failure{13, "panicked"})
	}()
}
