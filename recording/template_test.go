package recording

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// copies is a memory of copies as a probe makes them: the words of a value, and behind them what these lead to, each piece behind its
// length.
type copies struct {
	from   Memory // where pieces come from that are not there yet; nil: nowhere
	record []byte
	pieces []copied
	last   int
}

// copied is a piece of memory, found by a word of the record.
type copied struct {
	at, n, origin int
	skip          uint64
}

func (c *copies) addr(p *copied) uint64 {
	return binary.LittleEndian.Uint64(c.record[p.origin:]) + p.skip
}

func (c *copies) ReadMemory(dst []byte, addr uint64) error {
	lent, err := c.Lend(addr, len(dst))
	copy(dst, lent)
	return err
}

func (c *copies) Lend(addr uint64, n int) ([]byte, error) {
	for k := range c.pieces {
		i := (c.last + k) % len(c.pieces)
		if p := &c.pieces[i]; c.addr(p) == addr && p.n >= n {
			c.last = i
			return c.record[p.at:][:n], nil
		}
	}
	if c.from == nil {
		return nil, ErrNotCopied
	}
	origin := -1
	for at := 0; at+8 <= len(c.record); at += 8 {
		if binary.LittleEndian.Uint64(c.record[at:]) == addr {
			origin = at
		}
	}
	if origin < 0 {
		return nil, ErrNotCopied
	}
	piece := make([]byte, (n+7)&^7)
	if err := c.from.ReadMemory(piece[:n], addr); err != nil {
		return nil, err
	}
	c.record = binary.LittleEndian.AppendUint64(c.record, uint64(n))
	c.pieces = append(c.pieces, copied{at: len(c.record), n: n, origin: origin})
	c.record = append(c.record, piece...)
	c.last = len(c.pieces) - 1
	return c.record[len(c.record)-len(piece):][:n], nil
}

func (c *copies) Origin() int { return c.pieces[c.last].origin }

// decisive are the places of the lengths.
func (c *copies) decisive() (at []int32) {
	for _, p := range c.pieces {
		at = append(at, int32(p.at-8))
	}
	return at
}

// copyOf makes the copies of a value of params' only type: those that a capture of it asks for.
func (l *live) copyOf(pointer reflect.Value, params []Param, bounds Bounds) *copies {
	size := int(pointer.Type().Elem().Size())
	c := &copies{from: l, record: make([]byte, (size+7)&^7)}
	if size > 0 {
		_ = l.ReadMemory(c.record[:size], uint64(pointer.Pointer()))
	}
	grower := Capturer{Types: l.types, Bounds: bounds, Memory: c, Resolver: l}
	grower.Append(nil, params, []Root{{Bytes: bytes.Clone(c.record[:size])}})
	runtime.KeepAlive(pointer)
	c.from, c.last = nil, 0
	return c
}

// TestTemplate: a record that matches a template is what capturing it would be, whatever else was in memory before.
func TestTemplate(t *testing.T) {
	l := newLive(t)
	matched, changed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		bounds := Bounds{
			StringBytes: rapid.IntRange(0, 120).Draw(t, "string bytes"), Elements: rapid.IntRange(0, 16).Draw(t, "elements"),
			Follow: rapid.IntRange(0, 2).Draw(t, "follow"),
		}
		depth := rapid.IntRange(0, 3).Draw(t, "depth")
		typ := anyOf(t, depth)
		if typ.Size() == 0 {
			return
		}
		value := func() reflect.Value {
			pointer := reflect.New(typ)
			fill(t, pointer.Elem(), depth)
			return pointer
		}
		params := []Param{{Name: "v", Type: l.define(typ)}}
		places := []Extent{{0, int(typ.Size())}}
		first := l.copyOf(value(), params, bounds)
		capturer := Capturer{Types: l.types, Bounds: bounds, Memory: first, Resolver: remember(l)}
		outline, ok := capturer.Outline(params, places)
		if !ok {
			t.Fatal("a value that lies in one piece has no outline")
		}
		template, ok := capturer.Template(outline, first.record, first.decisive())
		if !ok {
			return
		}
		check := func(c *copies) bool {
			if !template.Matches(c.record) {
				return false
			}
			matched++
			capturer := Capturer{Types: l.types, Bounds: bounds, Memory: c, Resolver: capturer.Resolver}
			outline, _ := capturer.Outline(params, places)
			want, lost := capturer.AppendOutlined([]byte("before"), outline, c.record)
			got, counted := template.Append([]byte("before"), c.record), template.Counts()
			if !bytes.Equal(got, want) || counted != lost {
				t.Fatalf("%v, of %x:\n%x by the template (lost %+v)\n%x by capturing (lost %+v)", typ, c.record, got, counted, want, lost)
			}
			return true
		}
		if !check(first) {
			t.Fatalf("%v, of %x: what the template was made of does not match", typ, first.record)
		}
		// Another value of the type, and the same one with other words.
		check(l.copyOf(value(), params, bounds))
		for range 8 {
			other := *first
			other.record = bytes.Clone(first.record)
			at := 8 * rapid.IntRange(0, len(other.record)/8-1).Draw(t, "word")
			// Not what another word is: two copies of the same memory would differ.
			word := rapid.SampledFrom([]uint64{0, 1, 1<<63 | uint64(at)}).Draw(t, "is")
			binary.LittleEndian.PutUint64(other.record[at:], word)
			decisive := slices.Contains(first.decisive(), int32(at)) && !bytes.Equal(other.record, first.record)
			if check(&other) {
				changed++
				if decisive {
					t.Fatalf("%v: matches with another length at %d of %x", typ, at, first.record)
				}
			}
		}
		if template.Matches(first.record[:len(first.record)-1]) {
			t.Fatal("a record that is cut off matches")
		}
	})
	if matched < 100 || changed < 50 {
		t.Errorf("only %d matched, of those with another word %d", matched, changed)
	}
}

