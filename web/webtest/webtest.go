// Package webtest makes recordings for the tests of the pages: a friendly one, and one whose every text is an attack
//
// Start with [NewDatabase]. The package must not know the pages, so that the tests of any module can use it.
package webtest

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"smiley/recording"
	"smiley/store"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Vocabulary is the texts that a program's recording is made of. The hostile ones try to be more than text.
type Vocabulary struct {
	program, argument, directory, module string
	functions                            [5]string // main, leaf, name, worker, untraced
	pkg, file, missing, reason           string
	text                                 string // a string value
	output, failure, stack               string
	long                                 string // as a value and as output, when it is not ""
}

// Friendly is what programs are like.
var Friendly = Vocabulary{
	program: "/home/gopher/shop", argument: "two words", directory: "/home/gopher", module: "example.com/shop",
	functions: [5]string{"main.main", "main.leaf", "main.(*Cart).Name", "example.com/shop/pool.worker", "main.inlined"},
	pkg:       "main", file: "/home/gopher/main.go", missing: "not found", reason: "inlined away",
	text: "apple", output: "hello\nworld\n", failure: "panic: boom", stack: "goroutine 1 [running]:\nmain.main()\n",
}

// Attack is text that tries to become markup, script, or a look-alike.
const Attack = `"'><script>alert(1)</script><img src=x onerror=alert(1)>` + "`</textarea></title>\u202etxt.exe\u2066\x00\x1b[31m\xff\xfe{{.}}javascript:alert(1)"

// Hostile is a program whose texts try to be more than text.
var Hostile = Vocabulary{
	program: "/tmp/" + Attack, argument: Attack, directory: Attack, module: Attack,
	functions: [5]string{"main." + Attack, "main.leaf" + Attack, "main.name" + Attack, "javascript:alert(1)", Attack},
	pkg:       Attack, file: "/x/../../etc/" + Attack + ".go", missing: Attack, reason: Attack,
	text: Attack, output: Attack + "\r\n\t" + Attack, failure: Attack, stack: Attack + "\n" + Attack,
}

// Huge is a program with names of a megabyte that try to be more than text.
var Huge = Vocabulary{
	program: "/tmp/huge", module: "huge", pkg: "main", file: "/tmp/huge.go", missing: "not found", reason: "inlined away",
	functions: [5]string{"main.main", "main." + strings.Repeat(Attack, 1<<20/len(Attack)), "main.name", "main.worker", "main.inlined"},
	text:      strings.Repeat(Attack, 10), output: "x", failure: "panic: x", stack: "x",
}

// Endless is Hostile with a value, a piece of output and a line of source that are each longer than a megabyte.
var Endless = func() Vocabulary {
	v := Hostile
	v.long = strings.Repeat(Attack, 1+1<<20/len(Attack))
	return v
}()

// source is the text of the fixture's file.
func (v *Vocabulary) source() string {
	return "package main // " + v.long + "\n\n// leaf fails now and then: " + v.text + "\nfunc leaf(n int) error {\n\treturn nil // " + v.text +
		"\n}\n\nfunc name(s string) string {\n\treturn s\n}\n\nfunc main() {\n\tleaf(1)\n}\n\nfunc inlined() {}\n"
}

// Functions of a fixture, by id.
const (
	Main = recording.FunctionID(iota + 1)
	Leaf
	Name
	Worker
	Inlined
	LeafLines // the variables of leaf, for its lines
)

// Definitions are the types, files and functions of the program.
func (v *Vocabulary) Definitions() recording.Definitions {
	body := []byte(v.source())
	n, s, e := recording.Param{Name: "n", Type: 1}, recording.Param{Name: "s", Type: 2}, recording.Param{Name: "~r0", Type: 3}
	d := recording.Definitions{
		Types: []recording.Type{
			{ID: 1, Name: "int", Kind: recording.KindInt, Size: 8},
			{ID: 2, Name: "string", Kind: recording.KindString, Size: 16},
			{ID: 3, Name: "error", Kind: recording.KindInterface, Size: 16, Methods: true},
		},
		Files: []recording.File{
			{ID: 1, Name: v.file, Body: body, Hash: sha256.Sum256(body)},
			{ID: 2, Name: "/home/gopher/gone.go", Missing: v.missing},
		},
	}
	for i, name := range v.functions {
		f := recording.Function{ID: recording.FunctionID(i + 1), Name: name, Package: v.pkg, File: 1, Trace: recording.TraceProbe}
		f.Line = [...]int{12, 4, 8, 1, 16}[i]
		switch f.ID {
		case Leaf:
			f.Params, f.Results = []recording.Param{n}, []recording.Param{e}
		case Name:
			f.Params, f.Results = []recording.Param{s}, []recording.Param{{Name: "~r0", Type: 2}}
		case Inlined:
			f.Trace, f.Reason = recording.TraceNot, v.reason
		}
		d.Functions = append(d.Functions, f)
	}
	lines := d.Functions[Leaf-1]
	lines.ID, lines.Params, lines.Results, lines.Trace = LeafLines, []recording.Param{n, s}, nil, recording.TraceReferenced
	d.Functions = append(d.Functions, lines)
	return d
}

