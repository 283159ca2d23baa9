// Package sample makes recordings by hand, for tests of what reads recordings: every event and value in them is known
// beforehand, without a program that has to be run.
package sample

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"smiley/recording"
	"smiley/store"
)

// ID is the id of the recording that Shop makes.
var ID = uuid.MustParse("0193c8f2-7a5e-7c3d-9b1a-1f2e3d4c5b6a")

const source = `package main

func main() {
	println(add(1, 2))
	go work(7)
}

func add(a, b int) int { return a + b }

func work(n int) error {
	defer func() { recover() }()
	return risky(n)
}

func risky(n int) error { panic("unlucky") }
`

// The functions of every sample, by id.
const (
	Main recording.FunctionID = iota + 1
	Add
	Work
	Risky
	Inlined // could not be traced
)

const (
	typeInt recording.TypeID = iota + 1
	typeError
	typeString
)

func definitions() recording.Definitions {
	number := func(names ...string) []recording.Param {
		var params []recording.Param
		for _, name := range names {
			params = append(params, recording.Param{Name: name, Type: typeInt})
		}
		return params
	}
	failure := []recording.Param{{Name: "~r0", Type: typeError}}
	return recording.Definitions{
		Types: []recording.Type{
			{ID: typeInt, Name: "int", Kind: recording.KindInt, Size: 8},
			{ID: typeError, Name: "error", Kind: recording.KindInterface, Size: 16, Methods: true},
			{ID: typeString, Name: "string", Kind: recording.KindString, Size: 16},
		},
		Files: []recording.File{
			{ID: 1, Name: "/home/gopher/sum/main.go", Body: []byte(source), Hash: sha256.Sum256([]byte(source))},
			{ID: 2, Name: "/home/gopher/sum/gone.go", Missing: "not found"},
		},
		Functions: []recording.Function{
			{ID: Main, Name: "main.main", Package: "main", File: 1, Line: 3, Trace: recording.TraceBreakpoint},
			{ID: Add, Name: "main.add", Package: "main", File: 1, Line: 8, Trace: recording.TraceBreakpoint, Params: number("a", "b"), Results: number("~r0")},
			{ID: Work, Name: "main.work", Package: "main", File: 1, Line: 10, Trace: recording.TraceBreakpoint, Params: number("n"), Results: failure},
			{ID: Risky, Name: "main.risky", Package: "main", File: 1, Line: 15, Trace: recording.TraceBreakpoint, Params: number("n"), Results: failure},
			{ID: Inlined, Name: "main.small", Package: "main", File: 2, Line: 3, Trace: recording.TraceNot, Reason: "inlined everywhere"},
		},
	}
}

// Record makes a recording of what write appends, and returns its encoded blocks in order. The run is complete, with
// status 0.
func Record(id recording.RunID, write func(*recording.Builder) error) ([][]byte, error) {
	run := recording.Run{
		ID: id, Program: "/home/gopher/sum/sum", Args: []string{"-v", "two words"}, Cwd: "/home/gopher/sum", Host: "den", PID: 4711,
		GoVersion: "go1.26.8", GoOS: "linux", GoArch: "amd64", Module: "example.com/sum", Revision: "abc123+dirty",
		Start:    time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Settings: recording.Settings{Exclude: []string{"main.init..."}, Bounds: recording.DefaultBounds(), Engine: "breakpoint"},
	}
	var blocks [][]byte
	b := recording.NewBuilder(run, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		blocks = append(blocks, encoded)
		return err
	})
	if err := b.Define(definitions()); err != nil {
		return nil, err
	}
	if err := write(b); err != nil {
		return nil, err
	}
	err := b.Finish(recording.RunEnd{End: run.Start.Add(20 * time.Millisecond), Duration: int64(20 * time.Millisecond)})
	return blocks, err
}

// Shop is a recording of two goroutines with a bit of everything: values, output, a panic that is recovered, an error,
// a gap, and a program that ends while a call is open.
func Shop() ([][]byte, error) { return ShopAs(ID) }

