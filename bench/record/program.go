package main

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
	functionCount  = 200
	calleeCount    = 6
	goroutineCount = 4
	meanDepth      = 10
)

const (
	typeInt recording.TypeID = iota + 1
	typeString
	typeError
)

// mix says which values the functions have.
type mix struct {
	name    string
	params  []recording.Param
	results []recording.Param
}

var (
	mixNone = mix{name: "no values"}
	mixInts = mix{
		name:    "two ints, one int result",
		params:  []recording.Param{{Name: "a", Type: typeInt}, {Name: "b", Type: typeInt}},
		results: []recording.Param{{Name: "~r0", Type: typeInt}},
	}
	mixValues = mix{
		name:    "two ints, a string, an error",
		params:  []recording.Param{{Name: "a", Type: typeInt}, {Name: "b", Type: typeInt}, {Name: "s", Type: typeString}},
		results: []recording.Param{{Name: "~r0", Type: typeError}},
	}
)

func (m mix) definitions() recording.Definitions {
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

// program makes events of a mix.
type program struct {
	mix      mix
	random   *rand.Rand
	capturer recording.Capturer
	callees  [functionCount + 1][calleeCount]recording.FunctionID
	stacks   [goroutineCount][]recording.FunctionID
	words    [4][16]byte
	roots    []recording.Root
	data     []byte
	now      int64
	running  int
}

func newProgram(m mix) *program {
	p := &program{mix: m, random: rand.New(rand.NewPCG(1, 2))}
	var h heap
	for range 10_000 {
		h = append(h, 'a'+byte(p.random.IntN(26)))
	}
	p.capturer = recording.Capturer{
		Types: recording.NewTypes(m.definitions().Types), Bounds: recording.DefaultBounds(), Memory: h, Resolver: resolver{},
	}
	for i := range p.callees {
		for j := range p.callees[i] {
			p.callees[i][j] = recording.FunctionID(1 + p.random.IntN(functionCount))
		}
	}
	return p
}

// next makes the next event. Its data is valid until the event after it.
func (p *program) next(r *recording.Raw) {
	p.tick()
	if p.random.IntN(8) == 0 {
		p.running = p.random.IntN(goroutineCount)
	}
	p.step(r, &p.stacks[p.running], int64(p.running+1))
}

func (p *program) tick() { p.now += 20 + p.random.Int64N(381) }

// step makes the next event of a goroutine with this stack.
func (p *program) step(r *recording.Raw, stack *[]recording.FunctionID, goroutine int64) {
	depth := len(*stack)
	if p.random.IntN(2*meanDepth) < depth {
		p.leave(r, stack, goroutine)
		return
	}
	caller := recording.FunctionID(0)
	if depth > 0 {
		caller = (*stack)[depth-1]
	}
	p.enter(r, stack, goroutine, p.callees[caller][p.random.IntN(calleeCount)])
}

func (p *program) enter(r *recording.Raw, stack *[]recording.FunctionID, goroutine int64, f recording.FunctionID) {
	*stack = append(*stack, f)
	*r = recording.Raw{
		Kind: recording.KindCall, Goroutine: goroutine, Time: p.now, Function: f, Frame: uint64(len(*stack)) * 96,
		Data: p.record(p.mix.params),
	}
}

func (p *program) leave(r *recording.Raw, stack *[]recording.FunctionID, goroutine int64) {
	depth := len(*stack)
	*r = recording.Raw{
		Kind: recording.KindReturn, Goroutine: goroutine, Time: p.now, Function: (*stack)[depth-1], Frame: uint64(depth) * 96,
		Data: p.record(p.mix.results),
	}
	*stack = (*stack)[:depth-1]
}

func (p *program) record(params []recording.Param) []byte {
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
func (p *program) root(t recording.TypeID, word *[16]byte) recording.Root {
	*word = [16]byte{}
	switch t {
	case typeInt:
		binary.LittleEndian.PutUint64(word[:], uint64(p.random.IntN(1000)))
		return recording.Root{Bytes: word[:8]}
	case typeString:
		binary.LittleEndian.PutUint64(word[:], heapBase+10*uint64(p.random.IntN(1000)))
		binary.LittleEndian.PutUint64(word[8:], 10)
	case typeError:
		if p.random.IntN(100) == 0 {
			binary.LittleEndian.PutUint64(word[:], 0x4d0000)
			binary.LittleEndian.PutUint64(word[8:], heapBase)
		}
	}
	return recording.Root{Bytes: word[:]}
}

// prepare makes n events ahead, so that a measurement does not contain their making.
func prepare(m mix, n int) []recording.Raw {
	p := newProgram(m)
	list := make([]recording.Raw, n)
	var data []byte
	for i := range list {
		p.next(&list[i])
		begin := len(data)
		data = append(data, list[i].Data...)
		list[i].Data = data[begin:len(data):len(data)]
	}
	return list
}

func newRun() (recording.Run, error) {
	id, err := recording.NewRunID()
	return recording.Run{
		ID: id, Program: "/synthetic", GoVersion: "go1.26", Start: time.Now(),
		Settings: recording.Settings{Bounds: recording.DefaultBounds(), Engine: "synthetic"},
	}, err
}