// program makes up the events of a program's run.
type program struct {
	t      testing.TB
	run    recording.Run
	b      *recording.Builder
	c      recording.Capturer
	params map[recording.FunctionID][2][]recording.Param
	memory []byte
	now    int64
	open   map[int64][]recording.FunctionID
}

const memoryBase = 0x10000

// ReadMemory reads what text put there.
func (p *program) ReadMemory(dst []byte, addr uint64) error {
	if addr < memoryBase || addr-memoryBase+uint64(len(dst)) > uint64(len(p.memory)) {
		return errors.New("no such memory")
	}
	copy(dst, p.memory[addr-memoryBase:])
	return nil
}

func (p *program) DynamicType(uint64) recording.TypeID        { return 0 }
func (p *program) ItabType(uint64) recording.TypeID           { return 0 }
func (p *program) FunctionAt(uint64) recording.FunctionID     { return 0 }
func (p *program) push(g int64, f recording.FunctionID)       { p.open[g] = append(p.open[g], f) }
func (p *program) frame(g int64) uint64                       { return uint64(64 * len(p.open[g])) }
func (p *program) innermost(g int64) (f recording.FunctionID) { return p.open[g][len(p.open[g])-1] }
func (p *program) add(r recording.Raw)                        { p.now += 1000; r.Time = p.now; check(p.t, p.b.Append(&r)) }

func (p *program) event(k recording.Kind, g int64, data []byte) {
	p.add(recording.Raw{Kind: k, Goroutine: g, Frame: p.frame(g), Data: data})
}

// record captures ints, strings, and errors (nil or not).
func (p *program) record(params []recording.Param, values []any) []byte {
	roots := make([]recording.Root, len(values))
	for i, v := range values {
		var b []byte
		switch v := v.(type) {
		case int:
			b = binary.LittleEndian.AppendUint64(nil, uint64(v))
		case string:
			b = binary.LittleEndian.AppendUint64(nil, memoryBase+uint64(len(p.memory)))
			b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
			p.memory = append(p.memory, v...)
		case bool: // whether it is an error
			b = make([]byte, 16)
			if v {
				b[0] = 1
			}
		}
		roots[i].Bytes = b
	}
	record, _ := p.c.Append(nil, params, roots)
	return record
}

func (p *program) call(g int64, f recording.FunctionID, args ...any) {
	p.push(g, f)
	p.add(recording.Raw{Kind: recording.KindCall, Function: f, Goroutine: g, Frame: p.frame(g), Data: p.record(p.params[f][0], args)})
}

func (p *program) ret(g int64, results ...any) {
	f := p.innermost(g)
	p.add(recording.Raw{Kind: recording.KindReturn, Function: f, Goroutine: g, Frame: p.frame(g), Data: p.record(p.params[f][1], results)})
	p.open[g] = p.open[g][:len(p.open[g])-1]
}

func (p *program) spawn(g, parent int64) {
	def := recording.Goroutine{ID: g, StartFunction: Worker, Start: p.now}
	if parent != 0 {
		def.Parent, def.Creator, def.CreatedIn, def.CreatedLine = parent, p.b.OpenCall(parent), Main, 13
	}
	check(p.t, p.b.Define(recording.Definitions{Goroutines: []recording.Goroutine{def}}))
	p.event(recording.KindGoroutineStart, g, nil)
}

// Recorded is a run in a fixture's database.
type Recorded struct{ ID recording.RunID }

// newRun starts a run that began n seconds after the others.
func newRun(t testing.TB, v *Vocabulary, n int) recording.Run {
	id, err := recording.NewRunID()
	check(t, err)
	return recording.Run{
		ID: id, Program: v.program, Args: []string{"-v", v.argument}, Cwd: v.directory, Host: "den", PID: 4711,
		GoVersion: "go1.26.8", GoOS: "linux", GoArch: "amd64", Module: v.module, Revision: "abc+dirty",
		Start: time.Date(2026, 3, 1, 12, 0, n, 0, time.UTC),
		Settings: recording.Settings{
			Include: []string{"example.com/..."}, Bounds: recording.Bounds{StringBytes: max(200, len(v.long)), Elements: 8, Follow: 1}, Engine: "probe",
			OnFull: "drop", Lines: []string{v.argument}, MaxOverhead: 0.07, RingBytes: 1 << 20,
		},
	}
}

// Record stores a run of loops calls of leaf and what else there is to see.
func Record(t testing.TB, s *store.Store, v *Vocabulary, n, loops int, finish bool) Recorded {
	t.Helper()
	p := newProgram(t, s, v, n)
	p.perform(v, loops)
	if finish {
		p.finish(v)
	} else {
		check(t, p.b.Cut(p.now))
	}
	return Recorded{p.run.ID}
}