// ShopAs is Shop under another id.
func ShopAs(id recording.RunID) ([][]byte, error) {
	return Record(id, func(b *recording.Builder) error {
		const us = 1000
		goroutines := []recording.Goroutine{{ID: 1, StartFunction: Main}}
		if err := b.Define(recording.Definitions{Goroutines: goroutines}); err != nil {
			return err
		}
		w := writer{b: b}
		w.append(recording.Raw{Kind: recording.KindGoroutineStart, Goroutine: 1, Time: 0})
		w.append(recording.Raw{Kind: recording.KindCall, Function: Main, Goroutine: 1, Time: 10 * us, Frame: 100, Data: Ints()})
		w.append(recording.Raw{Kind: recording.KindCall, Function: Add, Goroutine: 1, Time: 20 * us, Frame: 200, Data: Ints(1, 2)})
		w.append(recording.Raw{Kind: recording.KindReturn, Function: Add, Goroutine: 1, Time: 50 * us, Frame: 200, Data: Ints(3)})
		w.append(recording.Raw{Kind: recording.KindOutput, Goroutine: 1, Time: 60 * us, Data: []byte("\x023\n")})
		w.append(recording.Raw{Kind: recording.KindOutput, Goroutine: 1, Time: 70 * us, Data: []byte("\x01\x1b[2Jhostile\xff\n")})
		w.define(recording.Definitions{Goroutines: []recording.Goroutine{
			{ID: 7, Parent: 1, Creator: 2, CreatedIn: Main, CreatedLine: 5, StartFunction: Work, Start: 80 * us},
		}})
		w.append(recording.Raw{Kind: recording.KindGoroutineStart, Goroutine: 7, Time: 80 * us})
		w.append(recording.Raw{Kind: recording.KindCall, Function: Work, Goroutine: 7, Time: 90 * us, Frame: 100, Data: Ints(7)})
		w.append(recording.Raw{Kind: recording.KindCall, Function: Risky, Goroutine: 7, Time: 100 * us, Frame: 200, Data: Ints(7)})
		w.append(recording.Raw{Kind: recording.KindPanic, Function: Risky, Goroutine: 7, Time: 110 * us, Data: panicText("unlucky")})
		w.drop(3, 1, 115*us, "the sink was too slow")
		w.append(recording.Raw{Kind: recording.KindRecovered, Goroutine: 7, Time: 120 * us, Frame: 100})
		w.append(recording.Raw{Kind: recording.KindReturn, Function: Work, Goroutine: 7, Time: 130 * us, Frame: 100, Data: failed()})
		w.append(recording.Raw{Kind: recording.KindGoroutineEnd, Goroutine: 7, Time: 140 * us})
		if w.err != nil {
			return w.err
		}
		return b.Cut(150 * us)
	})
}

// Interrupted is the beginning of Shop, whose recorder died.
func Interrupted() ([][]byte, error) {
	blocks, err := Shop()
	if err != nil {
		return nil, err
	}
	if len(blocks) < 2 {
		return nil, recording.Errorf(recording.CodeInternal, "the sample has %d blocks and no end to leave out", len(blocks))
	}
	return blocks[:len(blocks)-1], nil
}

// writer remembers the first failure.
type writer struct {
	b   *recording.Builder
	err error
}

func (w *writer) append(r recording.Raw) {
	if w.err == nil {
		w.err = w.b.Append(&r)
	}
}

func (w *writer) define(d recording.Definitions) {
	if w.err == nil {
		w.err = w.b.Define(d)
	}
}

func (w *writer) drop(n uint64, goroutine, time int64, reason string) {
	if w.err == nil {
		w.err = w.b.Drop(n, goroutine, time, reason)
	}
}

// Ints is the capture record of ints: a status byte and their bytes.
func Ints(values ...int64) []byte {
	data := []byte{0}
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return data
}

// failed is the capture record of an error whose type nobody knows.
func failed() []byte {
	data := binary.LittleEndian.AppendUint64([]byte{0}, 1<<40)
	return binary.LittleEndian.AppendUint64(data, 0)
}

// panicText is the capture record of the value of panic(text).
func panicText(text string) []byte {
	capturer := recording.Capturer{Types: recording.NewTypes(definitions().Types), Bounds: recording.DefaultBounds(), Memory: words(text), Resolver: strings{}}
	var eface []byte
	eface = binary.LittleEndian.AppendUint64(eface, addressOfType)
	eface = binary.LittleEndian.AppendUint64(eface, addressOfString)
	data, _ := capturer.AppendAny(nil, recording.Root{Bytes: eface})
	return data
}

// The memory of a program that holds one string.
const (
	addressOfType   = 0x1000
	addressOfString = 0x2000
	addressOfText   = 0x3000
)

type words string

// ReadMemory implements recording.Memory.
func (w words) ReadMemory(dst []byte, addr uint64) error {
	head := binary.LittleEndian.AppendUint64(nil, addressOfText)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(w)))
	for base, content := range map[uint64][]byte{addressOfString: head, addressOfText: []byte(w)} {
		if addr >= base && addr+uint64(len(dst)) <= base+uint64(len(content)) {
			copy(dst, content[addr-base:])
			return nil
		}
	}
	return recording.Errorf(recording.CodeNotFound, "nothing at %#x", addr)
}

type strings struct{}

// DynamicType implements recording.Resolver.
func (strings) DynamicType(uint64) recording.TypeID { return typeString }

// ItabType implements recording.Resolver.
func (strings) ItabType(uint64) recording.TypeID { return 0 }

// FunctionAt implements recording.Resolver.
func (strings) FunctionAt(uint64) recording.FunctionID { return 0 }

// Keep adds the encoded blocks of runs to a store in file.
func Keep(ctx context.Context, file string, runs ...[][]byte) error {
	s, err := store.Open(ctx, file)
	if err != nil {
		return err
	}
	for _, blocks := range runs {
		for _, block := range blocks {
			if _, err := s.Append(ctx, block); err != nil {
				_ = s.Close()
				return err
			}
		}
	}
	return s.Close()
}
