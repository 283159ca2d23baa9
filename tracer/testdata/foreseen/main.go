// Foreseen puts values of many types into interfaces, each once, as the first thing that it does: nobody has met these types before.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
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

// Of what follows all that is shown is copied whether or not the types are known.
type (
	colour uint8
	table  map[string]*square
	pipe   chan *square
	action func(s shape) shape
	matrix [16]float64
	point  struct{ X, Y int32 }
	oops   string
)

func (o oops) Error() string { return string(o) }

func (c colour) String() string { return [...]string{"red", "green"}[c] }

type larger struct {
	Matrix matrix
	Last   byte
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
	ready := make(pipe, 3)
	ready <- nil
	holds(colour(1))
	holds(table{"a": nil, "b": nil})
	holds(ready)
	holds(action(measures))
	holds(matrix{0: 1, 7: 2})
	holds(&matrix{0: 3, 7: 4})
	holds(point{5, 6})
	holds(&point{7, 8})
	holds(larger{matrix{9}, 10})
	holds(&larger{matrix{11}, 12})
	holds(oops("a text that is an error"))
	fails(oops(strings.Repeat("a text that is an error, and longer than others ", 4)))
	many(colour(0), table{}, &point{9, 10}, action(nil), pipe(nil), point{})
	func() {
		defer func() { holds(recover()) }()
		panic(failure{13, "panicked"})
	}()
}
