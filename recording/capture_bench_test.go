package recording

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"
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

// lent is a memory that costs nothing to speak of: what was read once is kept, and read again in the same order.
type lent struct {
	from  Memory
	addrs []uint64
	kept  [][]byte
	next  int
}

func (l *lent) ReadMemory(dst []byte, addr uint64) error {
	b, err := l.Lend(addr, len(dst))
	copy(dst, b)
	return err
}

func (l *lent) Lend(addr uint64, n int) ([]byte, error) {
	for range l.addrs {
		i := l.next
		if l.next++; l.next == len(l.addrs) {
			l.next = 0
		}
		if l.addrs[i] == addr && len(l.kept[i]) == n {
			return l.kept[i], nil
		}
	}
	b := make([]byte, n)
	l.addrs, l.kept = append(l.addrs, addr), append(l.kept, b)
	return b, l.from.ReadMemory(b, addr)
}

// remembered is a resolver that costs nothing to speak of.
type remembered struct {
	Resolver
	itabs, words map[uint64]TypeID
	functions    map[uint64]FunctionID
}

func remember(r Resolver) *remembered {
	return &remembered{r, map[uint64]TypeID{}, map[uint64]TypeID{}, map[uint64]FunctionID{}}
}

func (r *remembered) ItabType(itab uint64) TypeID {
	if _, ok := r.itabs[itab]; !ok {
		r.itabs[itab] = r.Resolver.ItabType(itab)
	}
	return r.itabs[itab]
}

func (r *remembered) FunctionAt(pc uint64) FunctionID {
	if _, ok := r.functions[pc]; !ok {
		r.functions[pc] = r.Resolver.FunctionAt(pc)
	}
	return r.functions[pc]
}

func (r *remembered) DynamicType(word uint64) TypeID {
	if _, ok := r.words[word]; !ok {
		r.words[word] = r.Resolver.DynamicType(word)
	}
	return r.words[word]
}

// benchmarkHandler are the arguments of a web server's handler.
func benchmarkHandler(l *live) ([]Param, []Root, any) {
	r := httptest.NewRequest("POST", "/order?id=1", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	var w http.ResponseWriter = httptest.NewRecorder()
	params := []Param{
		{Name: "w", Type: l.define(reflect.TypeFor[http.ResponseWriter]())},
		{Name: "r", Type: l.define(reflect.TypeFor[*http.Request]())},
	}
	roots := []Root{{Addr: uint64(uintptr(unsafe.Pointer(&w)))}, {Addr: uint64(uintptr(unsafe.Pointer(&r)))}}
	return params, roots, []any{&w, &r}
}

func BenchmarkCapture(b *testing.B) {
	for _, bench := range []struct {
		name   string
		values func(*live) ([]Param, []Root, any)
	}{{"few", benchmarkParams}, {"handler", benchmarkHandler}} {
		b.Run(bench.name, func(b *testing.B) {
			l := newLive(b)
			params, roots, keep := bench.values(l)
			c := Capturer{Types: l.types, Bounds: DefaultBounds(), Memory: &lent{from: l}, Resolver: remember(l)}
			var record []byte
			b.ReportAllocs()
			for b.Loop() {
				record, _ = c.Append(record[:0], params, roots)
			}
			b.ReportMetric(float64(len(record)), "B/record")
			runtime.KeepAlive(keep)
		})
	}
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
