package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// anyOf draws a Go type whose values refer to others at most depth levels deep.
func anyOf(t *rapid.T, depth int) reflect.Type {
	leaves := []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[uint16](), reflect.TypeFor[int32](),
		reflect.TypeFor[uint64](), reflect.TypeFor[uintptr](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
		reflect.TypeFor[complex64](), reflect.TypeFor[complex128](), reflect.TypeFor[string](), reflect.TypeFor[color](),
		reflect.TypeFor[label](), reflect.TypeFor[[]byte](), reflect.TypeFor[struct{}](), reflect.TypeFor[point](),
		reflect.TypeFor[[5]byte](), reflect.TypeFor[error](), reflect.TypeFor[func(int) string](),
	}
	if depth == 0 {
		return rapid.SampledFrom(leaves).Draw(t, "leaf")
	}
	inner := func() reflect.Type { return anyOf(t, depth-1) }
	switch rapid.IntRange(0, 8).Draw(t, "shape") {
	case 0:
		return reflect.SliceOf(inner())
	case 1:
		return reflect.ArrayOf(rapid.IntRange(0, 20).Draw(t, "length"), inner())
	case 2, 3:
		fields := make([]reflect.StructField, rapid.IntRange(0, 5).Draw(t, "fields"))
		for i := range fields {
			fields[i] = reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: inner()}
		}
		return reflect.StructOf(fields)
	case 4:
		return reflect.PointerTo(inner())
	case 5:
		return reflect.MapOf(reflect.TypeFor[string](), inner())
	case 6:
		return reflect.ChanOf(reflect.BothDir, inner())
	case 7:
		return reflect.TypeFor[any]()
	}
	return rapid.SampledFrom(leaves).Draw(t, "leaf")
}

// fill gives v a random value.
func fill(t *rapid.T, v reflect.Value, depth int) {
	isNil := func() bool { return depth == 0 || rapid.IntRange(0, 3).Draw(t, "nil") == 0 }
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(rapid.Uint64().Draw(t, "uint"))
	case reflect.Float32:
		v.SetFloat(float64(rapid.Float32().Draw(t, "float")))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, "float"))
	case reflect.Complex64:
		v.SetComplex(complex(float64(rapid.Float32().Draw(t, "real")), 1))
	case reflect.Complex128:
		v.SetComplex(complex(rapid.Float64().Draw(t, "real"), rapid.Float64().Draw(t, "imaginary")))
	case reflect.String:
		v.SetString(string(rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "text")))
	case reflect.Slice:
		if isNil() {
			return
		}
		n := rapid.IntRange(0, 12).Draw(t, "length")
		v.Set(reflect.MakeSlice(v.Type(), n, n+rapid.IntRange(0, 3).Draw(t, "spare")))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), max(depth-1, 0))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), depth)
		}
	case reflect.Pointer:
		if !isNil() {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), depth-1)
		}
	case reflect.Map:
		if !isNil() {
			v.Set(reflect.MakeMap(v.Type()))
			for i := range rapid.IntRange(0, 20).Draw(t, "entries") {
				v.SetMapIndex(reflect.ValueOf(fmt.Sprint(i)), reflect.Zero(v.Type().Elem()))
			}
		}
	case reflect.Chan:
		if !isNil() {
			v.Set(reflect.MakeChan(v.Type(), rapid.IntRange(0, 4).Draw(t, "buffer")))
			if v.Cap() > 0 {
				v.Send(reflect.Zero(v.Type().Elem()))
			}
		}
	case reflect.Func:
		if !isNil() {
			v.Set(reflect.ValueOf(handler))
		}
	case reflect.Interface:
		if isNil() {
			return
		}
		if v.NumMethod() > 0 {
			errs := []error{io.EOF, &codeErr{7}, valErr{"what"}, (*codeErr)(nil), fmt.Errorf("wrapped: %w", io.EOF)}
			v.Set(reflect.ValueOf(rapid.SampledFrom(errs).Draw(t, "error")))
			return
		}
		inner := reflect.New(anyOf(t, depth-1)).Elem()
		fill(t, inner, depth-1)
		v.Set(inner)
	}
}

