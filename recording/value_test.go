package recording

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

type (
	color   int
	label   string
	celsius float64
	point   struct{ X, Y int }
	shape   struct {
		point
		Name string
		tags []string
	}
	node struct {
		Value int
		Next  *node
	}
	wrapped struct{ p *point }
	codeErr struct{ Code int }
	valErr  struct{ What string }
	counter interface{ Count() int }
	blob    []byte
)

func (e *codeErr) Error() string { return "code " + strconv.Itoa(e.Code) }
func (e valErr) Error() string   { return e.What }
func (n *node) Count() int       { return n.Value }
func (c color) Count() int       { return int(c) }
func handler(int) string         { return "" }

// chain returns a list of n nodes.
func chain(n int) *node {
	var first *node
	for i := n; i > 0; i-- {
		first = &node{i, first}
	}
	return first
}

func boundsPanic(index int) (err error) {
	defer func() { err = recover().(error) }()
	_ = make([]int, 3)[index]
	return nil
}

// row is a value and how it is shown; capture keeps its static type.
type row struct {
	name  string
	value func(*live, Bounds) Value
	want  string
}

func is[T any](value T, want string) row {
	return row{
		reflect.TypeFor[T]().String() + " " + want,
		func(l *live, b Bounds) Value { return captureOf(l, value, b) }, want,
	}
}

