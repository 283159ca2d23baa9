package recording

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// plainTables are types and functions enough for generated events: function i has i%3 int parameters, and every second
// one returns an error.
func plainTables(functions int) Definitions {
	d := Definitions{Types: []Type{
		{ID: 1, Name: "int", Kind: KindInt, Size: 8},
		{ID: 2, Name: "error", Kind: KindInterface, Size: 16, Methods: true},
	}}
	for i := 1; i <= functions; i++ {
		f := Function{ID: FunctionID(i), Name: fmt.Sprintf("main.f%d", i), Package: "main", Line: i, Trace: TraceBreakpoint}
		for range i % 3 {
			f.Params = append(f.Params, Param{Name: "n", Type: 1})
		}
		if i%2 == 0 {
			f.Results = []Param{{Type: 2}}
		}
		d.Functions = append(d.Functions, f)
	}
	return d
}

func testRun() Run {
	return Run{
		ID: RunID{1, 2, 3}, Program: "/bin/program", Args: []string{"a", "\xff"}, Cwd: "/", Host: "host", PID: 7,
		GoVersion: "go1.26", GoOS: "linux", GoArch: "amd64", Module: "example.com/m", Start: time.Unix(1e9, 5).UTC(),
		Settings: Settings{Include: []string{"main..."}, Bounds: DefaultBounds(), Engine: "breakpoint"},
	}
}

// collector encodes and decodes every block and checks it with a Validator.
type collector struct {
	t       rapid.TB
	blocks  []*Block
	encoded [][]byte
	checks  *Validator
}

func newCollector(t rapid.TB) *collector { return &collector{t: t, checks: NewValidator()} }