// checker compares a decoded value with the value itself and counts what was lost.
type checker struct {
	t        *rapid.T
	bounds   Bounds
	complete bool // nothing may be missing
	faults   bool // memory may have been unreadable
	counts   Counts
}

// check fails when v says anything that is not so. inError relaxes the bounds to those of errors.
func (c *checker) check(v *Value, is reflect.Value, pointers int, inError bool) {
	if v.Unreadable != "" {
		c.counts.Unreadable++
		if c.complete || v.Unreadable != "the record is full" && !c.faults {
			c.t.Fatalf("%s is unreadable: %s", is.Type(), v.Unreadable)
		}
		return
	}
	if v.Truncated {
		c.counts.Truncated++
	}
	if c.complete && (v.Truncated || v.NotShown || v.Cyclic) {
		c.t.Fatalf("%s is cut short: %+v", is.Type(), v)
	}
	if name := liveNames.Replace(is.Type().String()); v.TypeName != name {
		c.t.Fatalf("type %s is called %s", name, v.TypeName)
	}
	switch is.Kind() {
	case reflect.Slice, reflect.Array:
		c.list(v, is, pointers, inError)
	case reflect.Struct:
		c.same("fields", v.Len, uint64(is.NumField()))
		c.same("truncated", v.Truncated, len(v.Children) < is.NumField())
		for i := range v.Children {
			c.check(&v.Children[i], is.Field(i), pointers, inError)
		}
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Chan, reflect.Func:
		c.same("nil", v.Nil, is.IsNil())
		if !is.IsNil() {
			c.reference(v, is, pointers, inError)
		}
	case reflect.String:
		bound := c.bounds.StringBytes
		if inError {
			bound *= 4
		}
		c.text(v, is.String(), bound)
	default:
		c.scalar(v, is)
	}
}

func (c *checker) same(what string, got, want any) {
	if got != want {
		c.t.Fatalf("%s is %v, not %v", what, got, want)
	}
}

func (c *checker) text(v *Value, is string, bound int) {
	c.same("length", v.Len, uint64(len(is)))
	c.same("text", v.Text, is[:min(len(is), bound)])
	c.same("truncated", v.Truncated, len(is) > bound)
}

func (c *checker) list(v *Value, is reflect.Value, pointers int, inError bool) {
	if is.Kind() == reflect.Slice {
		c.same("nil", v.Nil, is.IsNil())
		c.same("capacity", v.Cap, uint64(is.Cap()))
	}
	if is.Type().Elem().Kind() == reflect.Uint8 && !v.Nil {
		bytes := make([]byte, is.Len())
		reflect.Copy(reflect.ValueOf(bytes), is)
		c.text(v, string(bytes), c.bounds.StringBytes)
		return
	}
	c.same("length", v.Len, uint64(is.Len()))
	c.same("truncated", v.Truncated, len(v.Children) < is.Len())
	if len(v.Children) > c.bounds.Elements {
		c.t.Fatalf("%d elements", len(v.Children))
	}
	for i := range v.Children {
		c.check(&v.Children[i], is.Index(i), pointers, inError)
	}
}

// reference checks what is not nil and refers to something.
func (c *checker) reference(v *Value, is reflect.Value, pointers int, inError bool) {
	switch is.Kind() {
	case reflect.Pointer:
		c.same("address", v.Bits, uint64(is.Pointer()))
		if len(v.Children) == 1 {
			if pointers == 0 && !inError {
				c.t.Fatalf("a pointer beyond the bounds was followed")
			}
			c.check(&v.Children[0], is.Elem(), pointers-1, inError)
		} else if !v.NotShown && !v.Cyclic {
			c.t.Fatalf("a pointer without a target: %+v", v)
		}
	case reflect.Interface:
		c.same("dynamic values", len(v.Children), 1)
		if v.NotShown {
			c.same("dynamic type", v.Children[0].TypeName, liveNames.Replace(is.Elem().Type().String()))
			return
		}
		c.check(&v.Children[0], is.Elem(), pointers, inError || is.Type() == reflect.TypeFor[error]())
	case reflect.Map:
		c.same("length", v.Len, uint64(is.Len()))
	case reflect.Chan:
		c.same("length", v.Len, uint64(is.Len()))
		c.same("capacity", v.Cap, uint64(is.Cap()))
	case reflect.Func:
		c.same("function", v.Text, "smiley/recording.handler")
	}
}

