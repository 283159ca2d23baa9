package recording

import (
	"fmt"
	"strconv"
	"strings"
)

// findMessages sets the message of every value in v, v included, that is an error of a known type.
func (s *decoding) findMessages(v *Value) {
	for i := range v.Children {
		s.findMessages(&v.Children[i])
	}
	if v.Unreadable != "" || v.Nil {
		return
	}
	target, prefix := v, ""
	if v.Kind == KindPointer {
		if len(v.Children) != 1 || v.Children[0].Unreadable != "" {
			return
		}
		target, prefix = &v.Children[0], "*"
	}
	t, ok := s.d.layouts.types.Get(target.Type)
	if !ok || t.Package == "" {
		return
	}
	format, ok := errorFormats[prefix+t.Package+t.Name[max(strings.LastIndexByte(t.Name, '.'), 0):]]
	if !ok {
		return
	}
	m := message{known: true}
	format(&m, target)
	if m.known {
		v.Message, v.MessageCut, v.HasMessage = m.text.String(), m.cut, true
	}
}

// message puts an error's message together. known is false as soon as a part of it is not.
type message struct {
	text  strings.Builder
	cut   uint64 // bytes missing at the end so far
	known bool
}

// add appends a text that is known. Bytes missing before it can only be counted in its midst.
func (m *message) add(text string) *message {
	if m.cut > 0 && text != "" {
		fmt.Fprintf(&m.text, "…+%d", m.cut)
		m.cut = 0
	}
	m.text.WriteString(text)
	return m
}

// field appends the text of a string, number or error in the field of a struct.
func (m *message) field(v *Value, name string) *message {
	if f := v.field(name); f != nil {
		return m.value(f)
	}
	m.known = false
	return m
}

// value appends the text of a string, integer or error.
func (m *message) value(v *Value) *message {
	switch {
	case v.Unreadable != "":
		m.known = false
	case v.Kind == KindString:
		text := v.shownText()
		m.add(text)
		m.cut = v.Len - uint64(len(text))
	case v.Kind == KindInterface && len(v.Children) == 1 && v.Children[0].HasMessage:
		m.add(v.Children[0].Message)
		m.cut = v.Children[0].MessageCut
	case v.Kind >= KindInt && v.Kind <= KindInt64:
		m.add(strconv.FormatInt(int64(v.Bits), 10))
	default:
		m.known = false
	}
	return m
}

// quoted appends a string in quotes.
func (m *message) quoted(v *Value, name string) *message {
	f := v.field(name)
	if f == nil || f.Unreadable != "" || f.Kind != KindString {
		m.known = false
		return m
	}
	text := f.shownText()
	m.add(strconv.Quote(text))
	m.cut = f.Len - uint64(len(text))
	return m
}

// field returns the field of a struct by its name; nil when it is not there or the struct was cut before it.
func (v *Value) field(name string) *Value {
	if v.Kind != KindStruct || v.Unreadable != "" {
		return nil
	}
	for i := range v.Children {
		if v.Children[i].Name == name {
			return &v.Children[i]
		}
	}
	return nil
}

// isNil reports whether the field is there and nil.
func (v *Value) isNil(name string) bool {
	f := v.field(name)
	return f != nil && f.Unreadable == "" && f.Nil
}

