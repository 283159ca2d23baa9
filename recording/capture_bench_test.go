package recording

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"
)

// benchmarkParams are the arguments and results of typical calls.
func benchmarkParams(l *live) ([]Param, []Root, any) {
	type request struct {
		ID   int
		Name string
		Tags []string
		Next *point
	}
	r := &request{1, "name", []string{"a", "b"}, &point{1, 2}}
	n, s, e := new(int), new(string), new(error)
	*s, *e = "some text", fmt.Errorf("failed: %w", &codeErr{1})
	pointer := &r
	var params []Param
	var roots []Root
	for _, p := range []any{n, s, pointer, e} {
		v := reflect.ValueOf(p)
		params = append(params, Param{Name: "p", Type: l.define(v.Type().Elem())})
		roots = append(roots, Root{Addr: uint64(v.Pointer())})
	}
	return params, roots, []any{n, s, pointer, e}
}

// copied is a memory that costs nothing to speak of: what was read once is kept.
type copied struct {
	from  Memory
	pages map[[2]uint64][]byte
}

func (c *copied) ReadMemory(dst []byte, addr uint64) error {
	key := [2]uint64{addr, uint64(len(dst))}
	if c.pages[key] == nil {
		c.pages[key] = make([]byte, len(dst))
		if err := c.from.ReadMemory(c.pages[key], addr); err != nil {
			return err
		}
	}
	copy(dst, c.pages[key])
	return nil
}

func BenchmarkCapture(b *testing.B) {
	l := newLive(b)
	params, roots, keep := benchmarkParams(l)
	memory := &copied{l, map[[2]uint64][]byte{}}
	c := Capturer{Types: l.types, Bounds: DefaultBounds(), Memory: memory, Resolver: l}
	var record []byte
	b.ReportAllocs()
	for b.Loop() {
		record, _ = c.Append(record[:0], params, roots)
	}
	b.ReportMetric(float64(len(record)), "B/record")
	runtime.KeepAlive(keep)
}

func BenchmarkDecodeValues(b *testing.B) {
	l := newLive(b)
	params, roots, keep := benchmarkParams(l)
	c := Capturer{Types: l.types, Bounds: DefaultBounds(), Memory: l, Resolver: l}
	record, _ := c.Append(nil, params, roots)
	d := ValueDecoder{Types: l.types, Bounds: DefaultBounds(), FunctionName: l.functionName}
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		text = text[:0]
		values := d.Values(params, record)
		for i := range values {
			text = values[i].AppendGo(text)
		}
	}
	runtime.KeepAlive(keep)
}