// newProgram begins a run that is stored block by block.
func newProgram(t testing.TB, s *store.Store, v *Vocabulary, n int) *program {
	t.Helper()
	run := newRun(t, v, n)
	b := recording.NewBuilder(run, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		if err == nil {
			_, err = s.Append(t.Context(), encoded)
		}
		return err
	})
	d := v.Definitions()
	check(t, b.Define(d))
	p := &program{t: t, b: b, run: run, open: map[int64][]recording.FunctionID{}, params: map[recording.FunctionID][2][]recording.Param{}}
	p.c = recording.Capturer{Types: recording.NewTypes(d.Types), Bounds: run.Settings.Bounds, Memory: p, Resolver: p}
	for _, f := range d.Functions {
		p.params[f.ID] = [2][]recording.Param{f.Params, f.Results}
	}
	return p
}

func (p *program) finish(v *Vocabulary) {
	check(p.t, p.b.Finish(recording.RunEnd{End: p.run.Start.Add(time.Minute), Duration: p.now + 1, ExitCode: 2, Error: v.failure, Stack: v.stack}))
}

// Live is a run that is being recorded.
type Live struct {
	Recorded
	p *program
	v *Vocabulary
}

// Begin begins a run.
func Begin(t testing.TB, s *store.Store, v *Vocabulary, n int) *Live {
	t.Helper()
	p := newProgram(t, s, v, n)
	p.spawn(1, 0)
	p.call(1, Main)
	check(t, p.b.Cut(p.now))
	return &Live{Recorded{p.run.ID}, p, v}
}

// Call makes n more calls of leaf, and stores them.
func (l *Live) Call(n int) {
	for i := range n {
		l.p.call(1, Leaf, i)
		l.p.ret(1, false)
	}
	check(l.p.t, l.p.b.Cut(l.p.now))
}

// Finish ends the run.
func (l *Live) Finish() { l.p.finish(l.v) }

func (p *program) perform(v *Vocabulary, loops int) {
	p.spawn(1, 0)
	p.call(1, Main)
	p.spawn(7, 1)
	p.call(7, Worker)
	for i := range loops {
		p.call(1, Leaf, i)
		if i < 2 {
			p.add(recording.Raw{
				Kind: recording.KindLine, Function: LeafLines, Goroutine: 1, Frame: p.frame(1), Line: 5,
				Data: p.record(p.params[LeafLines][0], []any{i, v.text}),
			})
		}
		if i%3 == 0 {
			p.call(1, Name, v.text)
			p.ret(1, v.text)
		}
		p.ret(1, i%5 == 4)
		if i%10 == 9 {
			p.call(7, Name, strconv.Itoa(i))
			p.ret(7, "n"+strconv.Itoa(i))
			p.event(recording.KindOutput, 1, append([]byte{byte(1 + i/10%2)}, v.output...))
		}
		if i == loops/2 {
			check(p.t, p.b.Cut(p.now))
		}
	}
	if v.long != "" {
		p.call(1, Name, v.long)
		p.event(recording.KindOutput, 1, append([]byte{1}, v.long...))
		p.ret(1, v.long)
	}
	p.call(1, Leaf, 1000) // panics, and main recovers
	p.event(recording.KindPanic, 1, nil)
	p.open[1] = p.open[1][:1]
	p.event(recording.KindRecovered, 1, nil)
	check(p.t, p.b.Drop(3, 7, p.now, "queue full: "+v.reason))
	p.ret(7)
	p.event(recording.KindGoroutineEnd, 7, nil)
	p.ret(1)
}

// Recurse stores a run in which leaf calls itself to a depth, and then three times side by side.
func Recurse(t testing.TB, s *store.Store, v *Vocabulary, n, depth int) Recorded {
	t.Helper()
	p := newProgram(t, s, v, n)
	p.spawn(1, 0)
	p.call(1, Main)
	for i := range depth {
		p.call(1, Leaf, i)
	}
	for i := range 3 {
		p.call(1, Leaf, 100+i)
		p.ret(1, false)
	}
	p.call(1, Name, v.text)
	p.ret(1, v.text)
	for range depth {
		p.ret(1, false)
	}
	p.ret(1)
	p.finish(v)
	return Recorded{p.run.ID}
}

// kept is the file that NewDatabase copies.
var kept struct {
	mu   sync.Mutex
	body []byte
	runs []Recorded
}

// NewDatabase makes a file with a friendly and a hostile run. They are recorded once for all tests, so that their ids are the
// same in each file; see [RecordDatabase].
func NewDatabase(t testing.TB) (file string, runs []Recorded) {
	t.Helper()
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.body == nil {
		recorded, runs := RecordDatabase(t)
		body, err := os.ReadFile(recorded)
		check(t, err)
		kept.body, kept.runs = body, runs
	}
	file = filepath.Join(t.TempDir(), "smiley.db")
	check(t, os.WriteFile(file, kept.body, 0o600))
	return file, slices.Clone(kept.runs)
}

// RecordDatabase makes a file with a friendly and a hostile run that are in no other.
func RecordDatabase(t testing.TB) (file string, runs []Recorded) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "smiley.db")
	s, err := store.Open(t.Context(), file)
	check(t, err)
	runs = []Recorded{Record(t, s, &Friendly, 1, 300, true), Record(t, s, &Hostile, 2, 40, true)}
	check(t, s.Close())
	return file, runs
}
