package recording

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// valueJSON is the JSON form of a Value. It only grows.
type valueJSON struct {
	Name       string  `json:"name,omitempty"`
	Type       string  `json:"type"`
	Kind       string  `json:"kind"`
	Unreadable string  `json:"unreadable,omitempty"`
	Nil        bool    `json:"nil,omitempty"`
	Value      any     `json:"value,omitempty"`
	Raw        []byte  `json:"raw,omitempty"` // base64: text that is not valid UTF-8, and bytes
	Address    string  `json:"address,omitempty"`
	Len        *uint64 `json:"len,omitempty"`
	Cap        *uint64 `json:"cap,omitempty"`
	Truncated  bool    `json:"truncated,omitempty"`
	NotShown   bool    `json:"not_shown,omitempty"`
	Cyclic     bool    `json:"cyclic,omitempty"`
	Message    *string `json:"message,omitempty"`
	MessageCut uint64  `json:"message_cut,omitempty"`
	Children   []Value `json:"children,omitempty"`
}

// MarshalJSON returns the value as a tree of objects (docs/reference/capture.md). Numbers that a float64 cannot hold are
// strings; what is unknown has no value.
func (v Value) MarshalJSON() ([]byte, error) {
	j := valueJSON{Name: v.Name, Type: v.TypeName, Kind: v.Kind.String(), Unreadable: v.Unreadable}
	if v.Unreadable != "" {
		return json.Marshal(j)
	}
	j.Nil, j.Truncated, j.NotShown, j.Cyclic, j.Children = v.Nil, v.Truncated, v.NotShown, v.Cyclic, v.Children
	if v.HasMessage {
		j.Message, j.MessageCut = &v.Message, v.MessageCut
	}
	if v.Nil {
		return json.Marshal(j)
	}
	switch v.Kind {
	case KindString, KindSlice, KindArray:
		j.Len = &v.Len
		if v.Kind == KindSlice {
			j.Cap = &v.Cap
		}
		j.text(&v)
	case KindMap:
		j.Len, j.Address = &v.Len, address(v.Bits)
	case KindChan:
		j.Len, j.Cap, j.Address = &v.Len, &v.Cap, address(v.Bits)
	case KindPointer, KindUnsafePointer:
		j.Address = address(v.Bits)
	case KindFunc:
		j.Address = address(v.Bits)
		if v.Text != "" {
			j.Value = v.Text
		}
	case KindStruct:
		if v.Truncated {
			j.Len = &v.Len
		}
		if _, ok := v.time(); ok {
			j.Value = v.String()
		}
	case KindInterface:
	default:
		j.Value = v.scalarJSON()
	}
	return json.Marshal(j)
}

// text adds the text of a string or of bytes.
func (j *valueJSON) text(v *Value) {
	switch {
	case v.Bytes:
		j.Raw = []byte(v.Text)
	case v.Kind == KindString:
		text := v.shownText()
		j.Value = text
		if !utf8.ValidString(text) {
			j.Raw = []byte(v.Text)
		}
	}
}

func address(a uint64) string { return fmt.Sprintf("%#x", a) }

// scalarJSON returns a number as a number where JavaScript keeps it.
func (v *Value) scalarJSON() any {
	const exact = 1 << 53
	switch v.Kind {
	case KindBool:
		return v.Bits != 0
	case KindFloat32, KindFloat64:
		if f := math.Float64frombits(v.Bits); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	case KindUint, KindUint8, KindUint16, KindUint32, KindUint64:
		if v.Bits <= exact {
			return v.Bits
		}
		return strconv.FormatUint(v.Bits, 10)
	case KindInt, KindInt8, KindInt16, KindInt32, KindInt64:
		if i := int64(v.Bits); i >= -exact && i <= exact && v.special == 0 {
			return i
		} else if v.special == 0 {
			return strconv.FormatInt(i, 10)
		}
	}
	return string(v.appendScalar(nil))
}
