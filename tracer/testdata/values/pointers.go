package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unsafe"
)

type shape interface{ Area() int }

func (p point) Area() int { return p.X * p.Y }

func (n *node) Area() int { return n.Value }

//go:noinline
func kPtr(v *point) *point { work(); return v }

//go:noinline
func kPtrInt(v *int) *int { work(); return v }

//go:noinline
func kPtrPtr(v **int) **int { work(); return v }

//go:noinline
func kPtrSlice(v *[]string) *[]string { work(); return v }

//go:noinline
func kNode(v *node) *node { work(); return v }

//go:noinline
func kUnsafe(v unsafe.Pointer) unsafe.Pointer { work(); return v }

type address unsafe.Pointer

//go:noinline
func kAddress(v address) address { work(); return v }

//go:noinline
func kMap(v map[string]int) map[string]int { work(); return v }

//go:noinline
func kMapStruct(v map[point][]string) map[point][]string { work(); return v }

//go:noinline
func kChan(v chan int) chan int { work(); return v }

//go:noinline
func kReceive(v <-chan string) <-chan string { work(); return v }

//go:noinline
func kSend(v chan<- empty) chan<- empty { work(); return v }

func pointers() {
	same("kPtr", "&main.point{X: 5, Y: 6}")
	kPtr(&point{5, 6})
	same("kPtr", "nil")
	kPtr(nil)
	n := 3
	p := &n
	same("kPtrInt", "&3")
	kPtrInt(p)
	same("kPtrPtr", fmt.Sprintf("&(*int)(%p)", p))
	kPtrPtr(&p)
	same("kPtrSlice", `&[]string{"x"}`)
	kPtrSlice(&[]string{"x"})
	second := &node{2, nil}
	same("kNode", fmt.Sprintf("&main.node{Value: 1, Next: (*main.node)(%p)}", second))
	kNode(&node{1, second})
	loop := &node{Value: 1}
	loop.Next = loop
	same("kNode", fmt.Sprintf("&main.node{Value: 1, Next: (*main.node)(%p)}", loop))
	kNode(loop)
	same("kUnsafe", fmt.Sprintf("unsafe.Pointer(%p)", loop))
	kUnsafe(unsafe.Pointer(loop))
	same("kUnsafe", "nil")
	kUnsafe(nil)
	same("kAddress", fmt.Sprintf("main.address(%p)", loop))
	kAddress(address(unsafe.Pointer(loop)))
	same("kMap", "map[string]int(len 2)")
	kMap(map[string]int{"a": 1, "b": 2})
	big := map[string]int{}
	for i := range 1000 {
		big[fmt.Sprint(i)] = i
	}
	same("kMap", "map[string]int(len 1000)")
	kMap(big)
	same("kMap", "nil")
	kMap(nil)
	same("kMapStruct", "map[main.point][]string(len 1)")
	kMapStruct(map[point][]string{{1, 2}: nil})
	c := make(chan int, 4)
	c <- 1
	same("kChan", "chan int(len 1, cap 4)")
	kChan(c)
	same("kChan", "nil")
	kChan(nil)
	same("kReceive", "<-chan string(len 0, cap 0)")
	kReceive(make(chan string))
	same("kSend", "chan<- main.empty(len 0, cap 1)")
	kSend(make(chan empty, 1))
}

//go:noinline
func kAny(v any) any { work(); return v }

//go:noinline
func kShape(v shape) shape { work(); return v }

//go:noinline
func kReader(v io.Reader) io.Reader { work(); return v }

//go:noinline
func kStringer(v fmt.Stringer) fmt.Stringer { work(); return v }

//go:noinline
func kLiteral(v interface{ Len() int }) interface{ Len() int } { work(); return v }

//go:noinline
func kAnys(v []any) []any { work(); return v }

func interfaces() {
	for _, c := range []struct {
		value any
		shown string
	}{
		{nil, "nil"},
		{42, "any(42)"},
		{int64(42), "any(int64(42))"},
		{"text", `any("text")`},
		{true, "any(true)"},
		{1.5, "any(1.5)"},
		{color(2), "any(main.color(2))"},
		{point{1, 2}, "any(main.point{X: 1, Y: 2})"},
		{&point{1, 2}, "any(&main.point{X: 1, Y: 2})"},
		{(*point)(nil), "any((*main.point)(nil))"},
		{[]int{1}, "any([]int{1})"},
		{map[string]int{}, "any(map[string]int(len 0))"},
		{empty{}, "any(main.empty{})"},
		{[1]*point{}, "any([1]*main.point{nil})"},
		{struct{ P *int }{}, "any(struct { P *int }{P: nil})"},
		{kInt, "any(func main.kInt)"},
		{uint8(3), "any(uint8(3))"},
		{[]any{1, nil}, "any([]any{any(1), nil})"},
		{large{Name: "l"}, `any(main.large{A: 0, B: 0, C: 0, D: 0, E: 0, Name: "l", X: 0, Y: 0, Z: 0, W: 0, Last: [2]bool{false, false}})`},
	} {
		same("kAny", c.shown)
		kAny(c.value)
	}
	same("kShape", "main.shape(main.point{X: 2, Y: 3})")
	kShape(point{2, 3})
	same("kShape", "main.shape(&main.node{Value: 1, Next: nil})")
	kShape(&node{1, nil})
	same("kShape", "main.shape((*main.node)(nil))")
	kShape((*node)(nil))
	same("kShape", "nil")
	kShape(nil)
	same("kReader", `io.Reader(&strings.Reader{s: "abc", i: 0, prevRune: -1})`)
	kReader(strings.NewReader("abc"))
	same("kReader", `io.Reader(&bytes.Buffer{buf: []byte("buf"), off: 0, lastRead: bytes.readOp(0)})`)
	kReader(bytes.NewBufferString("buf"))
	same("kStringer", "nil")
	kStringer(nil)
	same("kLiteral", `interface { Len() int }(&strings.Reader{s: "x", i: 0, prevRune: -1})`)
	kLiteral(strings.NewReader("x"))
	same("kAnys", `[]any{any("a"), any(uint(7)), nil}`)
	kAnys([]any{"a", uint(7), nil})
}
