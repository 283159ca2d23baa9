package recording

import (
	"cmp"
	"encoding/binary"
	"math"
	"reflect"
	"slices"
)

// Validator checks that successive blocks make a recording that agrees with itself: numbers and seqs are dense, every
// type, function, file and goroutine is defined before its use, time never runs backwards within a goroutine, calls
// balance, what each block says about the calls open at its start agrees with the blocks before, summaries are what the
// events add up to, and the loss ledger balances. It is meant for tests and for checking imports: it keeps every open
// call and every goroutine it ever saw.
type Validator struct {
	next       uint32 // number of the next block
	run        RunID
	seq        uint64 // of the next event
	events     uint64
	dropped    uint64
	final      bool
	types      TypeID // greatest defined
	functions  FunctionID
	files      FileID
	wanted     TypeID // greatest that a type refers to
	goroutines map[int64]*validGoroutine
	sum        validSummary
}

// validGoroutine is the state of a goroutine between blocks.
type validGoroutine struct {
	last  int64
	ended bool // what an engine sees of it later need not be in order
	calls []validCall
	roots uint64 // calls made without an open call
	// leaving says that its end was seen: it is forgotten once a block leaves none of its calls open.
	leaving bool
}

type validCall struct {
	Call
	position uint64 // among the calls of its parent
	made     uint64 // calls that it made
	children int64
	nested   bool // a call further out has the same function
}

// NewValidator returns a validator for the blocks of one run, from the first.
func NewValidator() *Validator {
	return &Validator{seq: 1, goroutines: map[int64]*validGoroutine{0: {last: math.MinInt64}}}
}

// Block checks the next block. The error is CodeDamaged, and says what is wrong; the validator must not be used after it.
func (v *Validator) Block(b *Block) error {
	if err := v.head(b); err != nil {
		return err
	}
	if err := v.definitions(b); err != nil {
		return err
	}
	if err := v.entries(b); err != nil {
		return err
	}
	v.sum.begin()
	var dropped uint64
	count := uint32(0)
	for e, err := range b.Events(WithData) {
		if err != nil {
			return err
		}
		count++
		if err := v.event(b, &e); err != nil {
			return err
		}
		if e.Kind == KindGap && len(e.Data) >= 8 {
			dropped += binary.LittleEndian.Uint64(e.Data)
		}
	}
	v.events += uint64(count)
	if count != b.Header.Events || b.Dropped != v.dropped+dropped || b.Captured != v.events+b.Dropped {
		return v.wrong(b, "the ledger: %d captured, %d dropped, %d events", b.Captured, b.Dropped, v.events)
	}
	v.dropped = b.Dropped
	return v.summary(b)
}

// Finish checks that the last block was final.
func (v *Validator) Finish() error {
	if !v.final {
		return damaged("the recording has no end after block %d", v.next)
	}
	if v.wanted > v.types {
		return damaged("type %d is not defined", v.wanted)
	}
	return nil
}

func (v *Validator) wrong(b *Block, format string, args ...any) *Error {
	e := damaged(format, args...)
	e.Message = damaged("block %d: ", b.Number).Message + e.Message
	return e
}

func (v *Validator) head(b *Block) error {
	switch {
	case v.final:
		return v.wrong(b, "it follows the final block")
	case b.Number != v.next:
		return v.wrong(b, "number %d is expected", v.next)
	case b.FirstSeq != v.seq:
		return v.wrong(b, "first seq %d, %d is expected", b.FirstSeq, v.seq)
	case b.Number > 0 && b.Run != v.run:
		return v.wrong(b, "it belongs to run %s, not to %s", b.Run, v.run)
	case b.Start != nil && b.Start.ID != b.Run:
		return v.wrong(b, "it starts run %s, but belongs to %s", b.Start.ID, b.Run)
	}
	v.next++
	v.run = b.Run
	v.final = b.Final
	return nil
}

