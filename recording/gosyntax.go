package recording

import (
	"math"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// AppendGo appends the value in Go syntax as the JSON contract has it (docs/reference/capture.md lists the forms). What
// the program wrote is always quoted; nothing that moves a cursor gets through.
func (v *Value) AppendGo(dst []byte) []byte { return v.appendGo(dst, false) }

// appendGo is AppendGo; typed asks for a form that shows the type where the value alone would not.
func (v *Value) appendGo(dst []byte, typed bool) []byte {
	if v.Unreadable != "" {
		return append(appendPrintable(append(dst, "<unreadable: "...), v.Unreadable), '>')
	}
	if v.Nil {
		return v.appendNil(dst, typed)
	}
	switch v.Kind {
	case KindString:
		return v.appendConverted(dst, typed, (*Value).appendText)
	case KindSlice, KindArray:
		return v.appendList(dst)
	case KindStruct:
		return v.appendStruct(dst)
	case KindPointer:
		if len(v.Children) == 1 {
			child := &v.Children[0]
			return child.appendGo(append(dst, '&'), typed || child.Nil)
		}
		return v.appendAddress(dst)
	case KindInterface:
		return v.appendInterface(dst)
	case KindMap:
		dst = append(v.appendType(dst), "(len "...)
		return append(strconv.AppendUint(dst, v.Len, 10), ')')
	case KindChan:
		dst = append(v.appendType(dst), "(len "...)
		dst = append(strconv.AppendUint(dst, v.Len, 10), ", cap "...)
		return append(strconv.AppendUint(dst, v.Cap, 10), ')')
	case KindFunc:
		if v.Text != "" {
			return appendPrintable(append(dst, "func "...), v.Text)
		}
		return v.appendAddress(dst)
	case KindUnsafePointer:
		return v.appendAddress(dst)
	}
	return v.appendConverted(dst, typed, (*Value).appendScalar)
}

// appendNil appends nil, converted to the type where typed.
func (v *Value) appendNil(dst []byte, typed bool) []byte {
	if !typed {
		return append(dst, "nil"...)
	}
	switch v.Kind {
	case KindPointer, KindChan, KindFunc:
		dst = append(v.appendType(append(dst, '(')), ')')
	default:
		dst = v.appendType(dst)
	}
	return append(dst, "(nil)"...)
}

// appendAddress appends a pointer that is not followed.
func (v *Value) appendAddress(dst []byte) []byte {
	if v.Kind == KindUnsafePointer {
		dst = v.appendType(dst)
	} else {
		dst = append(v.appendType(append(dst, '(')), ')')
	}
	dst = strconv.AppendUint(append(dst, "(0x"...), v.Bits, 16)
	return append(dst, ')')
}

// appendConverted appends what form makes of a value of a basic kind, in a conversion where its type is not the one that
// the form alone would have.
func (v *Value) appendConverted(dst []byte, typed bool, form func(*Value, []byte) []byte) []byte {
	named := v.TypeName != builtinNames[v.Kind] && v.special != specialDuration
	if !named && (!typed || v.isDefaultKind()) {
		return form(v, dst)
	}
	return append(form(v, append(v.appendType(dst), '(')), ')')
}

// isDefaultKind reports whether a constant that looks like v would get the type of v.
func (v *Value) isDefaultKind() bool {
	switch v.Kind {
	case KindFloat64:
		f := math.Float64frombits(v.Bits)
		return f != math.Trunc(f) || math.Abs(f) >= 1e21
	case KindInt64:
		return false // a duration included
	}
	return v.Kind == KindBool || v.Kind == KindInt || v.Kind == KindString || v.Kind == KindComplex128
}

func (v *Value) appendScalar(dst []byte) []byte {
	switch v.Kind {
	case KindBool:
		return strconv.AppendBool(dst, v.Bits != 0)
	case KindUintptr:
		return strconv.AppendUint(append(dst, "0x"...), v.Bits, 16)
	case KindUint, KindUint8, KindUint16, KindUint32, KindUint64:
		return strconv.AppendUint(dst, v.Bits, 10)
	case KindFloat32:
		return appendFloat(dst, math.Float64frombits(v.Bits), 32)
	case KindFloat64:
		return appendFloat(dst, math.Float64frombits(v.Bits), 64)
	case KindComplex64:
		return appendComplex(dst, v.Complex, 32)
	case KindComplex128:
		return appendComplex(dst, v.Complex, 64)
	}
	if v.special == specialDuration {
		return append(dst, time.Duration(v.Bits).String()...)
	}
	return strconv.AppendInt(dst, int64(v.Bits), 10)
}

// appendFloat appends f as fmt's %v does.
func appendFloat(dst []byte, f float64, bits int) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

func appendComplex(dst []byte, c complex128, bits int) []byte {
	dst = appendFloat(append(dst, '('), real(c), bits)
	if i := imag(c); !math.Signbit(i) && !math.IsInf(i, 1) || math.IsNaN(i) {
		dst = append(dst, '+')
	}
	return append(appendFloat(dst, imag(c), bits), "i)"...)
}

// shownText returns the captured text without a rune that the bound cut in the middle.
func (v *Value) shownText() string {
	if !v.Truncated {
		return v.Text
	}
	for n := 1; n < utf8.UTFMax && n <= len(v.Text); n++ {
		if tail := v.Text[len(v.Text)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				return v.Text[:len(v.Text)-n]
			}
			break
		}
	}
	return v.Text
}