func (c *checker) scalar(v *Value, is reflect.Value) {
	switch {
	case is.CanInt():
		c.same("integer", int64(v.Bits), is.Int())
	case is.CanUint():
		c.same("integer", v.Bits, is.Uint())
	case is.CanFloat():
		c.same("float", v.Bits, math.Float64bits(is.Float()))
	case is.CanComplex():
		c.same("complex", fmt.Sprint(v.Complex), fmt.Sprint(is.Complex()))
	default:
		c.same("bool", v.Bits != 0, is.Bool())
	}
}

// draw makes a random value on the heap; the result points to it.
func draw(t *rapid.T) reflect.Value {
	depth := rapid.IntRange(0, 4).Draw(t, "depth")
	pointer := reflect.New(anyOf(t, depth))
	fill(t, pointer.Elem(), depth)
	return pointer
}

// TestCaptureTellsTheTruth: whatever the value and the bounds, what is decoded is so, what is missing is marked, and the
// losses that the capture counted are those that a reader sees.
func TestCaptureTellsTheTruth(t *testing.T) {
	l := newLive(t)
	rapid.Check(t, func(t *rapid.T) {
		bounds := Bounds{
			StringBytes: rapid.IntRange(0, 120).Draw(t, "string bytes"), Elements: rapid.IntRange(0, 16).Draw(t, "elements"),
			Follow: rapid.IntRange(0, 4).Draw(t, "follow"),
		}
		pointer := draw(t)
		v, _, counts := l.capture(pointer, bounds)
		c := checker{t: t, bounds: bounds}
		c.check(&v, pointer.Elem(), bounds.Follow, false)
		if c.counts != counts {
			t.Fatalf("lost %+v, counted %+v", c.counts, counts)
		}
	})
}

// TestCaptureComplete: with bounds that are wide enough nothing is missing.
func TestCaptureComplete(t *testing.T) {
	l := newLive(t)
	whole := 0
	rapid.Check(t, func(t *rapid.T) {
		bounds := Bounds{StringBytes: 1 << 20, Elements: 64, Follow: 10}
		pointer := draw(t)
		v, _, counts := l.capture(pointer, bounds)
		if l.cut(pointer.Elem(), bounds) {
			return // larger than an image can be
		}
		whole++
		c := checker{t: t, bounds: bounds, complete: counts.Unreadable == 0 && counts.Truncated == 0}
		if !c.complete {
			t.Fatalf("lost %+v of %s", counts, v.String())
		}
		c.check(&v, pointer.Elem(), bounds.Follow, false)
	})
	if whole < 20 {
		t.Errorf("only %d values were small enough to be captured whole", whole)
	}
}

// cut reports whether a type in v, dynamic ones included, is larger than an image.
func (l *live) cut(v reflect.Value, bounds Bounds) bool {
	var lays layouts
	lays.reset(l.types, bounds)
	if lays.of(l.define(v.Type())).cut > 0 {
		return true
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && l.cut(v.Elem(), bounds)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if l.cut(v.Index(i), bounds) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if l.cut(v.Field(i), bounds) {
				return true
			}
		}
	}
	return false
}

// holes is a memory in which some addresses cannot be read.
type holes struct {
	*live
	mask uint64
}

func (h holes) ReadMemory(dst []byte, addr uint64) error {
	if addr/16*2654435761>>8&h.mask == 0 {
		return errors.New("a hole")
	}
	return h.live.ReadMemory(dst, addr)
}

// lending is a memory that shows bytes instead of copying them.
type lending struct{ Memory }