func (c *collector) emit(d *Draft) error {
	c.t.Helper()
	encoded, err := d.Encode(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := Decode(encoded)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.checks.Block(b); err != nil {
		c.t.Fatal(err)
	}
	c.blocks, c.encoded = append(c.blocks, b), append(c.encoded, encoded)
	return nil
}

// drawnCall is a call that drawn events left open.
type drawnCall struct {
	frame    uint64
	function FunctionID
}

// drawRaws draws events that are sometimes a program's and sometimes nonsense: returns without calls, calls without
// returns, panics, recoveries, ends and events after the end.
func drawRaws(t *rapid.T, functions int) []Raw {
	stacks := make(map[int64][]drawnCall)
	kinds := []Kind{
		KindCall, KindCall, KindCall, KindCall, KindReturn, KindReturn, KindReturn, KindReturn, KindPanic, KindRecovered,
		KindLine, KindOutput, KindGap, KindGoroutineStart, KindGoroutineEnd,
	}
	raws := make([]Raw, rapid.IntRange(0, 120).Draw(t, "events"))
	now := int64(0)
	ended := make(map[int64]int64) // the latest time of goroutines that ended
	for i := range raws {
		r := &raws[i]
		r.Kind = rapid.SampledFrom(kinds).Draw(t, "kind")
		r.Goroutine = rapid.Int64Range(1, 3).Draw(t, "goroutine")
		r.Function = FunctionID(rapid.IntRange(1, functions).Draw(t, "function"))
		now += rapid.Int64Range(-50, 300).Draw(t, "delta")
		r.Time = now
		if latest, late := ended[r.Goroutine]; late {
			// The builder has forgotten it, or not yet.
			r.Time = max(now, latest)
			ended[r.Goroutine] = r.Time
		}
		r.Frame = 8 * rapid.Uint64Range(1, 12).Draw(t, "frame")
		stacks[r.Goroutine] = drawPlace(t, r, stacks[r.Goroutine])
		if r.Kind == KindGoroutineEnd {
			ended[r.Goroutine] = latestOf(raws[:i+1], r.Goroutine)
		}
		r.Data = drawData(t, r)
	}
	return raws
}

// drawPlace makes most events fit to the open calls, and returns what is open then.
func drawPlace(t *rapid.T, r *Raw, stack []drawnCall) []drawnCall {
	orderly := rapid.IntRange(0, 9).Draw(t, "orderly") < 7
	n := len(stack)
	switch r.Kind {
	case KindCall:
		if n > 0 && orderly {
			r.Frame = stack[n-1].frame + 8
		}
		stack = append(stack, drawnCall{r.Frame, r.Function})
	case KindReturn:
		if n > 0 && orderly {
			r.Frame, r.Function = stack[n-1].frame, stack[n-1].function
			stack = stack[:n-1]
		}
	case KindPanic:
		if orderly {
			r.Frame = 0
		}
		r.Function *= FunctionID(rapid.IntRange(0, 1).Draw(t, "named"))
	case KindRecovered:
		if n > 0 && orderly {
			at := rapid.IntRange(0, n-1).Draw(t, "recovering")
			r.Frame = stack[at].frame
			stack = stack[:at+1]
		}
		r.Function = 0
	case KindLine:
		r.Line = rapid.Uint32().Draw(t, "line")
	case KindGoroutineEnd:
		stack = nil
	}
	if r.Kind == KindGoroutineEnd || r.Kind == KindRecovered {
		r.Flags = RawFlags(rapid.IntRange(0, 1).Draw(t, "goexit"))
	}
	return stack
}

func latestOf(raws []Raw, goroutine int64) int64 {
	latest := int64(math.MinInt64)
	for _, r := range raws {
		if r.Goroutine == goroutine {
			latest = max(latest, r.Time)
		}
	}
	return latest
}

func drawData(t *rapid.T, r *Raw) []byte {
	if r.Kind == KindGap {
		n := uint64(rapid.IntRange(0, 9).Draw(t, "lost"))
		return append(binary.LittleEndian.AppendUint64(nil, n), "why"...)
	}
	switch rapid.IntRange(0, 3).Draw(t, "shape") {
	case 0:
		return nil
	case 1: // any length, also shorter than the fixed part
		return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data")
	}
	data := make([]byte, rapid.SampledFrom([]int{17, 17, 17, 25, 30}).Draw(t, "length"))
	data[1], data[9] = byte(r.Time), byte(rapid.IntRange(0, 1).Draw(t, "bit"))
	return data
}

// naive pairs all events of a run at once, straight from the definitions: for each call it looks for its end, for each
// event for the calls that enclose it. It shares nothing with the builder.
type naive struct {
	raws  []Raw
	times []int64
	calls []Call // every call, by seq
	ends  []int  // index of the event that ended calls[i], len(raws) when none did
	at    map[int]int
}

func newNaive(raws []Raw) *naive {
	n := &naive{raws: raws, at: make(map[int]int)}
	last := make(map[int64]int64)
	for _, r := range raws {
		time, seen := last[r.Goroutine]
		if time = max(time, r.Time); !seen {
			time = r.Time
		}
		last[r.Goroutine] = time
		n.times = append(n.times, time)
	}
	for i, r := range raws {
		if r.Kind == KindCall {
			n.at[i] = len(n.calls)
			n.calls = append(n.calls, Call{
				Seq: uint64(i + 1), Goroutine: r.Goroutine, Function: r.Function, Start: n.times[i], End: -1, Self: -1,
			})
			n.ends = append(n.ends, n.findEnd(i))
		}
	}
	for i := range n.calls {
		n.place(i)
	}
	for i := range n.calls {
		n.finish(i)
	}
	return n
}

// findEnd returns the index of the event that ends the call at index i.
func (n *naive) findEnd(i int) int {
	call := &n.raws[i]
	for j := i + 1; j < len(n.raws); j++ {
		r := &n.raws[j]
		if r.Goroutine != call.Goroutine {
			continue
		}
		switch r.Kind {
		case KindCall, KindReturn:
			if r.Frame <= call.Frame {
				return j
			}
		case KindRecovered:
			if r.Frame < call.Frame {
				return j
			}
		case KindGoroutineEnd:
			return j
		}
	}
	return len(n.raws)
}

// enclosing returns the calls (indexes into calls, outermost first) of a goroutine open just before event i, less those
// that i itself ends without a return.
func (n *naive) enclosing(i int) []int {
	var list []int
	for c := range n.calls {
		from := int(n.calls[c].Seq) - 1
		if n.calls[c].Goroutine != n.raws[i].Goroutine || from >= i || n.ends[c] < i {
			continue
		}
		if n.ends[c] == i && !n.matches(c, i) {
			continue
		}
		list = append(list, c)
	}
	return list
}

// matches reports whether event i is the return of call c.
func (n *naive) matches(c, i int) bool {
	r := &n.raws[i]
	call := &n.raws[n.calls[c].Seq-1]
	return r.Kind == KindReturn && n.ends[c] == i && r.Frame == call.Frame && r.Function == call.Function
}

func (n *naive) place(c int) {
	outer := n.enclosing(int(n.calls[c].Seq) - 1)
	n.calls[c].Depth = len(outer)
	if len(outer) > 0 {
		n.calls[c].Parent = n.calls[outer[len(outer)-1]].Seq
	}
}

func (n *naive) finish(c int) {
	end := n.ends[c]
	if end == len(n.raws) {
		return
	}
	call := &n.calls[c]
	call.End, call.EndSeq = n.times[end], uint64(end+1)
	call.Self = call.End - call.Start
	for i := range n.calls {
		if n.calls[i].Parent == call.Seq {
			call.Self -= n.times[n.ends[i]] - n.calls[i].Start
		}
	}
	switch r := &n.raws[end]; {
	case n.matches(c, end):
		call.Outcome = OutcomeReturned
		call.Failed = n.failed(end)
	case r.Flags&FlagGoexit != 0:
		call.Outcome = OutcomeExited
	case n.panicking(c, end):
		call.Outcome = OutcomePanicked
	default:
		call.Outcome = OutcomeLost
	}
}

// failed reads the first result's first word behind the status byte, as plainTables has it.
func (n *naive) failed(i int) bool {
	r := &n.raws[i]
	return r.Function%2 == 0 && len(r.Data) >= 9 && binary.LittleEndian.Uint64(r.Data[1:]) != 0
}

// panicking reports whether a panic began within call c and was not over just before event end.
func (n *naive) panicking(c, end int) bool {
	for p := int(n.calls[c].Seq); p < end; p++ {
		if r := &n.raws[p]; r.Kind == KindPanic && r.Goroutine == n.calls[c].Goroutine && n.panicOver(p) >= end {
			return true
		}
	}
	return false
}

// panicOver returns the index of the event that ends the panic at index p.
func (n *naive) panicOver(p int) int {
	offset := n.raws[p].Frame
	if open := n.enclosing(p); offset == 0 && len(open) > 0 {
		offset = n.raws[n.calls[open[len(open)-1]].Seq-1].Frame
	}
	for j := p + 1; j < len(n.raws); j++ {
		r := &n.raws[j]
		if r.Goroutine != n.raws[p].Goroutine {
			continue
		}
		switch r.Kind {
		case KindCall, KindReturn:
			if r.Frame <= offset {
				return j
			}
		case KindRecovered:
			if r.Frame <= offset || !n.laterPanic(p, j) {
				return j
			}
		case KindGoroutineEnd:
			return j
		}
	}
	return len(n.raws)
}

// laterPanic reports whether a panic began after p that was not over before event j.
func (n *naive) laterPanic(p, j int) bool {
	for q := p + 1; q < j; q++ {
		if n.raws[q].Kind == KindPanic && n.raws[q].Goroutine == n.raws[p].Goroutine && n.panicOver(q) >= j {
			return true
		}
	}
	return false
}

// event returns what a reader must see of event i.
func (n *naive) event(i int) Event {
	r := &n.raws[i]
	e := Event{
		Seq: uint64(i + 1), Time: n.times[i], Goroutine: r.Goroutine, Kind: r.Kind, Function: r.Function,
		Duration: -1, Self: -1, Line: r.Line, Data: r.Data,
	}
	for c := range n.calls {
		if n.ends[c] == i && !n.matches(c, i) {
			e.Unwound++
			if n.calls[c].Outcome == OutcomeLost {
				e.UnwoundLost++
			} else {
				e.UnwoundBy = n.calls[c].Outcome
			}
		}
	}
	open := n.enclosing(i)
	if r.Kind == KindCall {
		open = append(open, n.at[i])
	}
	if r.Kind == KindReturn {
		e.Failed = n.failed(i)
		if len(open) == 0 || !n.matches(open[len(open)-1], i) {
			e.Depth = len(open)
			return e
		}
		c := &n.calls[open[len(open)-1]]
		e.Duration, e.Self = c.End-c.Start, c.Self
	}
	if len(open) > 0 {
		c := &n.calls[open[len(open)-1]]
		e.Call, e.Parent, e.Depth = c.Seq, c.Parent, c.Depth
	}
	return e
}

// TestBlocksAgainstNaivePairing draws events and block boundaries, and compares every event and call that comes out of the
// blocks with the naive pairing.
func TestBlocksAgainstNaivePairing(t *testing.T) {
	const functions = 5
	rapid.Check(t, func(t *rapid.T) {
		raws := drawRaws(t, functions)
		c := newCollector(t)
		b := NewBuilder(testRun(), c.emit)
		b.parkedAtOnce = rapid.IntRange(1, 3).Draw(t, "parked at once")
		if err := b.Define(plainTables(functions)); err != nil {
			t.Fatal(err)
		}
		for i := range raws {
			if err := b.Append(&raws[i]); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 7).Draw(t, "cut") == 0 {
				if err := b.Cut(raws[i].Time); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := b.Finish(RunEnd{Duration: 1 << 20, ExitCode: 3}); err != nil {
			t.Fatal(err)
		}
		if err := c.checks.Finish(); err != nil {
			t.Fatal(err)
		}
		compareWithNaive(t, newNaive(raws), c.blocks)
	})
}

func compareWithNaive(t *rapid.T, want *naive, blocks []*Block) {
	i := 0
	calls := map[uint64]Call{}
	for _, block := range blocks {
		for e, err := range block.Events(WithData) {
			if err != nil {
				t.Fatal(err)
			}
			expected := want.event(i)
			if len(e.Data) == 0 && len(expected.Data) == 0 {
				e.Data, expected.Data = nil, nil
			}
			if !reflect.DeepEqual(e, expected) {
				t.Fatalf("event %d is\n%+v, not\n%+v", i+1, e, expected)
			}
			i++
		}
		addCalls(t, calls, block)
	}
	if i != len(want.raws) {
		t.Fatalf("%d events came out, %d went in", i, len(want.raws))
	}
	for _, c := range want.calls {
		if c.End < 0 && c.EndSeq == 0 {
			continue
		}
		if calls[c.Seq] != c {
			t.Fatalf("call %d is\n%+v, not\n%+v", c.Seq, calls[c.Seq], c)
		}
		delete(calls, c.Seq)
	}
	for _, c := range calls {
		if c.Outcome != OutcomeOpen {
			t.Fatalf("%+v has not ended", c)
		}
	}
}

// addCalls adds the calls that begin in a block, and ends those that end there.
func addCalls(t *rapid.T, calls map[uint64]Call, block *Block) {
	var other []Event
	begun, err := block.Begun(func(e *Event) { other = append(other, *e) })
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range block.Events(Structure) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == KindCall || e.Kind == KindReturn {
			continue
		}
		if len(other) == 0 || !reflect.DeepEqual(other[0], e) {
			t.Fatalf("event %+v is not one of %+v", e, other)
		}
		other = other[1:]
	}
	if len(other) > 0 {
		t.Fatalf("%+v is no event", other)
	}
	open := 0
	for _, c := range begun {
		calls[c.Seq] = c
		if c.Outcome == OutcomeOpen {
			open++
		}
	}
	if uint64(len(begun)) != block.Summary.Calls || open != len(block.Summary.Opened) {
		t.Fatalf("%d calls begin and %d of them are open, not %d and %d", len(begun), open, block.Summary.Calls, len(block.Summary.Opened))
	}
	for i := range block.Summary.Opened {
		o := &block.Summary.Opened[i]
		if want := (Call{Seq: o.Seq, Goroutine: o.Goroutine, Function: o.Function, Parent: o.Parent, Depth: o.Depth, Start: o.Start, End: -1, Self: -1}); calls[o.Seq] != want {
			t.Fatalf("open call %+v is not %+v", calls[o.Seq], want)
		}
	}
	for _, c := range block.Summary.Closed {
		calls[c.Seq] = c
	}
}
