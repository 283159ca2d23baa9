package web

import (
	"cmp"
	"context"
	"encoding/binary"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

// names are the definitions of a run, which give its events their meaning, as they were at some moment. They are shared
// by requests and never change.
type names struct {
	run       recording.RunID
	blocks    uint32
	bounds    recording.Bounds
	functions []recording.Function // by id − 1
	files     []recording.File     // by id − 1, without bodies
	types     *recording.Types
}

// tableCache keeps the names of the runs that were looked at last.
type tableCache struct {
	mu   sync.Mutex
	kept []*names // most recent first
}

const namesKept = 4

// names returns the names of a run as they are now.
func (c *tableCache) names(ctx context.Context, reader *store.Reader, info *store.RunInfo) (*names, error) {
	if n := c.get(info); n != nil {
		return n, nil
	}
	n := &names{run: info.ID, blocks: info.Blocks, bounds: info.Settings.Bounds}
	var err error
	if n.functions, err = reader.Functions(ctx, info.ID); err != nil {
		return nil, err
	}
	if n.files, err = reader.Files(ctx, info.ID); err != nil {
		return nil, err
	}
	if n.types, err = reader.Types(ctx, info.ID); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = slices.DeleteFunc(c.kept, func(old *names) bool { return old.run == n.run })
	c.kept = slices.Insert(c.kept, 0, n)
	c.kept = c.kept[:min(len(c.kept), namesKept)]
	return n, nil
}

func (c *tableCache) get(info *store.RunInfo) *names {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range c.kept {
		if n.run == info.ID && n.blocks == info.Blocks {
			copy(c.kept[1:i+1], c.kept[:i])
			c.kept[0] = n
			return n
		}
	}
	return nil
}

func (n *names) function(id recording.FunctionID) *recording.Function {
	if id == 0 || int(id) > len(n.functions) {
		return nil
	}
	return &n.functions[id-1]
}

func (n *names) functionName(id recording.FunctionID) string {
	if f := n.function(id); f != nil {
		return f.Name
	}
	return ""
}

// shortName is a function's name with the last part of its package's path only, fit for a page.
func (n *names) shortName(id recording.FunctionID) string {
	f := n.function(id)
	if f == nil {
		return "an unknown function"
	}
	return shown(shortFunction(f), 120)
}

func shortFunction(f *recording.Function) string {
	if dir, _ := path.Split(f.Package); dir != "" {
		return strings.TrimPrefix(f.Name, dir)
	}
	return f.Name
}

func (n *names) file(id recording.FileID) *recording.File {
	if id == 0 || int(id) > len(n.files) {
		return nil
	}
	return &n.files[id-1]
}

func (n *names) fileName(id recording.FileID) string {
	if f := n.file(id); f != nil {
		return f.Name
	}
	return ""
}

// decoder returns a decoder of the run's values for one request.
func (n *names) decoder() *recording.ValueDecoder {
	return &recording.ValueDecoder{Types: n.types, Bounds: n.bounds, FunctionName: n.functionName}
}

// sources are the source files that one request needs, split into lines.
type sources struct {
	q     *request
	lines map[recording.FileID][]string
}

// line returns a line of a file as it was when the program ran, without the white space around it; "" when unknown.
func (s *sources) line(id recording.FileID, line int) (string, error) {
	lines, known := s.lines[id]
	if !known {
		if f := s.q.names.file(id); f != nil && f.Missing == "" {
			body, err := s.q.reader.FileBody(s.q.Context(), f.Hash)
			if err != nil {
				return "", err
			}
			lines = strings.Split(string(body), "\n")
		}
		if s.lines == nil {
			s.lines = map[recording.FileID][]string{}
		}
		s.lines[id] = lines
	}
	if line < 1 || line > len(lines) {
		return "", nil
	}
	return strings.TrimSpace(lines[line-1]), nil
}

// namer names the events of one request.
type namer struct {
	*names
	q       *request
	decoder *recording.ValueDecoder
	sources sources
	calls   map[uint64]recording.FunctionID // functions of calls that were asked for
}

func (q *request) namer() *namer {
	return &namer{names: q.names, q: q, decoder: q.names.decoder(), sources: sources{q: q}, calls: map[uint64]recording.FunctionID{}}
}

// event names an event as the JSON contract has it: what `smiley replay --json` says.
func (n *namer) event(e *recording.Event) (analysis.Event, error) {
	out := analysis.Event{
		Seq: e.Seq, Time: e.Time, Goroutine: e.Goroutine, Kind: e.Kind.String(),
		Call: e.Call, Parent: e.Parent, Depth: e.Depth, Failed: e.Failed,
	}
	file := n.place(&out, e.Function, e.Line)
	f := cmp.Or(n.function(e.Function), &recording.Function{})
	switch e.Kind {
	case recording.KindCall:
		n.calls[e.Seq] = e.Function
		out.Args = n.values(f.Params, e.Data)
	case recording.KindReturn:
		out.Results = n.values(f.Results, e.Data)
		out.Duration, out.Self = knownTime(e.Duration), knownTime(e.Self)
	case recording.KindLine:
		out.Locals = n.locals(f.Params, e.Data)
	case recording.KindPanic:
		out.Text = panicText(n.decoder.Any(e.Data))
	case recording.KindOutput:
		if len(e.Data) > 0 {
			out.Descriptor = int(e.Data[0])
			setText(&out, e.Data[1:])
		}
	case recording.KindGap:
		if len(e.Data) >= 8 {
			out.Missing = binary.LittleEndian.Uint64(e.Data)
			setText(&out, e.Data[8:])
		}
	case recording.KindGoroutineStart:
		g, err := n.q.reader.Goroutine(n.q.Context(), n.q.info.ID, e.Goroutine)
		if err != nil {
			return out, err
		}
		out.ParentGoroutine, out.CreatedBy, out.CreatedLine = g.Parent, g.Creator, g.CreatedLine
		out.CreatedIn = n.functionName(g.CreatedIn)
		file = n.place(&out, g.StartFunction, 0)
	}
	if out.Function == "" && e.Call != 0 && e.Kind != recording.KindGoroutineStart && e.Kind != recording.KindGoroutineEnd {
		around, err := n.functionOf(e.Call)
		if err != nil {
			return out, err
		}
		file = n.place(&out, around, e.Line)
	}
	var err error
	out.Source, err = n.sources.line(file, out.Line)
	return out, err
}

// functionOf returns the function of a call.
func (n *namer) functionOf(call uint64) (recording.FunctionID, error) {
	if id, known := n.calls[call]; known {
		return id, nil
	}
	c, err := n.q.reader.Call(n.q.Context(), n.q.info.ID, call)
	if err != nil {
		return 0, err
	}
	n.calls[call] = c.Function
	return c.Function, nil
}

// place sets what an event's function says about it. line is that of the event, 0 for the function's own.
func (n *namer) place(e *analysis.Event, id recording.FunctionID, line uint32) recording.FileID {
	f := n.function(id)
	if f == nil {
		return 0
	}
	e.Function, e.Package, e.File, e.Line = f.Name, f.Package, n.fileName(f.File), f.Line
	if line > 0 {
		e.Line = int(line)
	}
	return f.File
}

// values decodes a capture record; the result is never nil.
func (n *namer) values(params []recording.Param, data []byte) []analysis.Value {
	decoded := n.decoder.Values(params, data)
	values := make([]analysis.Value, len(decoded))
	for i := range decoded {
		values[i] = analysis.Value{Name: shownName(params[i].Name), Type: decoded[i].TypeName, Value: decoded[i].String()}
	}
	return values
}

// locals decodes the variables that can be seen on a line; the result is never nil.
func (n *namer) locals(params []recording.Param, data []byte) []analysis.Value {
	values := []analysis.Value{}
	for i, v := range n.decoder.Values(params, data) {
		if v.Unreadable != recording.NotInScope {
			values = append(values, analysis.Value{Name: params[i].Name, Type: v.TypeName, Value: v.String()})
		}
	}
	return values
}

// shownName hides the names that the compiler makes up for unnamed results.
func shownName(name string) string {
	if strings.HasPrefix(name, "~") && len(name) > 1 {
		return ""
	}
	return name
}

// panicText is the value of a panic without the interface around it, which every panic has.
func panicText(v recording.Value) string {
	if len(v.Children) == 1 && v.Unreadable == "" && !v.HasMessage && !v.NotShown {
		return v.Children[0].String()
	}
	return v.String()
}

func setText(e *analysis.Event, data []byte) {
	e.Text = string(data)
	if !utf8.Valid(data) {
		e.Bytes = slices.Clone(data)
	}
}

// knownTime returns nil for the −1 that stands for an unknown time.
func knownTime(ns int64) *int64 {
	if ns < 0 {
		return nil
	}
	return &ns
}

// position is a place in a source file, short.
func (n *names) position(f *recording.Function, line int) string {
	if f == nil {
		return ""
	}
	return shorten(export.Position(n.fileName(f.File), line), 60)
}