// appendText appends a string in quotes and how many bytes of it are missing.
func (v *Value) appendText(dst []byte) []byte {
	text := v.shownText()
	dst = strconv.AppendQuote(dst, text)
	return appendMore(dst, v.Len-uint64(len(text)), "")
}

// appendMore appends how much is missing.
func appendMore(dst []byte, missing uint64, separator string) []byte {
	if missing == 0 {
		return dst
	}
	return strconv.AppendUint(append(append(dst, separator...), "…+"...), missing, 10)
}

func (v *Value) appendList(dst []byte) []byte {
	dst = v.appendType(dst)
	if v.Bytes {
		return v.appendBytes(dst)
	}
	dst = append(dst, '{')
	for i := range v.Children {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = v.Children[i].appendGo(dst, false)
	}
	return append(v.appendRest(dst, len(v.Children)), '}')
}

// appendRest appends how many parts behind the n shown are missing.
func (v *Value) appendRest(dst []byte, n int) []byte {
	separator := ""
	if n > 0 {
		separator = ", "
	}
	return appendMore(dst, v.Len-uint64(n), separator)
}

// appendBytes appends bytes as text when they are one, else as a list.
func (v *Value) appendBytes(dst []byte) []byte {
	if v.Kind == KindSlice && v.Text != "" && isText(v.shownText()) {
		return append(v.appendText(append(dst, '(')), ')')
	}
	dst = append(dst, '{')
	for i := range len(v.Text) {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = strconv.AppendUint(append(dst, "0x"...), uint64(v.Text[i]), 16)
	}
	return append(v.appendRest(dst, len(v.Text)), '}')
}

// isText reports whether s reads as text: valid UTF-8, printable or white space.
func isText(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
	}
	return true
}

func (v *Value) appendStruct(dst []byte) []byte {
	if t, ok := v.time(); ok {
		dst = append(v.appendType(dst), `("`...)
		return append(t.AppendFormat(dst, time.RFC3339Nano), `")`...)
	}
	dst = append(v.appendType(dst), '{')
	for i := range v.Children {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendPrintable(dst, v.Children[i].Name), ": "...)
		dst = v.Children[i].appendGo(dst, false)
	}
	return append(v.appendRest(dst, len(v.Children)), '}')
}

// time returns the instant that a time.Time holds, in UTC: its location lies behind a pointer.
func (v *Value) time() (time.Time, bool) {
	wall, ext := v.field("wall"), v.field("ext")
	if v.special != specialTime || wall == nil || ext == nil || wall.Unreadable+ext.Unreadable != "" {
		return time.Time{}, false
	}
	const (
		hasMonotonic   = 1 << 63
		from1to1970    = 62135596800 // seconds
		from1to1885    = 59453308800
		nanosecondMask = 1<<30 - 1
	)
	seconds := int64(ext.Bits)
	if wall.Bits&hasMonotonic != 0 {
		seconds = from1to1885 + int64(wall.Bits<<1>>31)
	}
	return time.Unix(seconds-from1to1970, int64(wall.Bits&nanosecondMask)).UTC(), true
}

// appendInterface appends an interface as a conversion of its dynamic value: any(42), io.Reader(&bytes.Buffer{…}),
// error(*errors.errorString: "no such key").
func (v *Value) appendInterface(dst []byte) []byte {
	dst = append(v.appendType(dst), '(')
	if len(v.Children) != 1 {
		return append(dst, "…)"...)
	}
	child := &v.Children[0]
	isError := v.TypeName == "error"
	switch {
	case child.Unreadable != "":
		dst = child.appendGo(dst, false)
	case child.HasMessage:
		dst = append(child.appendType(dst), ": "...)
		dst = appendMore(strconv.AppendQuote(dst, child.Message), child.MessageCut, "")
	case v.NotShown && isError:
		dst = append(child.appendType(dst), ": …"...)
	case v.NotShown:
		dst = append(child.appendType(dst), "(…)"...)
	case isError:
		dst = child.appendGo(append(child.appendType(dst), ": "...), false)
	default:
		dst = child.appendGo(dst, true)
	}
	return append(dst, ')')
}

func (v *Value) appendType(dst []byte) []byte {
	if v.Bytes {
		if n := len(v.TypeName) - len("uint8"); n >= 2 && v.TypeName[n-1:] == "]uint8" {
			return append(appendPrintable(dst, v.TypeName[:n]), "byte"...)
		}
	}
	return appendPrintable(dst, v.TypeName)
}

// appendPrintable appends a name; what is not printable in it is escaped.
func appendPrintable(dst []byte, s string) []byte {
	for i, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			quoted := strconv.Quote(s[i:])
			return append(dst, quoted[1:len(quoted)-1]...)
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
