package store

import (
	"crypto/sha256"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"smiley/recording"
)

// fixture is a run that was built, and its encoded blocks.
type fixture struct {
	run    recording.Run
	end    recording.RunEnd
	blocks [][]byte
}

// tb is what testing.TB and rapid.T have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func check(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newRun returns the metadata of a run that began n seconds after the others.
func newRun(t tb, n int) recording.Run {
	t.Helper()
	id, err := recording.NewRunID()
	check(t, err)
	return recording.Run{
		ID: id, Program: "/home/gopher/shop", Args: []string{"-v", "two words"}, Cwd: "/home/gopher", Host: "den", PID: 4711,
		GoVersion: "go1.26.8", GoOS: "linux", GoArch: "amd64", Module: "example.com/shop", Revision: "abc+dirty",
		Start: testStart.Add(time.Duration(n) * time.Second),
		Settings: recording.Settings{
			Include: []string{"example.com/..."}, Bounds: recording.DefaultBounds(), Engine: "breakpoint",
			OnFull: "drop", Lines: []string{"main.leaf"}, MaxOverhead: 0.3, RingBytes: 1 << 20,
		},
	}
}

const sourceText = "package main\n\nfunc main() { leaf(1) }\n"

// testTables are types, functions and files for test runs: functions 1 to 6, the last of which cannot be traced.
func testTables() recording.Definitions {
	d := recording.Definitions{
		Types: []recording.Type{
			{ID: 1, Name: "int", Kind: recording.KindInt, Size: 8},
			{ID: 2, Name: "error", Kind: recording.KindInterface, Size: 16, Methods: true},
		},
		Files: []recording.File{
			{ID: 1, Name: "/home/gopher/main.go", Body: []byte(sourceText), Hash: sha256.Sum256([]byte(sourceText))},
			{ID: 2, Name: "/home/gopher/gone.go", Missing: "not found"},
		},
	}
	for i, name := range []string{"main.main", "main.leaf", "main.(*Cart).Add", "main.worker", "main.deep", "main.inlined"} {
		f := recording.Function{
			ID: recording.FunctionID(i + 1), Name: name, Package: "main", File: 1, Line: 3 + i, Trace: recording.TraceBreakpoint,
			Params:  []recording.Param{{Name: "n", Type: 1}},
			Results: []recording.Param{{Name: "~r0", Type: 2}},
		}
		if name == "main.inlined" {
			f.Trace, f.Reason = recording.TraceNot, "inlined away"
		}
		d.Functions = append(d.Functions, f)
	}
	return d
}

const tracedFunctions = 5

// build makes a run of what events appends, and finishes it unless unfinished is set.
func build(t tb, run recording.Run, unfinished bool, events func(b *recording.Builder)) *fixture {
	t.Helper()
	f := &fixture{run: run}
	b := recording.NewBuilder(run, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		f.blocks = append(f.blocks, encoded)
		return err
	})
	check(t, b.Define(testTables()))
	events(b)
	f.end = recording.RunEnd{End: run.Start.Add(time.Minute), Duration: int64(time.Minute), ExitCode: 7, Error: "panic: boom", Stack: "goroutine 1"}
	if unfinished {
		check(t, b.Cut(f.end.Duration))
	} else {
		check(t, b.Finish(f.end))
	}
	return f
}

// small makes a run of a few calls on one goroutine.
func small(t tb, run recording.Run) *fixture {
	t.Helper()
	return build(t, run, false, func(b *recording.Builder) {
		w := newWorld(t, b, 1)
		for range 3 {
			w.steps(20)
			check(t, b.Cut(w.now))
		}
	})
}

// world makes up a program's events: goroutines that call, return, panic, recover, print and end.
type world struct {
	t    tb
	b    *recording.Builder
	rng  *rand.Rand
	now  int64
	next int64
	live []*worldGoroutine
}

type worldGoroutine struct {
	id     int64
	frames []uint64
	funcs  []recording.FunctionID
}

func newWorld(t tb, b *recording.Builder, seed uint64) *world {
	w := &world{t: t, b: b, rng: rand.New(rand.NewPCG(seed, 1)), next: 1}
	w.spawn()
	return w
}

