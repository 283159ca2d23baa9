package protocol

import (
	"encoding/binary"
	"unicode/utf8"
)

var le = binary.LittleEndian

// scanner reads the fields of a message. After the first thing that is missing or wrong it has failed and returns zeros.
type scanner struct {
	rest   []byte
	failed bool
}

func (s *scanner) take(n int) []byte {
	if s.failed || n > len(s.rest) {
		s.failed = true
		return nil
	}
	head := s.rest[:n]
	s.rest = s.rest[n:]
	return head
}

func (s *scanner) require(ok bool) {
	if !ok {
		s.failed = true
	}
}

func (s *scanner) bytes(dst []byte) { copy(dst, s.take(len(dst))) }

func (s *scanner) u8() uint8 {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scanner) u16() uint16 {
	if b := s.take(2); b != nil {
		return le.Uint16(b)
	}
	return 0
}

func (s *scanner) u32() uint32 {
	if b := s.take(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (s *scanner) u64() uint64 {
	if b := s.take(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

// text reads a text: a 16-bit length and that many bytes of UTF-8 without control characters, so that it can be shown
// on a terminal as it is.
func (s *scanner) text() string {
	n := int(s.u16())
	s.require(n <= maxText)
	b := s.take(n)
	s.require(utf8.Valid(b))
	for _, r := range string(b) {
		s.require(printable(r))
	}
	if s.failed {
		return ""
	}
	return string(b)
}

func printable(r rune) bool { return r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) }

// appendText appends a text that scanner.text accepts: control characters become spaces, and what is too long is cut.
func appendText(dst []byte, text string) []byte {
	clean := make([]byte, 0, min(len(text), maxText))
	for _, r := range text {
		if !printable(r) {
			r = ' '
		}
		if len(clean)+utf8.RuneLen(r) > maxText {
			break
		}
		clean = utf8.AppendRune(clean, r)
	}
	return append(le.AppendUint16(dst, uint16(len(clean))), clean...)
}