func (l lending) Lend(addr uint64, n int) ([]byte, error) {
	b := make([]byte, n)
	return b, l.ReadMemory(b, addr)
}

// TestCaptureOfHoles: memory that cannot be read makes values unreadable, and only them.
func TestCaptureOfHoles(t *testing.T) {
	l := newLive(t)
	rapid.Check(t, func(t *rapid.T) {
		bounds := DefaultBounds()
		pointer := draw(t)
		params := []Param{{Name: "v", Type: l.define(pointer.Type().Elem())}}
		memory := holes{l, uint64(rapid.IntRange(0, 7).Draw(t, "mask"))}
		capturer := Capturer{Types: l.types, Bounds: bounds, Memory: memory, Resolver: l}
		record, counts := capturer.Append(nil, params, []Root{{Addr: uint64(pointer.Pointer())}})
		v := l.decode(params, record, bounds)[0]
		c := checker{t: t, bounds: bounds, faults: true}
		c.check(&v, pointer.Elem(), bounds.Follow, false)
		if c.counts != counts {
			t.Fatalf("lost %+v, counted %+v", c.counts, counts)
		}

		lent := Capturer{Types: l.types, Bounds: bounds, Memory: lending{memory}, Resolver: l}
		record, again := lent.Append(nil, params, []Root{{Addr: uint64(pointer.Pointer())}})
		if w := l.decode(params, record, bounds)[0]; again != counts || !reflect.DeepEqual(w, v) {
			t.Fatalf("of memory that is lent\n%+v, lost %+v\nof memory that is copied\n%+v, lost %+v", w, again, v, counts)
		}
	})
}

// extentsOnly is a memory that holds the extents of one value and nothing else.
type extentsOnly struct {
	*live
	base    uint64
	extents []Extent
}

func (m extentsOnly) ReadMemory(dst []byte, addr uint64) error {
	for _, e := range m.extents {
		from := m.base + uint64(e.Offset)
		if addr >= from && addr+uint64(len(dst)) <= from+uint64(e.Length) {
			return m.live.ReadMemory(dst, addr)
		}
	}
	return fmt.Errorf("at %#x: %w", addr, ErrNotCopied)
}

// TestExtents: what the extents of a type hold is all that its own image needs, and what lies behind it is said not to have been copied.
func TestExtents(t *testing.T) {
	l := newLive(t)
	beyond := 0
	rapid.Check(t, func(t *rapid.T) {
		bounds := DefaultBounds()
		pointer := draw(t)
		id := l.define(pointer.Type().Elem())
		memory := extentsOnly{l, uint64(pointer.Pointer()), NewExtents(l.types, bounds).Of(id)}
		capturer := Capturer{Types: l.types, Bounds: bounds, Memory: memory, Resolver: l}
		record, _ := capturer.Append(nil, []Param{{Name: "v", Type: id}}, []Root{{Addr: memory.base}})
		v := l.decode([]Param{{Name: "v", Type: id}}, record, bounds)[0]
		if v.Kind >= KindString && v.Kind != KindStruct && v.Kind != KindArray {
			return // what it refers to is all there is
		}
		if v.Unreadable != "" {
			t.Fatalf("%s: %s", pointer.Type(), v.String())
		}
		text := v.String()
		beyond += strings.Count(text, "<unreadable: not copied: beyond the bounds>")
		if strings.Contains(text, "memory fault") {
			t.Fatalf("nobody looked: %s", text)
		}
	})
	if beyond == 0 {
		t.Error("nothing lay beyond")
	}
}

