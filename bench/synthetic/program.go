// Package synthetic makes the events of a program that does not exist, for benchmarks of what comes after the capture.
package synthetic

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"time"

	"smiley/recording"
)

// The synthetic program: functions that call up to six others, about ten calls deep, on four goroutines whose events
// come interleaved, 20 to 400 ns apart.
const (
	functionCount = 200
	calleeCount   = 6
	Goroutines    = 4
	meanDepth     = 10
)

const (
	typeInt recording.TypeID = iota + 1
	typeString
	typeError
)

// Mix says which values the functions have.
type Mix struct {
	Name    string
	params  []recording.Param
	results []recording.Param
}

var (
	None = Mix{Name: "no values"}
	Ints = Mix{
		Name:    "two ints, one int result",
		params:  []recording.Param{{Name: "a", Type: typeInt}, {Name: "b", Type: typeInt}},
		results: []recording.Param{{Name: "~r0", Type: typeInt}},
	}
	Values = Mix{
		Name:    "two ints, a string, an error",
		params:  []recording.Param{{Name: "a", Type: typeInt}, {Name: "b", Type: typeInt}, {Name: "s", Type: typeString}},
		results: []recording.Param{{Name: "~r0", Type: typeError}},
	}
)

// Definitions are the functions and types of the program.
func (m Mix) Definitions() recording.Definitions {
	d := recording.Definitions{Types: []recording.Type{
		{ID: typeInt, Name: "int", Kind: recording.KindInt, Size: 8},
		{ID: typeString, Name: "string", Kind: recording.KindString, Size: 16},
		{ID: typeError, Name: "error", Kind: recording.KindInterface, Size: 16, Methods: true},
	}}
	for i := range functionCount {
		d.Functions = append(d.Functions, recording.Function{
			ID: recording.FunctionID(i + 1), Name: "main.f" + strconv.Itoa(i), Package: "main", Params: m.params, Results: m.results,
		})
	}
	return d
}

// heap is the memory of the synthetic program: 1,000 strings of ten bytes.
type heap []byte

const heapBase = 0xc000000000

func (h heap) ReadMemory(dst []byte, addr uint64) error {
	if addr < heapBase || addr-heapBase+uint64(len(dst)) > uint64(len(h)) {
		return recording.Errorf(recording.CodeInternal, "address %#x", addr)
	}
	copy(dst, h[addr-heapBase:])
	return nil
}

// resolver knows nothing: an error of the synthetic program has a type that smiley does not know.
type resolver struct{}

func (resolver) DynamicType(uint64) recording.TypeID    { return 0 }
func (resolver) ItabType(uint64) recording.TypeID       { return 0 }
func (resolver) FunctionAt(uint64) recording.FunctionID { return 0 }

// Program makes events of a Mix.
type Program struct {
	m        Mix
	Random   *rand.Rand
	capturer recording.Capturer
	callees  [functionCount + 1][calleeCount]recording.FunctionID
	Stacks   [Goroutines][]recording.FunctionID
	words    [4][16]byte
	roots    []recording.Root
	data     []byte
	Now      int64
	Running  int
}

// NewProgram returns a program that always does the same.
func NewProgram(m Mix) *Program {
	p := &Program{m: m, Random: rand.New(rand.NewPCG(1, 2))}
	var h heap
	for range 10_000 {
		h = append(h, 'a'+byte(p.Random.IntN(26)))
	}
	p.capturer = recording.Capturer{
		Types: recording.NewTypes(m.Definitions().Types), Bounds: recording.DefaultBounds(), Memory: h, Resolver: resolver{},
	}
	for i := range p.callees {
		for j := range p.callees[i] {
			p.callees[i][j] = recording.FunctionID(1 + p.Random.IntN(functionCount))
		}
	}
	return p
}

// Next makes the next event. Its data is valid until the event after it.
func (p *Program) Next(r *recording.Raw) {
	p.Tick()
	if p.Random.IntN(8) == 0 {
		p.Running = p.Random.IntN(Goroutines)
	}
	p.Step(r, &p.Stacks[p.Running], int64(p.Running+1))
}

