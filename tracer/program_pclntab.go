package tracer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sort"
)

// pclntab is Go's table of functions and lines, as it has been since Go 1.20. Every Go binary has it, stripped or not.
type pclntab struct {
	text      uint64 // what entry offsets count from
	names     []byte
	units     []byte
	files     []byte
	tables    []byte
	functions []byte
	count     int
}

const pclntabMagic = 0xfffffff1

var errPclntab = errors.New("the function table is damaged")

// pclnFunction is a function as the table has it.
type pclnFunction struct {
	entry, end uint64
	name       string
	args       int // bytes that arguments and results take by the stack convention; < 0: unknown
	file       string
	line       int // of the func keyword
	id         uint8
	assembly   bool

	pcfile, pcline, unit uint32
}

// parsePclntab checks the head of the table; entry offsets count from text.
func parsePclntab(data []byte, text uint64) (*pclntab, error) {
	if len(data) < 72 || binary.LittleEndian.Uint32(data) != pclntabMagic || data[7] != 8 {
		return nil, errPclntab
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(data[8+8*i:]) }
	from := func(i int) []byte {
		if offset := word(i); offset <= uint64(len(data)) {
			return data[offset:]
		}
		return nil
	}
	t := &pclntab{
		text: text, names: from(3), units: from(4), files: from(5), tables: from(6), functions: from(7),
		count: int(min(word(0), uint64(len(data)))),
	}
	if uint64(len(t.functions)) < 8*uint64(t.count)+4 {
		return nil, errPclntab
	}
	return t, nil
}

func u32(data []byte, offset uint64) uint32 {
	if offset+4 > uint64(len(data)) {
		return 0
	}
	return binary.LittleEndian.Uint32(data[offset:])
}

func text(data []byte, offset uint64) string {
	if offset >= uint64(len(data)) {
		return ""
	}
	data = data[offset:]
	if end := bytes.IndexByte(data, 0); end >= 0 {
		return string(data[:end])
	}
	return ""
}

// all returns every function, by entry.
func (t *pclntab) all() []pclnFunction {
	list := make([]pclnFunction, t.count)
	for i := range list {
		list[i] = t.function(i)
	}
	return list
}

func (t *pclntab) function(i int) pclnFunction {
	at := uint64(u32(t.functions, uint64(8*i+4)))
	f := pclnFunction{
		entry:  t.text + uint64(u32(t.functions, uint64(8*i))),
		end:    t.text + uint64(u32(t.functions, uint64(8*i+8))),
		name:   text(t.names, uint64(u32(t.functions, at+4))),
		args:   int(int32(u32(t.functions, at+8))),
		pcfile: u32(t.functions, at+20),
		pcline: u32(t.functions, at+24),
		unit:   u32(t.functions, at+32),
		line:   int(int32(u32(t.functions, at+36))),
	}
	special := u32(t.functions, at+40)
	f.id, f.assembly = uint8(special), special>>8&4 != 0
	f.file = t.file(&f, f.entry)
	return f
}

// file returns the source file of the instruction at pc.
func (t *pclntab) file(f *pclnFunction, pc uint64) string {
	index := t.value(f.pcfile, f.entry, pc)
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
func (t *pclntab) value(table uint32, entry, pc uint64) int32 {
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

// find returns the index of the function that holds pc.
func find(list []pclnFunction, pc uint64) (int, bool) {
	i := sort.Search(len(list), func(i int) bool { return list[i].entry > pc }) - 1
	if i < 0 || pc >= list[i].end {
		return 0, false
	}
	return i, true
}