// errorFormats say what Error returns, by the import path and name of the type whose method it is.
var errorFormats = map[string]func(*message, *Value){
	"*errors.errorString": func(m *message, v *Value) { m.field(v, "s") },
	"*errors.joinError":   joinMessage,
	"*fmt.wrapError":      func(m *message, v *Value) { m.field(v, "msg") },
	"*fmt.wrapErrors":     func(m *message, v *Value) { m.field(v, "msg") },
	"*io/fs.PathError": func(m *message, v *Value) {
		m.field(v, "Op").add(" ").field(v, "Path").add(": ").field(v, "Err")
	},
	"*os.SyscallError": func(m *message, v *Value) { m.field(v, "Syscall").add(": ").field(v, "Err") },
	"*os.LinkError": func(m *message, v *Value) {
		m.field(v, "Op").add(" ").field(v, "Old").add(" ").field(v, "New").add(": ").field(v, "Err")
	},
	"*os/exec.Error": func(m *message, v *Value) { m.add("exec: ").quoted(v, "Name").add(": ").field(v, "Err") },
	"syscall.Errno":  errnoMessage,
	"*strconv.NumError": func(m *message, v *Value) {
		m.add("strconv.").field(v, "Func").add(": parsing ").quoted(v, "Num").add(": ").field(v, "Err")
	},
	"*net/url.Error":                       func(m *message, v *Value) { m.field(v, "Op").add(" ").quoted(v, "URL").add(": ").field(v, "Err") },
	"*net.OpError":                         opMessage,
	"*net.DNSError":                        dnsMessage,
	"*encoding/json.SyntaxError":           func(m *message, v *Value) { m.field(v, "msg") },
	"context.deadlineExceededError":        func(m *message, _ *Value) { m.add("context deadline exceeded") },
	"*internal/poll.DeadlineExceededError": func(m *message, _ *Value) { m.add("i/o timeout") },
	"internal/poll.errNetClosing":          func(m *message, _ *Value) { m.add("use of closed network connection") },
	"runtime.errorString":                  func(m *message, v *Value) { m.add("runtime error: ").value(v) },
	"runtime.plainError":                   func(m *message, v *Value) { m.value(v) },
	"runtime.errorAddressString":           func(m *message, v *Value) { m.add("runtime error: ").field(v, "msg") },
	"runtime.boundsError":                  boundsMessage,
}

func joinMessage(m *message, v *Value) {
	errs := v.field("errs")
	if errs == nil || errs.Unreadable != "" || errs.Truncated {
		m.known = false
		return
	}
	for i := range errs.Children {
		if i > 0 {
			m.add("\n")
		}
		m.value(&errs.Children[i])
	}
}

func errnoMessage(m *message, v *Value) {
	if v.Bits < uint64(len(errnoTexts)) && errnoTexts[v.Bits] != "" {
		m.add(errnoTexts[v.Bits])
		return
	}
	m.add("errno ").add(strconv.FormatInt(int64(v.Bits), 10))
}

func opMessage(m *message, v *Value) {
	if !v.isNil("Source") || !v.isNil("Addr") {
		m.known = false // addresses format themselves in too many ways
		return
	}
	m.field(v, "Op")
	if network := v.field("Net"); network != nil && network.Unreadable == "" && network.Len > 0 {
		m.add(" ").value(network)
	}
	m.add(": ").field(v, "Err")
}

func dnsMessage(m *message, v *Value) {
	m.add("lookup ").field(v, "Name")
	if server := v.field("Server"); server != nil && server.Unreadable == "" && server.Len > 0 {
		m.add(" on ").value(server)
	}
	m.add(": ").field(v, "Err")
}

// boundsMessage follows the runtime's tables of what can be out of range; %x is the index, %y the bound.
func boundsMessage(m *message, v *Value) {
	x, y, signed, code := v.field("x"), v.field("y"), v.field("signed"), v.field("code")
	if x == nil || y == nil || signed == nil || code == nil || code.Bits >= uint64(len(boundsTexts)) {
		m.known = false
		return
	}
	text, index := boundsTexts[code.Bits], strconv.FormatUint(x.Bits, 10)
	if signed.Bits != 0 {
		index = strconv.FormatInt(int64(x.Bits), 10)
		if int64(x.Bits) < 0 && negativeTexts[code.Bits] != "" {
			text = negativeTexts[code.Bits]
		}
	}
	text = strings.Replace(text, "%x", index, 1)
	m.add("runtime error: ").add(strings.Replace(text, "%y", strconv.FormatUint(y.Bits, 10), 1))
}

var boundsTexts = [...]string{
	"index out of range [%x] with length %y",
	"slice bounds out of range [:%x] with length %y",
	"slice bounds out of range [:%x] with capacity %y",
	"slice bounds out of range [%x:%y]",
	"slice bounds out of range [::%x] with length %y",
	"slice bounds out of range [::%x] with capacity %y",
	"slice bounds out of range [:%x:%y]",
	"slice bounds out of range [%x:%y:]",
	"cannot convert slice with length %y to array or pointer to array with length %x",
}

// negativeTexts are those for indexes below zero; "" where there is no other.
var negativeTexts = [len(boundsTexts)]string{
	"index out of range [%x]",
	"slice bounds out of range [:%x]",
	"slice bounds out of range [:%x]",
	"slice bounds out of range [%x:]",
	"slice bounds out of range [::%x]",
	"slice bounds out of range [::%x]",
	"slice bounds out of range [:%x:]",
	"slice bounds out of range [%x::]",
}
