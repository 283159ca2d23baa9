package recording

import (
	"math"
	"slices"
)

// The sections of a run's tables. Each is a count followed by its elements.

func appendRun(dst []byte, r *Run) []byte {
	dst = append(dst, r.ID[:]...)
	dst = appendString(dst, r.Program)
	dst = appendStrings(dst, r.Args)
	dst = appendString(dst, r.Cwd)
	dst = appendString(dst, r.Host)
	dst = appendInt(dst, int64(r.PID))
	for _, s := range []string{r.GoVersion, r.GoOS, r.GoArch, r.Module, r.Revision} {
		dst = appendString(dst, s)
	}
	dst = appendTime(dst, r.Start)
	s := &r.Settings
	dst = appendStrings(dst, s.Include)
	dst = appendStrings(dst, s.Exclude)
	dst = appendBool(dst, s.IncludeDeps)
	dst = appendBool(dst, s.IncludeStdlib)
	dst = appendInt(dst, int64(s.MaxDepth))
	dst = appendInt(dst, int64(s.Bounds.StringBytes))
	dst = appendInt(dst, int64(s.Bounds.Elements))
	dst = appendInt(dst, int64(s.Bounds.Follow))
	return appendString(dst, s.Engine)
}

func (s *scanner) run() *Run {
	r := &Run{}
	copy(r.ID[:], s.bytes(len(r.ID)))
	r.Program = s.string()
	r.Args = s.strings()
	r.Cwd = s.string()
	r.Host = s.string()
	r.PID = s.plain()
	for _, p := range []*string{&r.GoVersion, &r.GoOS, &r.GoArch, &r.Module, &r.Revision} {
		*p = s.string()
	}
	r.Start = s.time()
	r.Settings.Include = s.strings()
	r.Settings.Exclude = s.strings()
	r.Settings.IncludeDeps = s.bool()
	r.Settings.IncludeStdlib = s.bool()
	r.Settings.MaxDepth = s.plain()
	r.Settings.Bounds.StringBytes = s.plain()
	r.Settings.Bounds.Elements = s.plain()
	r.Settings.Bounds.Follow = s.plain()
	r.Settings.Engine = s.string()
	return r
}

// appendSettings appends the section of the settings that the run's own does not hold, which a reader need not know.
func appendSettings(dst []byte, r *Settings) []byte {
	raw := appendString(nil, r.OnFull)
	raw = appendStrings(raw, r.Lines)
	raw = appendUint(raw, math.Float64bits(r.MaxOverhead))
	raw = appendInt(raw, int64(r.RingBytes))
	return append(appendSectionHead(dst, sectionSettings, 0, sectionOptional, len(raw), len(raw)), raw...)
}

// settings reads what appendSettings wrote, and leaves out what a later version may have written behind it.
func (s *scanner) settings() *Settings {
	r := &Settings{OnFull: s.string(), Lines: s.strings(), MaxOverhead: math.Float64frombits(s.uint())}
	if r.RingBytes = s.plain(); !(r.MaxOverhead >= 0) || math.IsInf(r.MaxOverhead, 1) {
		s.fail()
	}
	s.rest = nil
	return r
}

// plain reads a signed number that fits an int on every platform.
func (s *scanner) plain() int {
	v := s.int()
	if v < math.MinInt32 || v > math.MaxInt32 {
		s.fail()
		return 0
	}
	return int(v)
}

func appendRunEnd(dst []byte, e *RunEnd) []byte {
	dst = appendTime(dst, e.End)
	dst = appendInt(dst, e.Duration)
	dst = appendInt(dst, int64(e.ExitCode))
	dst = appendString(dst, e.Signal)
	dst = appendString(dst, e.Error)
	return appendString(dst, e.Stack)
}

func (s *scanner) runEnd() *RunEnd {
	e := &RunEnd{End: s.time(), Duration: s.int()}
	e.ExitCode = s.plain()
	e.Signal = s.string()
	e.Error = s.string()
	e.Stack = s.string()
	return e
}

func appendTypes(dst []byte, types []Type) []byte {
	dst = appendUint(dst, uint64(len(types)))
	for i := range types {
		t := &types[i]
		dst = appendUint(dst, uint64(t.ID))
		dst = appendString(dst, t.Name)
		dst = appendString(dst, t.Package)
		dst = append(dst, byte(t.Kind))
		dst = appendUint(dst, uint64(t.Size))
		dst = appendUint(dst, uint64(t.Elem))
		dst = appendUint(dst, uint64(t.Key))
		dst = appendUint(dst, t.Len)
		dst = appendBool(dst, t.Methods)
		dst = appendUint(dst, uint64(len(t.Fields)))
		for j := range t.Fields {
			f := &t.Fields[j]
			dst = appendString(dst, f.Name)
			dst = appendUint(dst, uint64(f.Type))
			dst = appendUint(dst, uint64(f.Offset))
			dst = appendBool(dst, f.Embedded)
		}
	}
	return dst
}

