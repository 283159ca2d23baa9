package recording

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// recorded builds a recording of raws, cut after each index in cuts, and checks it.
func recorded(t rapid.TB, d Definitions, raws []Raw, cuts ...int) *collector {
	c := newCollector(t)
	b := NewBuilder(testRun(), c.emit)
	must(t, b.Define(d))
	for i := range raws {
		must(t, b.Append(&raws[i]))
		for _, cut := range cuts {
			if cut == i {
				must(t, b.Cut(raws[i].Time))
			}
		}
	}
	must(t, b.Finish(RunEnd{End: time.Unix(1e9+1, 0).UTC(), Duration: 1e6, Signal: "SIGKILL", Error: "boom", Stack: "goroutine 1"}))
	must(t, c.checks.Finish())
	return c
}

func must(t rapid.TB, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

func events(t rapid.TB, blocks []*Block) []Event {
	var list []Event
	for _, b := range blocks {
		for e, err := range b.Events(WithData) {
			must(t, err)
			e.Data = append([]byte(nil), e.Data...)
			list = append(list, e)
		}
	}
	return list
}

func text(t rapid.TB, blocks []*Block) []byte {
	var out []byte
	for _, b := range blocks {
		var err error
		out, err = AppendText(out, b)
		must(t, err)
	}
	return out
}

// TestTextReadsBack shows that the text form's events build the same recording again.
func TestTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raws := drawRaws(t, 5)
		inRecordedCalls(raws)
		first := recorded(t, plainTables(5), raws)
		again, err := ParseText(text(t, first.blocks))
		must(t, err)
		second := recorded(t, plainTables(5), again)
		if a, b := events(t, first.blocks), events(t, second.blocks); !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v\nbecame\n%+v", a, b)
		}
	})
}

// inRecordedCalls has panics begin and be recovered in calls that are recorded. That a function between them was not, which can leave an
// outer panic going on, is nothing that events keep.
func inRecordedCalls(raws []Raw) {
	open := map[int64][]uint64{} // frames, by goroutine
	for i := range raws {
		r := &raws[i]
		frames := open[r.Goroutine]
		for n := len(frames); n > 0 && frames[n-1] > r.Frame && (r.Kind <= KindReturn || r.Kind == KindRecovered); n-- {
			frames = frames[:n-1]
		}
		if n := len(frames); n > 0 && frames[n-1] == r.Frame && r.Kind <= KindReturn {
			frames = frames[:n-1]
		}
		switch r.Kind {
		case KindCall:
			frames = append(frames, r.Frame)
		case KindGoroutineEnd:
			frames = nil
		case KindPanic:
			r.Frame = 0
		case KindRecovered:
			if r.Frame = 0; len(frames) > 0 {
				r.Frame = frames[len(frames)-1]
			}
		}
		open[r.Goroutine] = frames
	}
}