// TestRecordParts covers what stands around the values: static and momentary reasons, several parameters, the words that a
// block's author looks at.
func TestRecordParts(t *testing.T) {
	l := newLive(t)
	bounds := DefaultBounds()
	text, number := new(string), new(int)
	*text, *number = "text", 5
	failure := new(error)
	*failure = io.EOF
	intType, textType, errorType := l.define(reflect.TypeFor[int]()), l.define(reflect.TypeFor[string]()), l.define(reflect.TypeFor[error]())
	params := []Param{
		{Name: "a", Type: textType},
		{Name: "b", Type: intType, Unreadable: "never"},
		{Name: "c", Type: intType},
		{Name: "d", Type: intType},
		{Name: "e", Type: errorType},
		{Name: "f", Type: TypeID(99999)},
	}
	at := func(p any) Root { return Root{Addr: uint64(reflect.ValueOf(p).Pointer())} }
	roots := []Root{at(text), {}, {Unreadable: "not now"}, at(number), at(failure), {}}
	capturer := Capturer{Types: l.types, Bounds: bounds, Memory: l, Resolver: l}
	record, counts := capturer.Append([]byte("before"), params, roots)
	record = record[len("before"):]
	want := []string{`"text"`, "<unreadable: never>", "<unreadable: not now>", "5", `error(*errors.errorString: "EOF")`, "<unreadable: type unknown>"}
	compareTexts(t, l.decode(params, record, bounds), want)
	if counts != (Counts{Unreadable: 3}) {
		t.Errorf("counted %+v", counts)
	}
	if size := ImageSize(l.types, bounds, params); size != 1+8+8+8+16 {
		t.Errorf("the fixed part has %d bytes", size)
	}
	word := ErrorWord(l.types, bounds, params)
	if word != 1+8+8+8 || binary.LittleEndian.Uint64(record[word:]) == 0 {
		t.Errorf("the error's word is at %d", word)
	}
	*failure = nil
	record, _ = capturer.Append(nil, params, roots)
	if binary.LittleEndian.Uint64(record[word:]) != 0 {
		t.Error("the word of a nil error is not zero")
	}
	if ErrorWord(l.types, bounds, params[:4]) != -1 {
		t.Error("a word of an error that is not there")
	}
	none := "<unreadable: the program was gone>"
	want = []string{none, "<unreadable: never>", none, none, none, none}
	compareTexts(t, l.decode(params, AppendNoValues(nil, "the program was gone"), bounds), want)
	for i := range record {
		for _, v := range l.decode(params, record[:i], bounds) {
			if s := v.String(); s == "0" || s == `""` || s == "nil" && i < word+16 {
				t.Errorf("of %d bytes, %s is shown as %s", i, v.Name, s)
			}
		}
	}
}

func compareTexts(t *testing.T, values []Value, want []string) {
	t.Helper()
	for i := range values {
		if got := values[i].String(); got != want[i] {
			t.Errorf("%s: got %s, want %s", values[i].Name, got, want[i])
		}
	}
}

// TestPanicValue covers records of one value of type any.
func TestPanicValue(t *testing.T) {
	l := newLive(t)
	for _, c := range []struct {
		value any
		want  string
	}{
		{"text", `any("text")`},
		{io.EOF, `any(*errors.errorString: "EOF")`},
		{nil, "nil"},
		{boundsPanic(4), `any(runtime.boundsError: "runtime error: index out of range [4] with length 3")`},
	} {
		p := new(any)
		*p = c.value
		capturer := Capturer{Types: l.types, Bounds: DefaultBounds(), Memory: l, Resolver: l}
		record, _ := capturer.AppendAny(nil, Root{Addr: uint64(reflect.ValueOf(p).Pointer())})
		decoder := ValueDecoder{Types: l.types, Bounds: DefaultBounds()}
		v := decoder.Any(record)
		if v.String() != c.want {
			t.Errorf("got %s, want %s", v.String(), c.want)
		}
	}
}

// part is memory of which only the first bytes from an address on were copied.
type part struct {
	*live
	from, to uint64
	end      uint64 // of what was not
}

func (m *part) ReadMemory(dst []byte, addr uint64) error {
	if addr < m.end && addr+uint64(len(dst)) > m.to && addr >= m.from {
		return ErrNotCopied
	}
	return m.live.ReadMemory(dst, addr)
}

