// Package debuginfo reads what a tracer needs of a Go program's DWARF: units, functions, parameters and types, one at a time
// and where they are asked for.
//
// Start with [Open]. The standard library's debug/dwarf reads everything that DWARF can say into lists of attributes; this
// package knows the few attributes that matter, steps over the rest, and is some ten times faster, which is what starting a
// program with ten thousand recorded functions waits for. It does no more I/O once Open has returned, and its Data may be
// used by many goroutines, as long as nobody calls [Data.Forget].
package debuginfo

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"sync"

	"smiley/tracer/elffile"
)

// Offset is the place of an entry in the debug information; 0 is none.
type Offset uint32

// Data is the debug information of a program.
type Data struct {
	Units []*Unit // those of Go, in the order of the file

	info, addresses, ranges, lists, text, lineText []byte
	abbreviations                                  map[uint64][]abbreviation

	again func() ([]byte, error) // reads info once more; nil where the file has it as it is
}

// Unit is what was compiled together: a package, or a part of it.
type Unit struct {
	Path        string      // import path
	PackageName string      // "" when the unit does not say
	Offset      Offset      // of its own entry
	Ranges      [][2]uint64 // half-open ranges of code

	begin   Offset // of its head
	end     Offset
	kept    []byte // what lies there, where nothing else is left
	version int
	wide    bool // offsets of eight bytes
	table   []abbreviation

	addressBase, listBase uint64
}

var (
	errDamaged = errors.New("the debug information is damaged")
	errNone    = errors.New("the program has no debug information")
)

// Open reads the debug information of a program, which needs the file to stay open. The error says that there is none, or that it is
// damaged.
func Open(f *elffile.File) (*Data, error) {
	d := &Data{abbreviations: map[uint64][]abbreviation{}}
	var abbrev []byte
	sections := map[string]*[]byte{
		"info": &d.info, "abbrev": &abbrev, "addr": &d.addresses, "ranges": &d.ranges, "rnglists": &d.lists,
		"str": &d.text, "line_str": &d.lineText,
	}
	var all sync.WaitGroup
	for name, data := range sections {
		s := f.Section(".debug_" + name)
		if s == nil {
			s = f.Section(".zdebug_" + name)
		}
		if s == nil {
			continue
		}
		if name == "info" && s.Flags&elf.SHF_COMPRESSED != 0 {
			d.again = func() ([]byte, error) { return content(f, s) }
		}
		all.Go(func() { *data, _ = content(f, s) }) // what is missing shows when it is needed
	}
	all.Wait()
	if len(d.info) == 0 || len(abbrev) == 0 {
		return nil, errNone
	}
	return d, d.readUnits(abbrev)
}

// Forget gives back the memory that units take, all but those that keep names. What is asked for of others later has all of them read again. Nobody
// else may use the Data meanwhile, and from then on there may be one goroutine that does.
func (d *Data) Forget(keep func(*Unit) bool) {
	if d.again == nil || d.info == nil {
		return
	}
	for _, u := range d.Units {
		if keep(u) {
			u.kept = bytes.Clone(d.info[u.begin:u.end])
		}
	}
	d.info = nil
}

// of returns what holds a unit, and where that begins.
func (d *Data) of(u *Unit) (data []byte, begin Offset) {
	if u.kept != nil {
		return u.kept, u.begin
	}
	if d.info == nil {
		d.info, _ = d.again() // it could be read before
	}
	return d.info[:min(int(u.end), len(d.info))], 0
}

// maxSection bounds a section: offsets have four bytes.
const maxSection = 1<<32 - 1

// content reads a section, compressed or not.
func content(f *elffile.File, s *elf.Section) ([]byte, error) {
	const head = 24 // of a compressed section: its kind, its size, its alignment
	if s.Size > maxSection || s.FileSize > maxSection {
		return nil, errDamaged
	}
	if s.Flags&elf.SHF_COMPRESSED == 0 || s.FileSize < head {
		return f.Data(s)
	}
	raw, err := f.Stored(s)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(raw) != uint32(elf.COMPRESS_ZLIB) {
		return s.Data()
	}
	stream := raw[head:]
	if len(stream) < 2 || stream[0]&15 != 8 || stream[1]&32 != 0 || binary.BigEndian.Uint16(stream)%31 != 0 { // RFC 1950
		return nil, errDamaged
	}
	if s.Size > 1100*s.FileSize { // more than the format can reach: the size is a lie
		return nil, errDamaged
	}
	out := make([]byte, s.Size)
	return out, inflate(out, stream[2:])
}
