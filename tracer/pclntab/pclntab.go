// Package pclntab reads Go's table of functions and lines, as it has been since Go 1.20. Every Go binary has it, stripped or not.
//
// Start with [Parse]. The package knows the table alone; what lies in the table may be damaged, and then means nothing, but
// harms nobody.
package pclntab

import (
	"encoding/binary"
	"errors"
	"sort"
	"strings"
)

// Table is the table of a program. It does not change and may be used by many goroutines.
type Table struct {
	text      uint64 // what entry offsets count from
	names     string
	units     []byte
	files     string
	tables    []byte
	functions []byte
	count     int
}

const magic = 0xfffffff1

// ErrDamaged is what all errors of this package are.
var ErrDamaged = errors.New("the function table is damaged")

// Function is a function as the table has it. Addresses are those of the file.
type Function struct {
	Entry, End uint64
	Name       string // as the linker writes it
	Args       int    // bytes that arguments and results take by the stack convention; < 0: unknown
	File       string // "" when the table does not say
	Line       int    // of the func keyword
	ID         uint8  // of functions that are special to the runtime
	Assembly   bool

	pcfile, pcline, unit uint32
}

// Parse checks the head of the table; entry offsets count from text, which is the address of runtime.text. The Table needs data
// as long as lines are asked for; functions do not.
func Parse(data []byte, text uint64) (*Table, error) {
	if len(data) < 72 || binary.LittleEndian.Uint32(data) != magic || data[7] != 8 {
		return nil, ErrDamaged
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(data[8+8*i:]) }
	from := func(i int) []byte {
		if offset := word(i); offset <= uint64(len(data)) {
			return data[offset:]
		}
		return nil
	}
	upTo := func(i, next int) string { // copied, and once for all names in it
		part := from(i)
		if end := word(next); end > word(i) && end <= uint64(len(data)) {
			part = part[:end-word(i)]
		}
		return string(part)
	}
	t := &Table{
		text: text, names: upTo(3, 4), units: from(4), files: upTo(5, 6), tables: from(6), functions: from(7),
		count: int(min(word(0), uint64(len(data)))),
	}
	if uint64(len(t.functions)) < 8*uint64(t.count)+4 {
		return nil, ErrDamaged
	}
	return t, nil
}

func u32(data []byte, offset uint64) uint32 {
	if offset+4 > uint64(len(data)) {
		return 0
	}
	return binary.LittleEndian.Uint32(data[offset:])
}

func text(all string, offset uint64) string {
	if offset >= uint64(len(all)) {
		return ""
	}
	all = all[offset:]
	if end := strings.IndexByte(all, 0); end >= 0 {
		return all[:end]
	}
	return ""
}

// Functions returns every function, by entry.
func (t *Table) Functions() []Function {
	list := make([]Function, t.count)
	for i := range list {
		list[i] = t.function(i)
	}
	return list
}

func (t *Table) function(i int) Function {
	at := uint64(u32(t.functions, uint64(8*i+4)))
	f := Function{
		Entry:  t.text + uint64(u32(t.functions, uint64(8*i))),
		End:    t.text + uint64(u32(t.functions, uint64(8*i+8))),
		Name:   text(t.names, uint64(u32(t.functions, at+4))),
		Args:   int(int32(u32(t.functions, at+8))),
		pcfile: u32(t.functions, at+20),
		pcline: u32(t.functions, at+24),
		unit:   u32(t.functions, at+32),
		Line:   int(int32(u32(t.functions, at+36))),
	}
	special := u32(t.functions, at+40)
	f.ID, f.Assembly = uint8(special), special>>8&4 != 0
	f.File = t.File(&f, f.Entry)
	return f
}

// Line returns the line of the instruction at pc of a function; 0 when it is not known.
func (t *Table) Line(f *Function, pc uint64) int { return int(max(t.value(f.pcline, f.Entry, pc), 0)) }

// File returns the source file of the instruction at pc of a function; "" when it is not known.
func (t *Table) File(f *Function, pc uint64) string {
	index := t.value(f.pcfile, f.Entry, pc)
	if index < 0 {
		return ""
	}
	offset := u32(t.units, 4*(uint64(f.unit)+uint64(index)))
	if offset == ^uint32(0) {
		return ""
	}
	return text(t.files, uint64(offset))
}

// value decodes a table of values by pc: zigzag deltas of the value, deltas of the pc.
func (t *Table) value(table uint32, entry, pc uint64) int32 {
	if table == 0 || uint64(table) >= uint64(len(t.tables)) {
		return -1
	}
	data, value, at := t.tables[table:], int32(-1), entry
	for first := true; ; first = false {
		delta, n := binary.Uvarint(data)
		if n <= 0 || delta == 0 && !first {
			return -1
		}
		data = data[n:]
		value += int32(uint32(delta)>>1) ^ -int32(delta&1)
		advance, n := binary.Uvarint(data)
		if n <= 0 {
			return -1
		}
		data = data[n:]
		at += advance
		if pc < at {
			return value
		}
	}
}

// Find returns the index of the function that holds pc in a list by entry.
func Find(list []Function, pc uint64) (int, bool) {
	i := sort.Search(len(list), func(i int) bool { return list[i].Entry > pc }) - 1
	if i < 0 || pc >= list[i].End {
		return 0, false
	}
	return i, true
}