func (w *world) spawn() {
	g := &worldGoroutine{id: w.next}
	w.next += 1 + w.rng.Int64N(3)
	def := recording.Goroutine{ID: g.id, StartFunction: 4, Start: w.now}
	if len(w.live) > 0 {
		def.Parent, def.Creator, def.CreatedIn, def.CreatedLine = w.live[0].id, w.b.OpenCall(w.live[0].id), 1, 12
	}
	check(w.t, w.b.Define(recording.Definitions{Goroutines: []recording.Goroutine{def}}))
	w.live = append(w.live, g)
	w.add(g, recording.KindGoroutineStart, 0, nil)
	w.b.Quiet(2)
}

func (w *world) add(g *worldGoroutine, kind recording.Kind, f recording.FunctionID, data []byte) {
	frame := uint64(0)
	if n := len(g.frames); n > 0 {
		frame = g.frames[n-1]
	}
	// Goroutines run on threads whose clocks are read a little out of order.
	raw := recording.Raw{Kind: kind, Function: f, Goroutine: g.id, Time: w.now - w.rng.Int64N(3), Frame: frame, Data: data}
	check(w.t, w.b.Append(&raw))
}

func (w *world) steps(n int) {
	for range n {
		w.step()
	}
}

func (w *world) step() {
	w.now += w.rng.Int64N(1000)
	g := w.live[w.rng.IntN(len(w.live))]
	depth := len(g.frames)
	switch dice := w.rng.IntN(100); {
	case dice < 45 && depth < 12, depth == 0 && dice < 70:
		f := recording.FunctionID(1 + w.rng.IntN(tracedFunctions))
		g.frames = append(g.frames, uint64(64*(depth+1)))
		g.funcs = append(g.funcs, f)
		w.add(g, recording.KindCall, f, w.record(1))
	case dice < 80 && depth > 0:
		w.add(g, recording.KindReturn, g.funcs[depth-1], w.record(2))
		g.pop(1)
	case dice < 84:
		w.add(g, recording.KindOutput, 0, []byte("\x01hello\n"))
	case dice < 87 && depth > 0: // a panic that a call further out recovers
		w.add(g, recording.KindPanic, g.funcs[depth-1], nil)
		g.pop(w.rng.IntN(depth))
		w.add(g, recording.KindRecovered, 0, nil)
	case dice < 89 && depth > 1: // a return that nobody saw
		g.pop(1)
		w.add(g, recording.KindReturn, g.funcs[depth-2], w.record(2))
		g.pop(1)
	case dice < 90 && depth > 0: // and a call that takes its place on the stack
		f := recording.FunctionID(1 + w.rng.IntN(tracedFunctions))
		g.funcs[depth-1] = f
		w.add(g, recording.KindCall, f, w.record(1))
	case dice < 91:
		check(w.t, w.b.Drop(uint64(1+w.rng.IntN(5)), g.id, w.now, "queue full"))
	case dice < 93:
		w.spawn()
	case dice < 96 && len(w.live) > 1:
		w.add(g, recording.KindGoroutineEnd, 0, nil)
		for i, other := range w.live {
			if other == g {
				w.live = append(w.live[:i], w.live[i+1:]...)
				break
			}
		}
	}
}

func (g *worldGoroutine) pop(n int) {
	g.frames = g.frames[:len(g.frames)-n]
	g.funcs = g.funcs[:len(g.funcs)-n]
}

// record makes a capture record of an int, or of an error that is nil half of the time.
func (w *world) record(words int) []byte {
	record := make([]byte, 1+8*words)
	if w.rng.IntN(2) == 0 {
		record[1] = 1
	}
	return record
}

// openStore opens a new store that the test closes.
func openStore(t testing.TB, opts ...Option) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "smiley.db"), opts...)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

// withTuning makes roll-ups happen early.
func withTuning(fan, rollUp uint32) Option {
	return func(o *options) {
		o.fan, o.rollUpBlocks = fan, rollUp
		o.digestBlocks, o.fineBlocks = rollUp+2, int(fan)
		o.ownTrees, o.readBlocks = int(fan), rollUp/2
		o.goroutineScan = int(fan)
	}
}

// keep appends all blocks of a run.
func keep(t testing.TB, s *Store, f *fixture) {
	t.Helper()
	for _, block := range f.blocks {
		_, err := s.Append(t.Context(), block)
		check(t, err)
	}
}