func (v *Validator) definitions(b *Block) error {
	d := &b.Definitions
	for i := range d.Files {
		if v.files++; d.Files[i].ID != v.files {
			return v.wrong(b, "file %d where %d is expected", d.Files[i].ID, v.files)
		}
	}
	for i := range d.Types {
		t := &d.Types[i]
		if v.types++; t.ID != v.types {
			return v.wrong(b, "type %d where %d is expected", t.ID, v.types)
		}
		v.wanted = max(v.wanted, t.Elem, t.Key)
		for j := range t.Fields {
			v.wanted = max(v.wanted, t.Fields[j].Type)
		}
	}
	for i := range d.Functions {
		f := &d.Functions[i]
		if v.functions++; f.ID != v.functions {
			return v.wrong(b, "function %d where %d is expected", f.ID, v.functions)
		}
		if f.File > v.files {
			return v.wrong(b, "function %d lies in file %d, which is not defined", f.ID, f.File)
		}
		for _, p := range slices.Concat(f.Params, f.Results) {
			if p.Type > v.types {
				return v.wrong(b, "function %d has a parameter of type %d, which is not defined", f.ID, p.Type)
			}
		}
	}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if v.goroutines[g.ID] == nil {
			v.goroutines[g.ID] = &validGoroutine{last: math.MinInt64}
		}
		if g.CreatedIn > v.functions || g.StartFunction > v.functions {
			return v.wrong(b, "goroutine %d names a function that is not defined", g.ID)
		}
	}
	return nil
}

// entries checks that the calls a block says were open at its start are those that the blocks before left open.
func (v *Validator) entries(b *Block) error {
	if b.Header.Events == 0 {
		return nil
	}
	s, err := b.loadStructure()
	if err != nil {
		return err
	}
	for i := range s.threads {
		t := &s.threads[i]
		g := v.goroutines[t.id]
		if g == nil {
			return v.wrong(b, "goroutine %d is not defined", t.id)
		}
		if t.depth != len(g.calls) {
			return v.wrong(b, "goroutine %d begins with %d open calls, the blocks before leave %d", t.id, t.depth, len(g.calls))
		}
		hidden := t.depth - len(t.entries)
		for j, have := range t.entries {
			c := &g.calls[hidden+j]
			if have.seq != c.Seq || have.start != c.Start || have.function != c.Function || have.children != c.children {
				return v.wrong(b, "goroutine %d: the open call %d is not what the blocks before leave", t.id, have.seq)
			}
		}
		if below := t.below; hidden > 0 && len(t.entries) > 0 && below != g.calls[hidden-1].Seq || hidden == 0 && below != 0 {
			return v.wrong(b, "goroutine %d: the call below the open ones is not %d", t.id, below)
		}
	}
	return nil
}

// event checks an event against the open calls and brings them up to date.
func (v *Validator) event(b *Block, e *Event) error {
	g := v.goroutines[e.Goroutine]
	switch {
	case e.Seq != v.seq:
		return v.wrong(b, "event %d where %d is expected", e.Seq, v.seq)
	case g == nil:
		return v.wrong(b, "event %d: goroutine %d is not defined", e.Seq, e.Goroutine)
	case e.Function > v.functions || e.Function == 0 && e.Kind <= KindReturn:
		return v.wrong(b, "event %d: function %d is not defined", e.Seq, e.Function)
	case e.Time < g.last && !g.ended || e.Time < b.First || e.Time > b.Last:
		return v.wrong(b, "event %d: time %d runs backwards or out of its block", e.Seq, e.Time)
	case e.Unwound > len(g.calls) || e.UnwoundLost > e.Unwound:
		return v.wrong(b, "event %d unwinds %d calls of %d", e.Seq, e.Unwound, len(g.calls))
	}
	v.seq++
	g.last = e.Time
	v.sum.event(e)
	for i := range e.Unwound {
		outcome := OutcomeLost
		if i >= e.UnwoundLost {
			outcome = e.UnwoundBy
		}
		v.sum.end(g.pop(e, outcome), b.FirstSeq)
	}
	want := Event{Duration: -1, Self: -1}
	switch {
	case e.Kind == KindCall:
		g.push(e)
		v.sum.call(g)
	case e.Kind == KindReturn && e.Call == 0:
		want.Depth = len(g.calls)
	}
	if n := len(g.calls); n > 0 && (e.Kind != KindReturn || e.Call != 0) {
		c := &g.calls[n-1]
		want.Call, want.Parent, want.Depth = c.Seq, c.Parent, c.Depth
		if e.Kind == KindReturn {
			ended := g.pop(e, OutcomeReturned)
			want.Duration, want.Self = e.Time-ended.Start, ended.Self
			v.sum.end(ended, b.FirstSeq)
			if ended.Function != e.Function {
				return v.wrong(b, "event %d: function %d returns from a call of %d", e.Seq, e.Function, ended.Function)
			}
		}
	}
	have := Event{Call: e.Call, Parent: e.Parent, Depth: e.Depth, Duration: e.Duration, Self: e.Self}
	if !reflect.DeepEqual(have, want) {
		return v.wrong(b, "event %d: call, parent, depth, duration, self are %d %d %d %d %d, not %d %d %d %d %d", e.Seq,
			have.Call, have.Parent, have.Depth, have.Duration, have.Self,
			want.Call, want.Parent, want.Depth, want.Duration, want.Self)
	}
	if e.Kind == KindGoroutineEnd {
		if len(g.calls) > 0 {
			return v.wrong(b, "event %d: goroutine %d ends with open calls", e.Seq, e.Goroutine)
		}
		g.ended, g.leaving = true, true
	}
	return nil
}

