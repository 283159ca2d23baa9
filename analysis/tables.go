package analysis

import (
	"context"
	"encoding/binary"
	"unicode/utf8"

	"smiley/recording"
)

// tables are the definitions of a run, which give its events their meaning. They grow while a run is recorded.
type tables struct {
	functions  []recording.Function // by id − 1
	files      []recording.File     // by id − 1, without bodies
	goroutines goroutineCache
	decoder    recording.ValueDecoder
	sources    map[recording.FileID]*source // nil: there is none
}

func (t *tables) function(id recording.FunctionID) (*recording.Function, bool) {
	if id == 0 || int(id) > len(t.functions) {
		return nil, false
	}
	return &t.functions[id-1], true
}

func (t *tables) functionName(id recording.FunctionID) string {
	if f, ok := t.function(id); ok {
		return f.Name
	}
	return ""
}

func (t *tables) fileName(id recording.FileID) string {
	if id == 0 || int(id) > len(t.files) {
		return ""
	}
	return t.files[id-1].Name
}

// place sets what an event's function says about it. line is that of the event, 0 for the function's own.
func (t *tables) place(e *Event, id recording.FunctionID, line uint32) recording.FileID {
	f, ok := t.function(id)
	if !ok {
		return 0
	}
	e.Function, e.Package, e.File, e.Line = f.Name, f.Package, t.fileName(f.File), f.Line
	if line > 0 {
		e.Line = int(line)
	}
	return f.File
}

// values decodes a capture record; the result is never nil.
func (t *tables) values(params []recording.Param, data []byte) []Value {
	decoded := t.decoder.Values(params, data)
	values := make([]Value, len(decoded))
	for i := range decoded {
		values[i] = Value{Name: shownName(params[i].Name), Type: decoded[i].TypeName, Value: decoded[i].String()}
	}
	return values
}

// locals decodes the variables that can be seen on a line.
func (t *tables) locals(params []recording.Param, data []byte) []Value {
	values := []Value{}
	for i, v := range t.decoder.Values(params, data) {
		if v.Unreadable != recording.NotInScope {
			values = append(values, Value{Name: params[i].Name, Type: v.TypeName, Value: v.String()})
		}
	}
	return values
}

// shownName hides the names that the compiler makes up for unnamed results.
func shownName(name string) string {
	if len(name) >= 2 && name[0] == '~' {
		return ""
	}
	return name
}

// event names everything in e but its source line, and returns the file that this stands in.
func (t *tables) event(e *recording.Event) (Event, recording.FileID) {
	out := Event{
		Seq: e.Seq, Time: e.Time, Goroutine: e.Goroutine, Kind: e.Kind.String(),
		Call: e.Call, Parent: e.Parent, Depth: e.Depth, Failed: e.Failed,
	}
	file := t.place(&out, e.Function, e.Line)
	f, known := t.function(e.Function)
	switch e.Kind {
	case recording.KindCall:
		out.Args = []Value{}
		if known {
			out.Args = t.values(f.Params, e.Data)
		}
	case recording.KindReturn:
		out.Results = []Value{}
		if known {
			out.Results = t.values(f.Results, e.Data)
		}
		out.Duration, out.Self = knownTime(e.Duration), knownTime(e.Self)
	case recording.KindLine:
		out.Locals = []Value{}
		if known {
			out.Locals = t.locals(f.Params, e.Data)
		}
	case recording.KindPanic:
		out.Text = panicText(t.decoder.Any(e.Data))
	case recording.KindOutput:
		if len(e.Data) > 0 {
			out.Descriptor = int(e.Data[0])
			out.setText(e.Data[1:])
		}
	case recording.KindGap:
		if len(e.Data) >= 8 {
			out.Missing = binary.LittleEndian.Uint64(e.Data)
			out.setText(e.Data[8:])
		}
	case recording.KindGoroutineStart:
		file = t.goroutineStart(&out, e.Goroutine)
	}
	return out, file
}

// panicText is the value of a panic without the interface around it, which every panic has.
func panicText(v recording.Value) string {
	if len(v.Children) == 1 && v.Unreadable == "" && !v.HasMessage && !v.NotShown {
		return v.Children[0].String()
	}
	return v.String()
}

// knownTime returns nil for the −1 that stands for an unknown time.
func knownTime(ns int64) *int64 {
	if ns < 0 {
		return nil
	}
	return &ns
}

func (e *Event) setText(data []byte) {
	e.Text = string(data)
	if !utf8.Valid(data) {
		e.Bytes = append([]byte(nil), data...)
	}
}

// goroutineStart sets what is known of where the goroutine came from; its place is the function that it starts with.
func (t *tables) goroutineStart(e *Event, id int64) recording.FileID {
	g, ok := t.goroutines.get(id)
	if !ok {
		return 0
	}
	e.ParentGoroutine, e.CreatedBy, e.CreatedLine = g.Parent, g.Creator, g.CreatedLine
	e.CreatedIn = t.functionName(g.CreatedIn)
	return t.place(e, g.StartFunction, 0)
}

// loadTables reads the tables of a run as they are now.
func (r *Run) loadTables(ctx context.Context) (*tables, error) {
	t := &tables{sources: map[recording.FileID]*source{}}
	var err error
	if t.functions, err = r.reader.Functions(ctx, r.info.ID); err != nil {
		return nil, err
	}
	if t.files, err = r.reader.Files(ctx, r.info.ID); err != nil {
		return nil, err
	}
	t.decoder = recording.ValueDecoder{Bounds: r.info.Settings.Bounds, FunctionName: t.functionName}
	t.decoder.Types, err = r.reader.Types(ctx, r.info.ID)
	return t, err
}

// sourceLine returns a line of a file as it was when the program ran; "" when there is none.
func (t *tables) sourceLine(ctx context.Context, r *Run, id recording.FileID, line int) (string, error) {
	if id == 0 || int(id) > len(t.files) || line == 0 {
		return "", nil
	}
	text, known := t.sources[id]
	if !known {
		if f := &t.files[id-1]; f.Missing == "" {
			body, err := r.reader.FileBody(ctx, f.Hash)
			if err != nil {
				return "", err
			}
			text = newSource(body)
		}
		t.sources[id] = text
	}
	return text.line(line), nil
}

// loadGoroutine makes sure that what is known of a goroutine that starts is in the cache.
func (t *tables) loadGoroutine(ctx context.Context, r *Run, e *recording.Event) error {
	if e.Kind != recording.KindGoroutineStart {
		return nil
	}
	return t.goroutines.load(ctx, r, e.Goroutine)
}
