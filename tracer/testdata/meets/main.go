// Meets puts values of many types into interfaces again and again, as fast as it can, until its standard input ends.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"
)

type (
	inner struct{ Name string }
	one   struct{ A, B, In *inner }
	two   struct{ List []string }
	three struct{ Err error }
	four  map[string]int
	five  struct {
		Any any
		Few [2]string
	}
	label string
)

func (o *one) Name() string    { return o.In.Name }
func (t two) Name() string     { return t.List[0] }
func (l label) Name() string   { return string(l) }
func (t *three) Error() string { return t.Err.Error() }

type named interface{ Name() string }

//go:noinline
func holds(v any) any { return v }

//go:noinline
func names(n named) named { return n }

//go:noinline
func fails(err error) error { return err }

func main() {
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
	}()
	debug.SetGCPercent(100)
	fmt.Println("ready")
	in := &inner{"inside"}
	o, t, e := &one{in, in, in}, two{[]string{"a", "b"}}, &three{errors.New("deep")}
	for !over.Load() {
		holds(o)
		holds(t)
		holds(e)
		holds(four{"x": 1})
		holds(&five{t, [2]string{"c", "d"}})
		holds(label("text"))
		names(o)
		names(t)
		names(label("name"))
		fails(e)
	}
}
