package recording

import (
	"encoding/binary"
	"math"
	"time"
)

// Integers in definitions, tables and summaries are variable-length: unsigned LEB128, signed ones zigzag before.

func appendUint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

func appendInt(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendTime(dst []byte, t time.Time) []byte {
	return appendUint(appendInt(dst, t.Unix()), uint64(t.Nanosecond()))
}

// scanner reads what the append functions wrote. After its first failure it yields zeros, so that a caller checks once,
// at the end, and loops bounded by count are bounded by the input.
type scanner struct {
	rest   []byte
	failed bool
}

func (s *scanner) fail() {
	s.failed = true
	s.rest = nil
}

func (s *scanner) uint() uint64 {
	if len(s.rest) > 0 && s.rest[0] < 0x80 {
		v := uint64(s.rest[0])
		s.rest = s.rest[1:]
		return v
	}
	v, n := binary.Uvarint(s.rest)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

func (s *scanner) int() int64 {
	v, n := binary.Varint(s.rest)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

// within reads an unsigned number that is at most limit.
func (s *scanner) within(limit uint64) uint64 {
	v := s.uint()
	if v > limit {
		s.fail()
		return 0
	}
	return v
}

func (s *scanner) uint32() uint32 { return uint32(s.within(math.MaxUint32)) }

// small reads a number that fits an int on every platform.
func (s *scanner) small() int { return int(s.within(math.MaxInt32)) }

// count reads a number of elements, each at least size bytes long.
func (s *scanner) count(size int) int {
	v := s.uint()
	if v > uint64(len(s.rest)/size) {
		s.fail()
		return 0
	}
	return int(v)
}

// bytes returns the next n bytes, which share memory with the input.
func (s *scanner) bytes(n int) []byte {
	if n < 0 || n > len(s.rest) {
		s.fail()
		return nil
	}
	v := s.rest[:n:n]
	s.rest = s.rest[n:]
	return v
}

func (s *scanner) string() string { return string(s.bytes(s.count(1))) }

func (s *scanner) byte() byte {
	if b := s.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (s *scanner) bool() bool { return s.byte() != 0 }

func (s *scanner) time() time.Time {
	seconds, nanos := s.int(), s.within(999_999_999)
	if s.failed {
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanos)).UTC()
}

func (s *scanner) strings() []string {
	n := s.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = s.string()
	}
	return list
}

func appendStrings(dst []byte, list []string) []byte {
	dst = appendUint(dst, uint64(len(list)))
	for _, s := range list {
		dst = appendString(dst, s)
	}
	return dst
}

// done reports whether everything was read without a failure.
func (s *scanner) done() bool { return !s.failed && len(s.rest) == 0 }