func TestParseTextSaysWhichLine(t *testing.T) {
	for _, bad := range []string{
		"event", "event 1 x g1 call", "event 1 0 gx call", "event 1 0 g1 jump", "event 1 0 g1 call depth=-1",
		"event 1 0 g1 call data=0", "event 1 0 g1 call fx", "event 1 0 g1 line line=4294967296", "event 1 0 g1 unknown",
	} {
		_, err := ParseText([]byte("block 0\n" + bad + "\n"))
		if CodeOf(err) != CodeInvalid || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// story is a recording with every kind of event and definition, small enough to read.
func story() (Definitions, []Raw) {
	d := plainTables(4)
	d.Files = []File{
		{ID: 1, Name: "main.go", Hash: [32]byte{0xab}, Body: []byte("package main\n")},
		{ID: 2, Name: "gone.go", Missing: "not found"},
	}
	d.Types = append(d.Types, Type{ID: 3, Name: "main.T", Package: "main", Kind: KindStruct, Size: 8, Fields: []Field{{Name: "n", Type: 1}}})
	d.Functions = append(d.Functions, Function{ID: 5, Name: "main.asm", File: 1, Trace: TraceNot, Reason: "assembly", Variadic: true})
	d.Goroutines = []Goroutine{{ID: 1, StartFunction: 1}, {ID: 2, Parent: 1, Creator: 2, CreatedIn: 1, CreatedLine: 7, StartFunction: 2, Start: 20}}
	word := func(v uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0}, v) }
	call := func(g, time int64, f FunctionID, frame uint64) Raw {
		data := []byte{0}
		for range f % 3 {
			data = binary.LittleEndian.AppendUint64(data, uint64(time))
		}
		return Raw{Kind: KindCall, Goroutine: g, Time: time, Function: f, Frame: frame, Data: data}
	}
	raws := []Raw{
		{Kind: KindGoroutineStart, Goroutine: 1},
		call(1, 10, 1, 64),
		{Kind: KindGoroutineStart, Goroutine: 2, Time: 20},
		call(2, 30, 2, 64),
		call(1, 40, 3, 128),
		{Kind: KindLine, Goroutine: 1, Time: 41, Function: 3, Line: 12, Data: []byte{1, 2}},
		{Kind: KindOutput, Goroutine: 1, Time: 45, Data: []byte("\x01hello\n")},
		{Kind: KindReturn, Goroutine: 2, Time: 50, Function: 2, Frame: 64, Data: append(word(7), word(1)[1:]...)}, // an error
		{Kind: KindPanic, Goroutine: 1, Time: 60, Function: 3, Data: []byte("boom")},
		call(1, 70, 4, 256), // a deferred function, whose return is not seen
		{Kind: KindRecovered, Goroutine: 1, Time: 80, Frame: 64},
		{Kind: KindReturn, Goroutine: 2, Time: 85, Function: 4, Frame: 32}, // a return without its call
		{Kind: KindGap, Goroutine: 0, Time: 90, Data: append(word(3)[1:], "buffer full"...)},
		call(2, 95, 4, 64),
		{Kind: KindGoroutineEnd, Goroutine: 2, Time: 99, Flags: FlagGoexit},
	}
	return d, raws
}

// TestBlockText renews testdata/block.txt when SMILEY_UPDATE is set.
func TestBlockText(t *testing.T) {
	d, raws := story()
	got := text(t, recorded(t, d, raws, 4, 8).blocks)
	golden := filepath.Join("testdata", "block.txt")
	if os.Getenv("SMILEY_UPDATE") != "" {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("the text form is\n%s, not\n%s", got, want)
	}
}

// TestDefinitionsSurvive draws definitions, a run and its end, and compares them after decoding.
func TestDefinitionsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDefinitions(t)
		run := testRun()
		run.Program = rapid.String().Draw(t, "program")
		run.Args = rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "args")
		run.PID = int(rapid.Int32().Draw(t, "pid"))
		run.Start = time.Unix(rapid.Int64Range(-1e12, 1e12).Draw(t, "start"), 7).UTC()
		if run.Settings.OnFull = rapid.StringN(0, 4, -1).Draw(t, "on full"); run.Settings.OnFull != "" {
			run.Settings.Lines = rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "lines")
			run.Settings.MaxOverhead = rapid.Float64Range(0, 1e9).Draw(t, "overhead")
			run.Settings.RingBytes = int(rapid.Int32().Draw(t, "ring bytes"))
		}
		end := RunEnd{
			End: run.Start.Add(time.Second), Duration: rapid.Int64Min(0).Draw(t, "duration"),
			ExitCode: int(rapid.Int32().Draw(t, "exit")), Error: rapid.String().Draw(t, "error"),
		}
		c := newCollector(t)
		c.checks = nil // references between random definitions mean nothing
		b := NewBuilder(run, func(d *Draft) error {
			encoded, err := d.Encode(nil)
			must(t, err)
			block, err := Decode(encoded)
			must(t, err)
			c.blocks = append(c.blocks, block)
			return nil
		})
		must(t, b.Define(d))
		must(t, b.Finish(end))
		block := c.blocks[0]
		if !reflect.DeepEqual(*block.Start, run) || !reflect.DeepEqual(*block.End, end) {
			t.Fatalf("%+v %+v", block.Start, block.End)
		}
		if !reflect.DeepEqual(block.Definitions, d) {
			t.Fatalf("%+v\nbecame\n%+v", d, block.Definitions)
		}
	})
}