// Tick lets a moment pass.
func (p *Program) Tick() { p.Now += 20 + p.Random.Int64N(381) }

// Step makes the next event of a goroutine with this stack.
func (p *Program) Step(r *recording.Raw, stack *[]recording.FunctionID, goroutine int64) {
	depth := len(*stack)
	if p.Random.IntN(2*meanDepth) < depth {
		p.Leave(r, stack, goroutine)
		return
	}
	caller := recording.FunctionID(0)
	if depth > 0 {
		caller = (*stack)[depth-1]
	}
	p.Enter(r, stack, goroutine, p.callees[caller][p.Random.IntN(calleeCount)])
}

// Enter makes a call of f.
func (p *Program) Enter(r *recording.Raw, stack *[]recording.FunctionID, goroutine int64, f recording.FunctionID) {
	*stack = append(*stack, f)
	*r = recording.Raw{
		Kind: recording.KindCall, Goroutine: goroutine, Time: p.Now, Function: f, Frame: uint64(len(*stack)) * 96,
		Data: p.record(p.m.params),
	}
}

// Leave makes the return of the innermost call.
func (p *Program) Leave(r *recording.Raw, stack *[]recording.FunctionID, goroutine int64) {
	depth := len(*stack)
	*r = recording.Raw{
		Kind: recording.KindReturn, Goroutine: goroutine, Time: p.Now, Function: (*stack)[depth-1], Frame: uint64(depth) * 96,
		Data: p.record(p.m.results),
	}
	*stack = (*stack)[:depth-1]
}

func (p *Program) record(params []recording.Param) []byte {
	if len(params) == 0 {
		return nil
	}
	p.roots = p.roots[:0]
	for i := range params {
		p.roots = append(p.roots, p.root(params[i].Type, &p.words[i]))
	}
	p.data, _ = p.capturer.Append(p.data[:0], params, p.roots)
	return p.data
}

// root makes up a value: ints below 1,000, one of 1,000 strings, an error in one of a hundred.
func (p *Program) root(t recording.TypeID, word *[16]byte) recording.Root {
	*word = [16]byte{}
	switch t {
	case typeInt:
		binary.LittleEndian.PutUint64(word[:], uint64(p.Random.IntN(1000)))
		return recording.Root{Bytes: word[:8]}
	case typeString:
		binary.LittleEndian.PutUint64(word[:], heapBase+10*uint64(p.Random.IntN(1000)))
		binary.LittleEndian.PutUint64(word[8:], 10)
	case typeError:
		if p.Random.IntN(100) == 0 {
			binary.LittleEndian.PutUint64(word[:], 0x4d0000)
			binary.LittleEndian.PutUint64(word[8:], heapBase)
		}
	}
	return recording.Root{Bytes: word[:]}
}

// Prepare makes n events ahead, so that a measurement does not contain their making.
func Prepare(m Mix, n int) []recording.Raw {
	p := NewProgram(m)
	list := make([]recording.Raw, n)
	var data []byte
	for i := range list {
		p.Next(&list[i])
		begin := len(data)
		data = append(data, list[i].Data...)
		list[i].Data = data[begin:len(data):len(data)]
	}
	return list
}

// NewRun returns the head of a recording.
func NewRun() (recording.Run, error) {
	id, err := recording.NewRunID()
	return recording.Run{
		ID: id, Program: "/synthetic", GoVersion: "go1.26", Start: time.Now(),
		Settings: recording.Settings{Bounds: recording.DefaultBounds(), Engine: "synthetic"},
	}, err
}

// Repeat appends events again and again, at later times, until calls of them were calls.
func Repeat(list []recording.Raw, calls int) func(*recording.Builder) error {
	span := list[len(list)-1].Time
	return func(b *recording.Builder) error {
		for shift := int64(0); ; shift += span {
			for i := range list {
				r := list[i]
				r.Time += shift
				if err := b.Append(&r); err != nil {
					return err
				}
				if r.Kind == recording.KindCall {
					if calls--; calls == 0 {
						return nil
					}
				}
			}
		}
	}
}
