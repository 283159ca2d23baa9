package bench

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"smiley/recording"
)

// The synthetic program of these benchmarks: 200 functions that each call up to six others, about ten calls deep, on four
// goroutines whose events come interleaved, 20 to 400 ns apart.
const (
	benchFunctions  = 200
	benchCallees    = 6
	benchGoroutines = 4
	benchDepth      = 10
	benchEvents     = 8 * recording.BlockEvents
)

// A mix says which values the functions have.
type mix struct {
	name    string
	params  []recording.Param
	results []recording.Param
}

const (
	typeInt recording.TypeID = iota + 1
	typeString
	typeError
)

var (
	mixNone   = mix{name: "none"}
	mixInts   = mix{"ints", []recording.Param{{Name: "a", Type: typeInt}, {Name: "b", Type: typeInt}}, []recording.Param{{Type: typeInt}}}
	mixValues = mix{
		"values",
		[]recording.Param{{Name: "a", Type: typeInt}, {Name: "b", Type: typeInt}, {Name: "s", Type: typeString}},
		[]recording.Param{{Type: typeError}},
	}
	mixes = []mix{mixNone, mixInts, mixValues}
)

func (m mix) definitions() recording.Definitions {
	d := recording.Definitions{Types: []recording.Type{
		{ID: typeInt, Name: "int", Kind: recording.KindInt, Size: 8},
		{ID: typeString, Name: "string", Kind: recording.KindString, Size: 16},
		{ID: typeError, Name: "error", Kind: recording.KindInterface, Size: 16, Methods: true},
	}}
	for i := range benchFunctions {
		d.Functions = append(d.Functions, recording.Function{
			ID: recording.FunctionID(i + 1), Name: "main.f" + strconv.Itoa(i), Package: "main",
			Params: m.params, Results: m.results,
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

type resolver struct{}

func (resolver) DynamicType(uint64) recording.TypeID    { return 0 }
func (resolver) ItabType(uint64) recording.TypeID       { return 0 }
func (resolver) FunctionAt(uint64) recording.FunctionID { return 0 }

// program makes the events of a mix.
type program struct {
	mix      mix
	random   *rand.Rand
	capturer recording.Capturer
	callees  [benchFunctions + 1][benchCallees]recording.FunctionID
	stacks   [benchGoroutines][]recording.FunctionID
	words    [4][]byte
	roots    []recording.Root
	now      int64
	running  int
}

func newProgram(m mix) *program {
	p := &program{mix: m, random: rand.New(rand.NewPCG(1, 2))}
	var h heap
	for range 1000 {
		for range 10 {
			h = append(h, 'a'+byte(p.random.IntN(26)))
		}
	}
	p.capturer = recording.Capturer{
		Types: recording.NewTypes(m.definitions().Types), Bounds: recording.DefaultBounds(), Memory: h, Resolver: resolver{},
	}
	for i := range p.callees {
		for j := range p.callees[i] {
			p.callees[i][j] = recording.FunctionID(1 + p.random.IntN(benchFunctions))
		}
	}
	for i := range p.words {
		p.words[i] = make([]byte, 16)
	}
	return p
}

// next makes the next event; r.Data is appended to data.
func (p *program) next(r *recording.Raw, data []byte) []byte {
	p.now += 20 + p.random.Int64N(381)
	if p.random.IntN(8) == 0 {
		p.running = p.random.IntN(benchGoroutines)
	}
	stack := &p.stacks[p.running]
	depth := len(*stack)
	*r = recording.Raw{Goroutine: int64(p.running + 1), Time: p.now}
	params := p.mix.params
	if p.random.IntN(2*benchDepth) >= depth {
		r.Kind = recording.KindCall
		caller := recording.FunctionID(0)
		if depth > 0 {
			caller = (*stack)[depth-1]
		}
		r.Function = p.callees[caller][p.random.IntN(benchCallees)]
		r.Frame = uint64(depth+1) * 96
		*stack = append(*stack, r.Function)
	} else {
		r.Kind = recording.KindReturn
		r.Function = (*stack)[depth-1]
		r.Frame = uint64(depth) * 96
		*stack = (*stack)[:depth-1]
		params = p.mix.results
	}
	if len(params) == 0 {
		return data
	}
	p.roots = p.roots[:0]
	for i := range params {
		p.roots = append(p.roots, p.root(params[i].Type, p.words[i]))
	}
	begin := len(data)
	data, _ = p.capturer.Append(data, params, p.roots)
	r.Data = data[begin:]
	return data
}

func (p *program) root(t recording.TypeID, word []byte) recording.Root {
	clear(word)
	switch t {
	case typeInt:
		binary.LittleEndian.PutUint64(word, uint64(p.random.IntN(1000)))
		return recording.Root{Bytes: word[:8]}
	case typeString:
		binary.LittleEndian.PutUint64(word, heapBase+10*uint64(p.random.IntN(1000)))
		binary.LittleEndian.PutUint64(word[8:], 10)
	case typeError:
		if p.random.IntN(100) == 0 {
			binary.LittleEndian.PutUint64(word, 0x4d0000)
			binary.LittleEndian.PutUint64(word[8:], heapBase)
		}
	}
	return recording.Root{Bytes: word}
}

// raws makes n events ahead, so that a benchmark does not measure their making.
func raws(b *testing.B, m mix, n int) []recording.Raw {
	b.Helper()
	p := newProgram(m)
	list := make([]recording.Raw, n)
	for i := range list {
		p.next(&list[i], nil)
	}
	return list
}

// feed gives events to a fresh builder again and again, at later times, until n are appended.
func feed(b *testing.B, m mix, list []recording.Raw, n int, emit func(*recording.Draft) error) {
	builder := recording.NewBuilder(recording.Run{Settings: recording.Settings{Bounds: recording.DefaultBounds()}}, emit)
	if err := builder.Define(m.definitions()); err != nil {
		b.Fatal(err)
	}
	span := list[len(list)-1].Time
	for i := range n {
		r := list[i%len(list)]
		r.Time += span * int64(i/len(list))
		if err := builder.Append(&r); err != nil {
			b.Fatal(err)
		}
	}
	if err := builder.Finish(recording.RunEnd{End: time.Unix(0, 0)}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppend measures Builder.Append alone, per event. Drafts are encoded with the clock stopped.
func BenchmarkAppend(b *testing.B) {
	for _, m := range mixes {
		b.Run(m.name, func(b *testing.B) {
			list := raws(b, m, benchEvents)
			var encoded []byte
			b.ReportAllocs()
			b.ResetTimer()
			feed(b, m, list, b.N, func(d *recording.Draft) error {
				b.StopTimer()
				defer b.StartTimer()
				var err error
				encoded, err = d.Encode(encoded[:0])
				return err
			})
		})
	}
}

// BenchmarkEncode measures Draft.Encode alone, per event, and the size of what comes out per call.
func BenchmarkEncode(b *testing.B) {
	for _, m := range mixes {
		b.Run(m.name, func(b *testing.B) {
			list := raws(b, m, benchEvents)
			var encoded []byte
			bytes, events := 0, 0
			b.ReportAllocs()
			b.ResetTimer()
			b.StopTimer()
			feed(b, m, list, max(b.N, benchEvents), func(d *recording.Draft) error {
				n := int(d.Header().Events)
				if events < b.N {
					b.StartTimer()
				}
				var err error
				encoded, err = d.Encode(encoded[:0])
				b.StopTimer()
				bytes, events = bytes+len(encoded), events+n
				return err
			})
			b.ReportMetric(2*float64(bytes)/float64(events), "B/call")
		})
	}
}

// BenchmarkDecode measures a whole block: its structure only, and with the data.
func BenchmarkDecode(b *testing.B) {
	for _, m := range mixes {
		var block []byte
		feed(b, m, raws(b, m, 2*recording.BlockEvents), 2*recording.BlockEvents, func(d *recording.Draft) error {
			encoded, err := d.Encode(nil)
			if len(encoded) > len(block) {
				block = encoded
			}
			return err
		})
		for _, parts := range []recording.Parts{recording.Structure, recording.WithData} {
			name := m.name + "/structure"
			if parts == recording.WithData {
				name = m.name + "/data"
			}
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					decoded, err := recording.Decode(block)
					if err != nil {
						b.Fatal(err)
					}
					for _, err := range decoded.Events(parts) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
		b.Run(m.name+"/summary", func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, err := recording.Decode(block); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