func (g *validGoroutine) push(e *Event) {
	c := validCall{Call: Call{
		Seq: e.Seq, Goroutine: e.Goroutine, Function: e.Function, Depth: len(g.calls), Start: e.Time,
		End: -1, Self: -1,
	}}
	made := &g.roots
	if c.Depth > 0 {
		c.Parent = g.calls[c.Depth-1].Seq
		made = &g.calls[c.Depth-1].made
	}
	c.position = *made
	*made++
	c.nested = slices.ContainsFunc(g.calls, func(o validCall) bool { return o.Function == c.Function })
	g.calls = append(g.calls, c)
}

func (g *validGoroutine) pop(e *Event, outcome Outcome) endedCall {
	n := len(g.calls) - 1
	c := g.calls[n]
	g.calls = g.calls[:n]
	c.End, c.EndSeq, c.Outcome = e.Time, e.Seq, outcome
	c.Failed = outcome == OutcomeReturned && e.Failed
	c.Self = c.End - c.Start - c.children
	ended := endedCall{Call: c.Call, nested: c.nested}
	if n > 0 {
		g.calls[n-1].children += c.End - c.Start
		ended.caller = g.calls[n-1].Function
	}
	return ended
}

type endedCall struct {
	Call
	caller FunctionID
	nested bool
}

// summary compares a block's summary with what its events added up to.
func (v *Validator) summary(b *Block) error {
	have := b.Summary
	// Losses within values leave no trace in the events.
	have.Truncated, have.Unreadable = 0, 0
	have.Quiet = 0 // nor do goroutines without one
	want := v.sum.result(v.goroutines)
	for i := range want.Goroutines {
		if g := v.goroutines[want.Goroutines[i].ID]; g.leaving && len(g.calls) == 0 {
			g.leaving, g.roots = false, 0 // whoever has this number later is another
		}
	}
	for _, part := range []struct {
		name       string
		have, want any
	}{
		{"calls", have.Calls, want.Calls},
		{"errors", have.Errors, want.Errors},
		{"panics", have.Panics, want.Panics},
		{"edges", have.Edges, want.Edges},
		{"opened calls", have.Opened, want.Opened},
		{"closed calls", have.Closed, want.Closed},
		{"goroutines", have.Goroutines, want.Goroutines},
		{"functions", have.Functions, want.Functions},
	} {
		if empty(part.have) && empty(part.want) {
			continue
		}
		if !reflect.DeepEqual(part.have, part.want) {
			return v.wrong(b, "the %s of its summary are %+v, not %+v", part.name, part.have, part.want)
		}
	}
	return nil
}