// TestTemplateDepends: a record matches a template as long as what decides its form is the same.
func TestTemplateDepends(t *testing.T) {
	type pair struct{ A, B *point }
	type list struct {
		Name  string
		Items []point
	}
	type held struct{ Value any }
	one, other := &point{1, 2}, &point{3, 4}
	first, second := func() int { return 1 }, func() int { return 2 }
	for _, tt := range []struct {
		name          string
		value, follow any
		matches       bool
	}{
		{"numbers", point{1, 2}, point{-3, 1 << 40}, true},
		{"text as long", list{Name: "abc"}, list{Name: "xyz"}, true},
		{"longer text", list{Name: "abc"}, list{Name: "abcd"}, false},
		{"elements as many", list{Items: make([]point, 2)}, list{Items: make([]point, 2, 7)}, true},
		{"more elements", list{Items: make([]point, 2)}, list{Items: make([]point, 3)}, false},
		{"empty after nil", list{}, list{Items: []point{}}, false},
		{"nil after empty", list{Items: []point{}}, list{}, false},
		{"another pointer", pair{one, nil}, pair{other, nil}, true},
		{"nil after a pointer", pair{one, nil}, pair{nil, nil}, false},
		{"a pointer after nil", pair{one, nil}, pair{one, other}, false},
		{"twice the same, again", pair{one, one}, pair{other, other}, true},
		{"different after twice the same", pair{one, one}, pair{one, other}, false},
		{"another number in an interface", held{7}, held{-9}, true},
		{"another type in an interface", held{7}, held{int8(7)}, false},
		{"a pointer in an interface", held{one}, held{other}, true},
		{"nil in an interface", held{one}, held{}, false},
		{"something after nil", held{}, held{one}, false},
		{"the same function", held{first}, held{first}, true},
		{"another function", held{first}, held{second}, false},
		{"an error's message", held{&codeErr{Code: 1}}, held{&codeErr{Code: 2}}, true},
		{"entries of a map", held{map[int]int{}}, held{map[int]int{1: 1, 2: 2}}, true},
		{"elements of a channel", held{make(chan int, 3)}, held{make(chan int, 5)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLive(t)
			onHeap := func(value any) reflect.Value {
				pointer := reflect.New(reflect.TypeOf(value))
				pointer.Elem().Set(reflect.ValueOf(value))
				return pointer
			}
			value, follow := onHeap(tt.value), onHeap(tt.follow)
			bounds := DefaultBounds()
			params := []Param{{Name: "v", Type: l.define(value.Type().Elem())}}
			resolver := remember(l)
			c := l.copyOf(value, params, bounds)
			capturer := Capturer{Types: l.types, Bounds: bounds, Memory: c, Resolver: resolver}
			outline, _ := capturer.Outline(params, []Extent{{0, int(value.Type().Elem().Size())}})
			template, ok := capturer.Template(outline, c.record, c.decisive())
			if !ok {
				t.Fatal("there is no template")
			}
			next := l.copyOf(follow, params, bounds)
			if got := template.Matches(next.record); got != tt.matches {
				t.Fatalf("matches: %t, want %t", got, tt.matches)
			}
			if !tt.matches {
				return
			}
			record, counts := template.Append(nil, next.record), template.Counts()
			if counts != (Counts{}) {
				t.Errorf("lost %+v", counts)
			}
			want, _, _ := l.capture(follow, bounds)
			d := ValueDecoder{Types: l.types, Bounds: bounds, FunctionName: func(id FunctionID) string { return l.functionName(id) }}
			if got := d.Values(params, record)[0]; got.String() != want.String() {
				t.Errorf("got %s, want %s", got.String(), want.String())
			}
		})
	}
}

// TestNoTemplate: what cannot be told from the bytes of a record alone has none.
func TestNoTemplate(t *testing.T) {
	type sparse struct { // read in two pieces
		A string
		_ [maxImage]byte
		B string
	}
	for _, tt := range []struct {
		name  string
		value reflect.Value
		lost  func(*copies)
	}{
		{"copies that are missing", reflect.ValueOf(&[]string{"a", "b"}), func(c *copies) { c.pieces = c.pieces[:1] }},
		{"a length that cannot be", reflect.ValueOf(&[]string{"a"}), func(c *copies) { c.record[15] = 0xff }},
		{"a type that nobody knows", reflect.ValueOf(&[]any{1}), nil},
		{"a function that nobody knows", reflect.ValueOf(&[]func() int{func() int { return 1 }}), nil},
		{"several pieces", reflect.ValueOf(&[]*sparse{{A: "a", B: "b"}}), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLive(t)
			bounds := DefaultBounds()
			params := []Param{{Name: "v", Type: l.define(tt.value.Type().Elem())}}
			c := l.copyOf(tt.value, params, bounds)
			if tt.lost != nil {
				tt.lost(c)
			}
			capturer := Capturer{Types: l.types, Bounds: bounds, Memory: c, Resolver: nobody{}}
			outline, _ := capturer.Outline(params, []Extent{{0, int(tt.value.Type().Elem().Size())}})
			if _, ok := capturer.Template(outline, c.record, c.decisive()); ok {
				t.Error("there is a template")
			}
		})
	}
}

// nobody is a resolver that knows nothing yet.
type nobody struct{}

func (nobody) DynamicType(uint64) TypeID    { return 0 }
func (nobody) ItabType(uint64) TypeID       { return 0 }
func (nobody) FunctionAt(uint64) FunctionID { return 0 }
