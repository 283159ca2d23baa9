package tracer

import (
	"path"
	"strings"
)

// typeName turns DWARF's name of a type, which has whole import paths, into the one that Go code outside the type's package
// writes, and says which package a named type belongs to.
func (d *debugInfo) typeName(full string) (name, pkg string) {
	full = strings.TrimPrefix(full, "noalg.")
	shape := strings.HasPrefix(full, "go.shape.")
	name = d.shorten(full)
	if !shape && isNamed(full) {
		pkg = packageOf(full)
	}
	return name, pkg
}

// pointerShape is the type that stands for all pointers where type arguments were merged: what they lead to is not known, and it is hardly
// ever a byte.
const pointerShape = "go.shape.*uint8"

// isNamed reports whether a type has a name of its own, to judge by how it is written.
func isNamed(full string) bool {
	for _, literal := range []string{"*", "[", "map[", "chan ", "chan<-", "<-chan", "func(", "struct {", "interface {"} {
		if strings.HasPrefix(full, literal) {
			return false
		}
	}
	return full != "unsafe.Pointer"
}

// shorten replaces import paths by package names, shapes by what they are shapes of, and writes empty types as people do.
func (d *debugInfo) shorten(full string) string {
	var b strings.Builder
	for i := 0; i < len(full); {
		switch c := full[i]; {
		case c == '"' || c == '`': // a field's tag
			end := stringEnd(full, i)
			b.WriteString(full[i:end])
			i = end
		case c == '[' && i > 0 && isWord(full[i-1]) && !strings.HasSuffix(full[:i], "map"):
			end := bracketEnd(full, i)
			if strings.Contains(full[i:end], "go.shape.") {
				b.WriteString("[...]")
			} else {
				b.WriteString("[" + d.shorten(strings.TrimSuffix(full[i+1:end], "]")) + "]")
			}
			i = end
		case strings.HasPrefix(full[i:], pointerShape):
			b.WriteString("unsafe.Pointer")
			i += len(pointerShape)
		case isWord(c):
			end := i
			for end < len(full) && isWord(full[end]) {
				end++
			}
			if isField(full, i, end) {
				i += strings.LastIndexByte(full[i:end], '.') + 1
				b.WriteString(full[i:end])
			} else {
				b.WriteString(d.shortenWord(full[i:end]))
			}
			i = end
		default:
			b.WriteByte(c)
			i++
		}
	}
	name := strings.ReplaceAll(b.String(), "interface {}", "any")
	return strings.ReplaceAll(name, "struct {}", "struct{}")
}

// isField reports whether a word is the name of a field, which has the path of its package before it when it is not exported. An embedded type is
// none: no other type follows it.
func isField(full string, from, to int) bool {
	before, behind := full[:from], full[to:]
	return (strings.HasSuffix(before, "struct { ") || strings.HasSuffix(before, "; ")) &&
		len(behind) > 1 && behind[0] == ' ' && strings.IndexByte("\"`}", behind[1]) < 0
}

// isWord reports whether c can be part of an import path or identifier.
func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80 ||
		strings.IndexByte("._/%~@+-!$", c) >= 0
}

// shortenWord shortens one qualified identifier.
func (d *debugInfo) shortenWord(word string) string {
	if rest, ok := strings.CutPrefix(word, "..."); ok {
		return "..." + d.shortenWord(rest)
	}
	word = strings.TrimPrefix(word, "go.shape.")
	if at := strings.Index(word, "·"); at >= 0 { // the number of a type declared in a function
		word = word[:at]
	}
	slash := strings.LastIndexByte(word, '/') + 1
	dot := strings.IndexByte(word[slash:], '.')
	if dot <= 0 {
		return word
	}
	importPath := unescape(word[:slash+dot])
	name, ok := d.packages[importPath]
	if !ok {
		name = path.Base(importPath)
	}
	return name + word[slash+dot:]
}

// stringEnd returns the index behind the string literal that begins at i.
func stringEnd(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		if s[i] == '\\' && quote == '"' {
			i++
		} else if s[i] == quote {
			return i + 1
		}
	}
	return len(s)
}

// bracketEnd returns the index behind the bracket that closes the one at i.
func bracketEnd(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}