func goRows() []row {
	loop := &node{Value: 1}
	loop.Next = loop
	nilNode := (*node)(nil)
	var nilErr *codeErr
	utc := time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	long := strings.Repeat("x", 100)
	return []row{
		is(true, "true"), is(42, "42"), is(int8(-8), "-8"), is(int16(-16), "-16"), is(int32(math.MinInt32), "-2147483648"),
		is(int64(math.MinInt64), "-9223372036854775808"), is(uint8(200), "200"), is(uint16(60000), "60000"),
		is(uint32(math.MaxUint32), "4294967295"), is(uint64(math.MaxUint64), "18446744073709551615"),
		is(uintptr(255), "0xff"), is('é', "233"), is(color(2), "recording.color(2)"),
		is(1.5, "1.5"), is(float32(0.1), "0.1"), is(1e100, "1e+100"), is(math.NaN(), "NaN"), is(math.Inf(-1), "-Inf"),
		is(math.Copysign(0, -1), "-0"), is(celsius(20), "recording.celsius(20)"),
		is(complex(1, 2), "(1+2i)"), is(complex64(complex(1, -0.1)), "(1-0.1i)"), is(complex(math.NaN(), math.Inf(1)), "(NaN+Infi)"),
		is("", `""`), is("a\"b\n\x1b[31m", `"a\"b\n\x1b[31m"`), is("\xff\xfe", `"\xff\xfe"`), is(label("x"), `recording.label("x")`),
		is(long, `"`+long[:64]+`"…+36`), is(strings.Repeat("é", 40)+"z", `"`+strings.Repeat("é", 32)+`"…+17`),
		is("x"+strings.Repeat("é", 40), `"x`+strings.Repeat("é", 31)+`"…+18`),
		is([]int(nil), "nil"), is([]int{}, "[]int{}"), is([]int{1, 2}, "[]int{1, 2}"),
		is([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, "[]int{1, 2, 3, 4, 5, 6, 7, 8, …+2}"),
		is([][]string{{"a"}, nil, {}}, `[][]string{[]string{"a"}, nil, []string{}}`),
		is([]byte("text\n"), `[]byte("text\n")`), is([]byte{1, 0xff}, "[]byte{0x1, 0xff}"), is([]byte(nil), "nil"),
		is([]byte{}, "[]byte{}"), is(json.RawMessage(`{"a":1}`), `json.RawMessage("{\"a\":1}")`), is(blob("x"), `recording.blob("x")`),
		is([]byte(long), `[]byte("`+long[:64]+`"…+36)`),
		is([3]int{1, 2, 3}, "[3]int{1, 2, 3}"), is([10]int8{9: 1}, "[10]int8{0, 0, 0, 0, 0, 0, 0, 0, …+2}"), is([0]int{}, "[0]int{}"),
		is([2]byte{'a', 'b'}, "[2]byte{0x61, 0x62}"), is([1][2]bool{{true}}, "[1][2]bool{[2]bool{true, false}}"),
		is(struct{}{}, "struct{}{}"), is(point{1, 2}, "recording.point{X: 1, Y: 2}"),
		is(shape{point{1, 2}, "n", []string{"t"}}, `recording.shape{point: recording.point{X: 1, Y: 2}, Name: "n", tags: []string{"t"}}`),
		is(struct {
			A int8
			B *int
		}{A: 1}, "struct { A int8; B *int }{A: 1, B: nil}"),
		is(&point{1, 2}, "&recording.point{X: 1, Y: 2}"), is(nilNode, "nil"), is(loop, fmt.Sprintf("&recording.node{Value: 1, Next: (*recording.node)(%p)}", loop)),
		is(new(int), "&0"), is(new([]int), "&[]int(nil)"), is(new(error), "&error(nil)"), is(&[]int{1}, "&[]int{1}"),
		is(new(*int), "&(*int)(nil)"),
		is(map[string]int{"a": 1, "b": 2, "c": 3}, "map[string]int(len 3)"), is(map[string]int(nil), "nil"), is(map[int]bool{}, "map[int]bool(len 0)"),
		is(make(chan int, 4), "chan int(len 0, cap 4)"), is((<-chan int)(nil), "nil"), is(make(<-chan int), "<-chan int(len 0, cap 0)"),
		is(handler, "func smiley/recording.handler"), is((func())(nil), "nil"), is(new(node).Count, "func smiley/recording.(*node).Count-fm"),
		is(unsafe.Pointer(nil), "nil"), is(unsafe.Pointer(loop), fmt.Sprintf("unsafe.Pointer(%p)", loop)),
		is(1500*time.Millisecond, "1.5s"), is(utc, `time.Time("2026-02-03T04:05:06.000000789Z")`), is(time.Time{}, `time.Time("0001-01-01T00:00:00Z")`),
		is(any(nil), "nil"), is(any(42), "any(42)"), is(any(int64(42)), "any(int64(42))"), is(any("x"), `any("x")`),
		is(any(1.5), "any(1.5)"), is(any(2.0), "any(float64(2))"), is(any(color(2)), "any(recording.color(2))"),
		is(any(time.Second), "any(time.Duration(1s))"), is(any(point{1, 2}), "any(recording.point{X: 1, Y: 2})"),
		is(any(&point{1, 2}), "any(&recording.point{X: 1, Y: 2})"), is(any(nilNode), "any((*recording.node)(nil))"),
		is(any([]int(nil)), "any([]int(nil))"), is(any(map[string]int(nil)), "any(map[string]int(nil))"), is(any((chan int)(nil)), "any((chan int)(nil))"),
		is(any((func())(nil)), "any((func())(nil))"), is(any(wrapped{&point{1, 2}}), "any(recording.wrapped{p: &recording.point{X: 1, Y: 2}})"),
		is(any(wrapped{}), "any(recording.wrapped{p: nil})"), is(any([1]*int{}), "any([1]*int{nil})"), is(any(struct{}{}), "any(struct{}{})"),
		is([]any{1, "x", nil, true}, `[]any{any(1), any("x"), nil, any(true)}`), is(any(handler), "any(func smiley/recording.handler)"),
		is(counter(color(3)), "recording.counter(recording.color(3))"), is(counter(&node{Value: 1}), "recording.counter(&recording.node{Value: 1, Next: nil})"),
		is(chain(3), fmt.Sprintf("&recording.node{Value: 1, Next: (*recording.node)(0x%x)}", 0xbad)),
		is(io.Reader(nil), "nil"),
		is(error(nil), "nil"), is(errors.New("no such key"), `error(*errors.errorString: "no such key")`),
		is(error(&codeErr{3}), "error(*recording.codeErr: &recording.codeErr{Code: 3})"), is(error(nilErr), "error(*recording.codeErr: nil)"),
		is(error(valErr{"w"}), `error(recording.valErr: recording.valErr{What: "w"})`),
		is(any(errors.New("x")), `any(*errors.errorString: "x")`),
		is(errors.New(strings.Repeat("e", 300)), `error(*errors.errorString: "`+strings.Repeat("e", 256)+`"…+44)`),
	}
}

func TestGoSyntax(t *testing.T) {
	l := newLive(t)
	for _, r := range goRows() {
		t.Run(r.name, func(t *testing.T) {
			v := r.value(l, DefaultBounds())
			got := v.String()
			if strings.Contains(r.want, "0xbad") { // an address that is known only by capturing it
				next := v.Children[0].Children[1]
				if !next.NotShown || next.Bits == 0 {
					t.Fatalf("the pointer beyond the bounds is %+v", next)
				}
				got = strings.Replace(got, fmt.Sprintf("%#x", next.Bits), "0xbad", 1)
			}
			if got != r.want {
				t.Errorf("got  %s\nwant %s", got, r.want)
			}
			if text, err := json.Marshal(v); err != nil || !json.Valid(text) {
				t.Errorf("JSON %s: %v", text, err)
			}
		})
	}
}

// TestErrorMessages compares the messages of errors with what Error returns.
func TestErrorMessages(t *testing.T) {
	_, pathErr := os.Open("does/not/exist")
	_, numErr := strconv.Atoi("4x2")
	_, rangeErr := strconv.ParseInt("99999999999999999999", 10, 8)
	syntaxErr := json.Unmarshal([]byte("{"), &struct{}{})
	errs := []error{
		errors.New(""), errors.New("tab\t"), fmt.Errorf("plain %d", 1), fmt.Errorf("outer: %w", io.EOF),
		fmt.Errorf("two: %w, %w", io.EOF, io.ErrUnexpectedEOF), errors.Join(io.EOF, fmt.Errorf("b: %w", fs.ErrNotExist)),
		pathErr, &fs.PathError{Op: "read", Path: "f", Err: &fs.PathError{Op: "open", Path: "g", Err: errors.New("deep")}},
		os.NewSyscallError("fork", syscall.EAGAIN), &os.LinkError{Op: "link", Old: "a", New: "b", Err: syscall.EXDEV},
		numErr, rangeErr, syntaxErr, context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, net.ErrClosed,
		boundsPanic(5), boundsPanic(-1), &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
		&net.DNSError{Err: "no such host", Name: "h", Server: "s"}, syscall.Errno(9999), ^syscall.Errno(0),
	}
	for errno := range syscall.Errno(140) {
		errs = append(errs, errno)
	}
	l := newLive(t)
	for _, follow := range []int{0, 1, 3} {
		bounds := DefaultBounds()
		bounds.Follow = follow
		for _, err := range errs {
			v := captureOf(l, err, bounds)
			if v.Nil || len(v.Children) != 1 || !v.Children[0].HasMessage || v.Children[0].Message != err.Error() {
				t.Errorf("follow %d: %T %q is shown as %s", follow, err, err, v.String())
			}
		}
	}
	worded := error(&runtime.PanicNilError{}) // in other words by other versions of Go
	if v := captureOf(l, worded, DefaultBounds()); v.Children[0].HasMessage && v.Children[0].Message != worded.Error() {
		t.Errorf("%q is shown as %s", worded, v.String())
	}
}

// TestErrorMessageCut covers a part of a message that was longer than the bound.
func TestErrorMessageCut(t *testing.T) {
	l := newLive(t)
	long := strings.Repeat("p", 300)
	err := error(&fs.PathError{Op: "open", Path: long, Err: syscall.ENOENT})
	want := `error(*fs.PathError: "open ` + long[:256] + `…+44: no such file or directory")`
	if v := captureOf(l, err, DefaultBounds()); v.String() != want {
		t.Errorf("got  %s\nwant %s", v.String(), want)
	}
}

// TestErrorChain covers a chain of errors that is longer than anyone follows.
func TestErrorChain(t *testing.T) {
	l := newLive(t)
	err := errors.New("end")
	for range 20 {
		err = &fs.PathError{Op: "o", Path: "p", Err: err}
	}
	v := captureOf(l, err, DefaultBounds())
	depth, unknown := 0, false
	for at := &v; ; depth++ {
		if len(at.Children) == 0 || at.NotShown || at.Children[0].NotShown {
			unknown = at.Children[0].NotShown
			break
		}
		at = at.Children[0].Children[0].field("Err")
	}
	if depth != 4 || !unknown || v.Children[0].HasMessage {
		t.Errorf("followed %d errors: %s", depth, v.String())
	}
}
