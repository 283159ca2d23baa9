package webtest

import (
	"fmt"
	"testing"

	"smiley/recording"
	"smiley/store"
)

// Wide stores a run in which main calls that many functions, the first one once, the second twice and so on up to seven times.
func Wide(t testing.TB, s *store.Store, v *Vocabulary, n, functions int) Recorded {
	t.Helper()
	p := newProgram(t, s, v, n)
	var d recording.Definitions
	for i := range functions {
		d.Functions = append(d.Functions, recording.Function{
			ID: LeafLines + 1 + recording.FunctionID(i), Name: fmt.Sprintf("main.wide%d", i), Package: v.pkg, File: 1, Line: 16, Trace: recording.TraceProbe,
		})
	}
	check(t, p.b.Define(d))
	p.spawn(1, 0)
	p.call(1, Main)
	for i := range functions {
		for range 1 + i%7 {
			p.call(1, d.Functions[i].ID)
			p.ret(1)
		}
	}
	p.ret(1)
	p.finish(v)
	return Recorded{p.run.ID}
}

// Loop stores a run in which main, call 2, calls leaf that many times: calls 3, 5, 7 and so on.
func Loop(t testing.TB, s *store.Store, v *Vocabulary, n, calls int) Recorded {
	t.Helper()
	p := newProgram(t, s, v, n)
	p.spawn(1, 0)
	p.call(1, Main)
	for i := range calls {
		p.call(1, Leaf, i)
		p.ret(1, i%5 == 4)
		if i%30_000 == 29_999 {
			check(t, p.b.Cut(p.now))
		}
	}
	p.ret(1)
	p.finish(v)
	return Recorded{p.run.ID}
}

// Crowd stores a run in which main starts that many goroutines, from number 2 on. Each calls worker and that name; they all live
// at once.
func Crowd(t testing.TB, s *store.Store, v *Vocabulary, n, goroutines int) Recorded {
	t.Helper()
	p := newProgram(t, s, v, n)
	p.spawn(1, 0)
	p.call(1, Main)
	for i := range goroutines {
		g := int64(2 + i)
		p.spawn(g, 1)
		p.call(g, Worker)
		p.call(g, Name, v.text)
		p.ret(g, v.text)
	}
	for i := range goroutines {
		g := int64(2 + i)
		p.ret(g)
		p.event(recording.KindGoroutineEnd, g, nil)
	}
	p.ret(1)
	p.finish(v)
	return Recorded{p.run.ID}
}