func drawDefinitions(t *rapid.T) Definitions {
	name := rapid.String()
	var d Definitions
	for i := range rapid.IntRange(1, 4).Draw(t, "types") {
		typ := Type{
			ID: TypeID(i + 1), Name: name.Draw(t, "name"), Package: name.Draw(t, "package"),
			Kind: TypeKind(rapid.Byte().Draw(t, "kind")), Size: rapid.Uint32Max(1<<20).Draw(t, "size"),
			Len: rapid.Uint64Max(1<<40).Draw(t, "len"), Methods: rapid.Bool().Draw(t, "methods"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "fields") {
			typ.Fields = append(typ.Fields, Field{Name: name.Draw(t, "field"), Type: 1, Offset: rapid.Uint32().Draw(t, "at"), Embedded: rapid.Bool().Draw(t, "e")})
		}
		d.Types = append(d.Types, typ)
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "functions") {
		d.Functions = append(d.Functions, Function{
			ID: FunctionID(i + 1), Name: name.Draw(t, "name"), Package: name.Draw(t, "package"), File: FileID(i),
			Line: int(rapid.Int32().Draw(t, "line")), Trace: TraceNot, Reason: name.Draw(t, "reason"), Variadic: i%2 == 0,
			Params: []Param{{Name: name.Draw(t, "param"), Type: 0, Unreadable: "because"}},
		})
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "files") {
		d.Files = append(d.Files, File{
			ID: FileID(i + 1), Name: name.Draw(t, "name"), Body: rapid.SliceOfN(rapid.Byte(), 1, 99).Draw(t, "body"),
			Hash: [32]byte{byte(i), 1}, Missing: name.Draw(t, "missing"),
		})
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "goroutines") {
		d.Goroutines = append(d.Goroutines, Goroutine{
			ID: int64(i + 1), Parent: rapid.Int64().Draw(t, "parent"), Creator: rapid.Uint64().Draw(t, "creator"),
			CreatedIn: 1, CreatedLine: i, StartFunction: 1, Start: rapid.Int64().Draw(t, "start"),
		})
	}
	return d
}

// TestLargeDefinitionsAreSplit defines 40 MB of source and one file that is too long.
func TestLargeDefinitionsAreSplit(t *testing.T) {
	body := bytes.Repeat([]byte("package main // a line of source\n"), 1<<20/33)
	var d Definitions
	for i := range 40 {
		d.Files = append(d.Files, File{ID: FileID(i + 1), Name: "f.go", Body: append([]byte{byte(i)}, body...)})
	}
	d.Files = append(d.Files, File{ID: 41, Name: "long.go", Body: make([]byte, maxFileBody+1)})
	c := recorded(t, d, nil)
	var files []File
	for i, b := range c.blocks {
		if n := len(c.encoded[i]); n > 16<<20 {
			t.Errorf("block %d takes %d bytes", i, n)
		}
		files = append(files, b.Definitions.Files...)
	}
	if len(c.blocks) < 4 || len(files) != 41 {
		t.Fatalf("%d blocks, %d files", len(c.blocks), len(files))
	}
	for i := range 40 {
		if !bytes.Equal(files[i].Body, d.Files[i].Body) {
			t.Errorf("file %d differs", i+1)
		}
	}
	if files[40].Missing == "" || len(files[40].Body) != 0 {
		t.Error("the long file is not missing")
	}
}

// TestQuietGoroutines counts goroutines without events in the block in which they ended, which also one without the bodies of
// files has; alone they make no block.
func TestQuietGoroutines(t *testing.T) {
	c := newCollector(t)
	b := NewBuilder(testRun(), c.emit)
	body := []byte("package main")
	must(t, b.Define(Definitions{Files: []File{{ID: 1, Name: "main.go", Body: body, Hash: sha256.Sum256(body)}}}))
	b.Quiet(2)
	b.Quiet(3)
	must(t, b.Cut(20))
	b.Quiet(1)
	must(t, b.Cut(30))
	must(t, b.Finish(RunEnd{Duration: 50}))
	if len(c.blocks) != 2 || c.blocks[0].Summary.Quiet != 5 || c.blocks[1].Summary.Quiet != 1 {
		t.Errorf("%d blocks, quiet %d in the first and %d in the last, not 2, 5 and 1", len(c.blocks), c.blocks[0].Summary.Quiet,
			c.blocks[len(c.blocks)-1].Summary.Quiet)
	}
	without, err := Decode(c.blocks[0].WithoutFileBodies(c.encoded[0]))
	must(t, err)
	if without.Summary.Quiet != 5 || len(without.Definitions.Files[0].Body) != 0 {
		t.Errorf("without bodies it has %d quiet goroutines", without.Summary.Quiet)
	}
}

// TestSettingsAreOptional: a reader that was made before there was a section of settings takes the block without it, and one that knows
// some of them the block with more.
func TestSettingsAreOptional(t *testing.T) {
	run := testRun()
	run.Settings.OnFull, run.Settings.Lines = "drop", []string{"main.f", "main.g"}
	run.Settings.MaxOverhead, run.Settings.RingBytes = 0.3, 1<<20
	c := newCollector(t)
	b := NewBuilder(run, c.emit)
	body := []byte("package main")
	must(t, b.Define(Definitions{Files: []File{{ID: 1, Name: "main.go", Body: body, Hash: sha256.Sum256(body)}}}))
	must(t, b.Finish(RunEnd{}))
	if got := c.blocks[0].Start.Settings; !reflect.DeepEqual(got, run.Settings) {
		t.Errorf("%+v became %+v", run.Settings, got)
	}
	without, err := Decode(c.blocks[0].WithoutFileBodies(c.encoded[0]))
	must(t, err)
	if got := without.Start.Settings; !reflect.DeepEqual(got, run.Settings) {
		t.Errorf("without bodies of files %+v became %+v", run.Settings, got)
	}

	// as has the block once more, with what change makes of the section.
	as := func(block *Block, change func(s section) section) ([]byte, section) {
		var there section
		out := appendHeader(nil, &block.Header, len(block.sections))
		for _, s := range block.sections {
			if s.kind == sectionSettings {
				there = s
				s = change(s)
			}
			out = append(appendSectionHead(out, s.kind, s.plane, s.flags, len(s.stored), len(s.stored)), s.stored...)
			if s.flags&sectionZstd != 0 {
				binary.LittleEndian.PutUint32(out[len(out)-len(s.stored)-8:], uint32(s.length))
			}
		}
		return reseal(append(out, 0, 0, 0, 0)), there
	}
	older, section9 := as(c.blocks[0], func(s section) section { s.kind = 200; return s })
	if section9.flags&sectionOptional == 0 {
		t.Errorf("the section has flags %b", section9.flags)
	}
	unknown, err := Decode(older)
	must(t, err)
	if got, want := unknown.Start.Settings, testRun().Settings; !reflect.DeepEqual(got, want) {
		t.Errorf("who does not know the section reads %+v, not %+v", got, want)
	}
	newer, _ := as(c.blocks[0], func(s section) section { s.stored = append(bytes.Clone(s.stored), "more"...); return s })
	more, err := Decode(newer)
	must(t, err)
	if got := more.Start.Settings; !reflect.DeepEqual(got, run.Settings) {
		t.Errorf("with more behind it %+v became %+v", run.Settings, got)
	}
	for name, content := range map[string][]byte{
		"cut": section9.stored[:len(section9.stored)-1], "nothing": nil,
		"not a number": append(appendUint([]byte{0, 0}, math.Float64bits(math.NaN())), 0),
		"endless":      append(appendUint([]byte{0, 0}, math.Float64bits(math.Inf(1))), 0),
		"negative":     append(appendUint([]byte{0, 0}, math.Float64bits(-1)), 0),
	} {
		bad, _ := as(c.blocks[0], func(s section) section { s.stored = content; return s })
		if _, err := Decode(bad); CodeOf(err) != CodeDamaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDropBalances counts drops and gap events.
func TestDropBalances(t *testing.T) {
	c := newCollector(t)
	b := NewBuilder(testRun(), c.emit)
	must(t, b.Define(plainTables(1)))
	must(t, b.Drop(5, 0, 10, "ring buffer full"))
	must(t, b.Cut(20))
	must(t, b.Append(&Raw{Kind: KindCall, Function: 1, Goroutine: 3, Time: 30, Frame: 8}))
	must(t, b.Drop(2, 3, 40, "again"))
	must(t, b.Finish(RunEnd{Duration: 50}))
	last := c.blocks[len(c.blocks)-1]
	if last.Captured != 10 || last.Dropped != 7 {
		t.Errorf("captured %d, dropped %d, not 10 and 7", last.Captured, last.Dropped)
	}
	if list := events(t, c.blocks); string(list[0].Data[8:]) != "ring buffer full" || list[2].Call != 2 {
		t.Errorf("%+v", list)
	}
}

// TestEndedGoroutinesAreForgotten runs many short goroutines; what the builder keeps must not depend on their number.
func TestEndedGoroutinesAreForgotten(t *testing.T) {
	var scratch []byte
	b := NewBuilder(testRun(), func(d *Draft) error {
		var err error
		scratch, err = d.Encode(scratch[:0])
		return err
	})
	must(t, b.Define(plainTables(1)))
	for i := range int64(200_000) {
		id, now := i+10, i*1000
		must(t, b.Define(Definitions{Goroutines: []Goroutine{{ID: id, Start: now}}}))
		must(t, b.Append(&Raw{Kind: KindCall, Function: 1, Goroutine: id, Time: now, Frame: 64}))
		must(t, b.Append(&Raw{Kind: KindPanic, Goroutine: id, Time: now + 1}))
		must(t, b.Append(&Raw{Kind: KindGoroutineEnd, Goroutine: id, Time: now + 2}))
	}
	must(t, b.Cut(0))
	if len(b.live) != 0 || len(b.active) != 0 || len(b.free) > maxFree {
		t.Errorf("%d live, %d active, %d free goroutines are kept", len(b.live), len(b.active), len(b.free))
	}
}

// TestDeepRecursion goes a million calls deep and back: blocks must hold the frames they touch, not the whole stack.
func TestDeepRecursion(t *testing.T) {
	const depth = 1_000_000
	total, blocks, entries := 0, 0, 0
	var open, closed uint64
	b := NewBuilder(testRun(), func(d *Draft) error {
		entries = max(entries, len(d.entries))
		encoded, err := d.Encode(nil)
		must(t, err)
		block, err := Decode(encoded)
		must(t, err)
		total, blocks = total+len(encoded), blocks+1
		open += uint64(len(block.Summary.Opened))
		closed += uint64(len(block.Summary.Closed))
		for _, err := range block.Events(Structure) {
			must(t, err)
		}
		return nil
	})
	must(t, b.Define(plainTables(1)))
	now := int64(0)
	for i := range depth {
		now += 50
		must(t, b.Append(&Raw{Kind: KindCall, Function: 1, Goroutine: 1, Time: now, Frame: uint64(i+1) * 64}))
	}
	if n := b.Depth(1); n != depth || b.OpenCall(1) != depth {
		t.Fatalf("depth %d, open call %d", n, b.OpenCall(1))
	}
	for i := depth; i > 0; i-- {
		now += 50
		must(t, b.Append(&Raw{Kind: KindReturn, Function: 1, Goroutine: 1, Time: now, Frame: uint64(i) * 64}))
	}
	must(t, b.Finish(RunEnd{}))
	if entries > BlockEvents+1 || open != closed || open == 0 {
		t.Errorf("%d entries in one block, %d calls opened, %d closed", entries, open, closed)
	}
	if perCall := total / depth; perCall > 40 {
		t.Errorf("%d bytes a call", perCall)
	}
}

// TestCompressibleData stores what compresses better than the format allows sections to.
func TestCompressibleData(t *testing.T) {
	raws := []Raw{
		{Kind: KindOutput, Goroutine: 1, Data: make([]byte, MaxData)},
		{Kind: KindOutput, Goroutine: 1, Data: bytes.Repeat([]byte("ab"), 1<<20)},
		{Kind: KindCall, Goroutine: 1, Function: 2, Frame: 8, Data: make([]byte, 1<<20)},
	}
	list := events(t, recorded(t, plainTables(2), raws).blocks)
	for i := range raws {
		if !bytes.Equal(list[i].Data, raws[i].Data) {
			t.Errorf("event %d differs", i)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	b := NewBuilder(testRun(), func(d *Draft) error { _, err := d.Encode(nil); return err })
	must(t, b.Define(plainTables(1)))
	for name, r := range map[string]Raw{
		"kind 0":           {},
		"kind 10":          {Kind: KindGoroutineEnd + 1},
		"unknown function": {Kind: KindCall, Function: 2},
		"no function":      {Kind: KindReturn},
		"long data":        {Kind: KindOutput, Data: make([]byte, MaxData+1)},
		"short gap":        {Kind: KindGap, Data: []byte("1234567")},
	} {
		if err := b.Append(&r); CodeOf(err) != CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, d := range map[string]Definitions{
		"type":     {Types: []Type{{ID: 4}}},
		"function": {Functions: []Function{{ID: 1}}},
		"file":     {Files: []File{{ID: 2}}},
	} {
		if err := b.Define(d); CodeOf(err) != CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, b.Finish(RunEnd{}))
	if err := b.Append(&Raw{Kind: KindGoroutineStart}); CodeOf(err) != CodeInvalid {
		t.Errorf("after the end: %v", err)
	}
	if err := b.Finish(RunEnd{}); CodeOf(err) != CodeInvalid {
		t.Errorf("second end: %v", err)
	}
}

// TestFailedEmitSticks shows that nothing is taken after a block was lost.
func TestFailedEmitSticks(t *testing.T) {
	lost := Errorf(CodeFull, "disk full")
	b := NewBuilder(testRun(), func(*Draft) error { return lost })
	for i, err := range []error{b.Cut(1), b.Append(&Raw{Kind: KindGoroutineStart}), b.Drop(1, 0, 0, ""), b.Finish(RunEnd{})} {
		if err != lost {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// FuzzParseText reads anything.
func FuzzParseText(f *testing.F) {
	d, raws := story()
	f.Add(text(f, recorded(f, d, raws).blocks))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ParseText(data); err != nil && CodeOf(err) != CodeInvalid {
			t.Error(err)
		}
	})
}

// TestFormatIsSpecified looks for each kind of section, and the limits, in the specification.
func TestFormatIsSpecified(t *testing.T) {
	spec, err := os.ReadFile(filepath.Join("..", "docs", "reference", "format.md"))
	must(t, err)
	_, table, _ := strings.Cut(string(spec), "| kind | section |")
	table, _, _ = strings.Cut(table, "\n\n")
	for kind := sectionKind(0); kind < 255; kind++ {
		if specified := strings.Contains(table, fmt.Sprintf("\n| %d | ", kind)); kind.known() != specified {
			t.Errorf("section %d: known %t, specified %t", kind, kind.known(), specified)
		}
	}
	for _, want := range []string{
		fmt.Sprintf("# The block format, version %d", formatVersion), "at most 65,536", "at most 256 times as long",
	} {
		if !strings.Contains(string(spec), want) {
			t.Errorf("the specification does not say %q", want)
		}
	}
	if BlockEvents != 65_536 || maxExpansion != 256 || MaxData != 4<<20 || maxSection != 64<<20 || BlockNanoseconds != 250e6 {
		t.Error("a limit has changed; the specification has not")
	}
}