func (s *scanner) types() []Type {
	types := make([]Type, s.count(10))
	for i := range types {
		t := &types[i]
		t.ID = TypeID(s.uint32())
		t.Name = s.string()
		t.Package = s.string()
		t.Kind = TypeKind(s.byte())
		t.Size = s.uint32()
		t.Elem = TypeID(s.uint32())
		t.Key = TypeID(s.uint32())
		t.Len = s.uint()
		t.Methods = s.bool()
		n := s.count(4)
		if n == 0 {
			continue
		}
		t.Fields = make([]Field, n)
		for j := range t.Fields {
			f := &t.Fields[j]
			f.Name = s.string()
			f.Type = TypeID(s.uint32())
			f.Offset = s.uint32()
			f.Embedded = s.bool()
		}
	}
	return types
}

func appendFunctions(dst []byte, functions []Function) []byte {
	dst = appendUint(dst, uint64(len(functions)))
	for i := range functions {
		f := &functions[i]
		dst = appendUint(dst, uint64(f.ID))
		dst = appendString(dst, f.Name)
		dst = appendString(dst, f.Package)
		dst = appendUint(dst, uint64(f.File))
		dst = appendInt(dst, int64(f.Line))
		dst = appendParams(dst, f.Params)
		dst = appendParams(dst, f.Results)
		dst = append(dst, byte(f.Trace))
		dst = appendString(dst, f.Reason)
		dst = appendBool(dst, f.Variadic)
	}
	return dst
}

func (s *scanner) functions() []Function {
	functions := make([]Function, s.count(10))
	for i := range functions {
		f := &functions[i]
		f.ID = FunctionID(s.uint32())
		f.Name = s.string()
		f.Package = s.string()
		f.File = FileID(s.uint32())
		f.Line = s.plain()
		f.Params = s.params()
		f.Results = s.params()
		f.Trace = Trace(s.byte())
		f.Reason = s.string()
		f.Variadic = s.bool()
	}
	return functions
}

func appendParams(dst []byte, params []Param) []byte {
	dst = appendUint(dst, uint64(len(params)))
	for i := range params {
		p := &params[i]
		dst = appendString(dst, p.Name)
		dst = appendUint(dst, uint64(p.Type))
		dst = appendString(dst, p.Unreadable)
	}
	return dst
}

func (s *scanner) params() []Param {
	n := s.count(3)
	if n == 0 {
		return nil
	}
	params := make([]Param, n)
	for i := range params {
		p := &params[i]
		p.Name = s.string()
		p.Type = TypeID(s.uint32())
		p.Unreadable = s.string()
	}
	return params
}

func appendFiles(dst []byte, files []File) []byte {
	size := 0
	for i := range files {
		size += len(files[i].Name) + len(files[i].Body) + len(files[i].Missing) + 64
	}
	dst = slices.Grow(dst, size)
	dst = appendUint(dst, uint64(len(files)))
	for i := range files {
		f := &files[i]
		dst = appendUint(dst, uint64(f.ID))
		dst = appendString(dst, f.Name)
		dst = append(dst, f.Hash[:]...)
		dst = append(appendUint(dst, uint64(len(f.Body))), f.Body...)
		dst = appendString(dst, f.Missing)
	}
	return dst
}

func (s *scanner) files() []File {
	files := make([]File, s.count(36))
	for i := range files {
		f := &files[i]
		f.ID = FileID(s.uint32())
		f.Name = s.string()
		copy(f.Hash[:], s.bytes(len(f.Hash)))
		f.Body = s.bytes(s.count(1))
		f.Missing = s.string()
	}
	return files
}

func appendGoroutines(dst []byte, goroutines []Goroutine) []byte {
	dst = appendUint(dst, uint64(len(goroutines)))
	for i := range goroutines {
		g := &goroutines[i]
		dst = appendInt(dst, g.ID)
		dst = appendInt(dst, g.Parent)
		dst = appendUint(dst, g.Creator)
		dst = appendUint(dst, uint64(g.CreatedIn))
		dst = appendInt(dst, int64(g.CreatedLine))
		dst = appendUint(dst, uint64(g.StartFunction))
		dst = appendInt(dst, g.Start)
	}
	return dst
}

func (s *scanner) goroutines() []Goroutine {
	goroutines := make([]Goroutine, s.count(7))
	for i := range goroutines {
		g := &goroutines[i]
		g.ID = s.int()
		g.Parent = s.int()
		g.Creator = s.uint()
		g.CreatedIn = FunctionID(s.uint32())
		g.CreatedLine = s.plain()
		g.StartFunction = FunctionID(s.uint32())
		g.Start = s.int()
	}
	return goroutines
}