// TestSliceInPart: of a slice for which there is no room, or of which not all elements were copied, those are there that are, with what
// they refer to, and it is cut; what comes behind it is there, too.
func TestSliceInPart(t *testing.T) {
	type row struct {
		name string
		_    [3]int64
		n    int
	}
	l := newLive(t)
	bounds := Bounds{StringBytes: 64, Elements: 64, Follow: 1}
	rows := make([]row, 64)
	for i := range rows {
		rows[i] = row{name: fmt.Sprint("row ", i), n: i}
	}
	p := &struct {
		rows []row
		last string
	}{rows, "behind"}
	params := []Param{{Name: "v", Type: l.define(reflect.TypeOf(*p))}}
	from, size := uint64(reflect.ValueOf(rows).Pointer()), uint64(reflect.TypeFor[row]().Size())
	capture := func(copied uint64) (*Value, Counts) {
		memory := &part{live: l, from: from, to: from + copied, end: from + 64*size}
		c := Capturer{Types: l.types, Bounds: bounds, Memory: memory, Resolver: l}
		record, counts := c.Append(nil, params, []Root{{Addr: uint64(reflect.ValueOf(p).Pointer())}})
		return &l.decode(params, record, bounds)[0], counts
	}
	for copied := range 65 {
		v, counts := capture(uint64(copied)*size + size/2)
		got := &v.Children[0]
		if v.Children[1].Text != "behind" {
			t.Fatalf("%d elements were copied: %s", copied, v)
		}
		if copied == 0 {
			if got.Unreadable == "" || counts != (Counts{Unreadable: 1}) {
				t.Errorf("nothing was copied: %s, %+v", got, counts)
			}
			continue
		}
		want := Counts{}
		if copied < 64 {
			want.Truncated = 1
		}
		if len(got.Children) != copied || got.Len != 64 || got.Truncated != (copied < 64) || counts != want {
			t.Fatalf("%d elements were copied, %d are there of %d, truncated %v, %+v", copied, len(got.Children), got.Len, got.Truncated, counts)
		}
		for i := range got.Children {
			if want := fmt.Sprintf("{name: \"row %d\", _: [3]int64{0, 0, 0}, n: %d}", i, i); !strings.HasSuffix(got.Children[i].String(), want) {
				t.Fatalf("element %d is %s", i, got.Children[i].String())
			}
		}
	}

	type line [10]int64
	lines := make([]line, 64)
	for i := range lines {
		lines[i] = line{int64(i), 9: int64(-i)}
	}
	four := [4][]line{lines, lines, lines, lines}
	v := captureOf(l, four, bounds)
	for i := range v.Children {
		there := 64
		if i == 3 {
			there = (maxRecord - 3*64*80) / 80
		}
		got := &v.Children[i]
		if len(got.Children) != there || got.Truncated != (there < 64) {
			t.Fatalf("%d elements of slice %d, truncated %v", len(got.Children), i, got.Truncated)
		}
		for k := range got.Children {
			if first, last := got.Children[k].Children[0].String(), got.Children[k].Children[9].String(); first != fmt.Sprint(k) || last != fmt.Sprint(-k) {
				t.Fatalf("element %d of slice %d: %s … %s", k, i, first, last)
			}
		}
	}
}

// TestRecordLimit: a value with very many parts makes a record of bounded size whose missing parts are marked.
func TestRecordLimit(t *testing.T) {
	l := newLive(t)
	wide := make([][]string, 64)
	for i := range wide {
		for range 64 {
			wide[i] = append(wide[i], strings.Repeat("w", 60))
		}
	}
	p := new([][]string)
	*p = wide
	v, record, counts := l.capture(reflect.ValueOf(p), Bounds{StringBytes: 64, Elements: 64, Follow: 1})
	if len(record) > 2*maxRecord || counts.Unreadable == 0 || !strings.Contains(v.String(), "the record is full") {
		t.Errorf("%d bytes, %+v", len(record), counts)
	}
	long := strings.Repeat("s", 200_000)
	if whole := captureOf(l, long, Bounds{StringBytes: 1 << 20}); whole.Text != long {
		t.Errorf("of a string that the bounds allow, %d bytes were captured", len(whole.Text))
	}
}