func empty(list any) bool {
	v := reflect.ValueOf(list)
	return v.Kind() == reflect.Slice && v.Len() == 0
}

// validSummary adds up a block's events.
type validSummary struct {
	Summary
	functions  map[FunctionID]*FunctionDelta
	edges      map[[2]FunctionID]*EdgeDelta
	goroutines map[int64]*GoroutineActivity
	firstSeq   uint64
}

func (m *validSummary) begin() {
	*m = validSummary{
		functions:  make(map[FunctionID]*FunctionDelta),
		edges:      make(map[[2]FunctionID]*EdgeDelta),
		goroutines: make(map[int64]*GoroutineActivity),
	}
}

func (m *validSummary) event(e *Event) {
	g := m.goroutines[e.Goroutine]
	if g == nil {
		g = &GoroutineActivity{ID: e.Goroutine, FirstSeq: e.Seq, First: e.Time}
		m.goroutines[e.Goroutine] = g
	}
	if m.firstSeq == 0 {
		m.firstSeq = e.Seq
	}
	g.Events++
	g.LastSeq, g.Last = e.Seq, e.Time
	switch e.Kind {
	case KindCall:
		g.Calls++
		m.Calls++
	case KindReturn:
		if e.Failed {
			m.Errors++
			m.function(e.Function).Errors++
		}
	case KindPanic:
		m.Panics++
	case KindGoroutineEnd:
		g.Ended = true
	}
}

func (m *validSummary) function(id FunctionID) *FunctionDelta {
	f := m.functions[id]
	if f == nil {
		f = &FunctionDelta{Function: id}
		m.functions[id] = f
	}
	return f
}

func (m *validSummary) edge(caller, callee FunctionID) *EdgeDelta {
	key := [2]FunctionID{caller, callee}
	e := m.edges[key]
	if e == nil {
		e = &EdgeDelta{Caller: caller, Callee: callee}
		m.edges[key] = e
	}
	return e
}

func (m *validSummary) call(g *validGoroutine) {
	n := len(g.calls) - 1
	var caller FunctionID
	if n > 0 {
		caller = g.calls[n-1].Function
	}
	m.function(g.calls[n].Function).Calls++
	m.edge(caller, g.calls[n].Function).Calls++
}

func (m *validSummary) end(c endedCall, firstSeq uint64) {
	duration := c.End - c.Start
	f := m.function(c.Function)
	f.Ended++
	f.Self += c.Self
	if !c.nested {
		f.Total += duration
	}
	if c.Outcome == OutcomePanicked {
		f.Panics++
	}
	f.Duration.Add(duration)
	m.edge(c.caller, c.Function).Total += duration
	if c.Seq < firstSeq {
		m.Closed = append(m.Closed, c.Call)
	}
}

// result returns the sums. The calls that the goroutines hold are open at the block's end.
func (m *validSummary) result(goroutines map[int64]*validGoroutine) *Summary {
	s := &m.Summary
	for _, f := range m.functions {
		s.Functions = append(s.Functions, *f)
	}
	slices.SortFunc(s.Functions, func(a, b FunctionDelta) int { return cmp.Compare(a.Function, b.Function) })
	for _, e := range m.edges {
		s.Edges = append(s.Edges, *e)
	}
	slices.SortFunc(s.Edges, func(a, b EdgeDelta) int {
		return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Callee, b.Callee))
	})
	for id, a := range m.goroutines {
		s.Goroutines = append(s.Goroutines, *a)
		calls := goroutines[id].calls
		for i := len(calls) - 1; i >= 0 && calls[i].Seq >= m.firstSeq; i-- {
			c := &calls[i]
			s.Opened = append(s.Opened, OpenCall{
				Seq: c.Seq, Goroutine: id, Function: c.Function, Parent: c.Parent, Position: c.position, Depth: c.Depth,
				Start: c.Start,
			})
		}
	}
	slices.SortFunc(s.Goroutines, func(a, b GoroutineActivity) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Opened, func(a, b OpenCall) int { return cmp.Compare(a.Seq, b.Seq) })
	return s
}
