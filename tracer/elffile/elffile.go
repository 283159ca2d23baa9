// Package elffile reads ELF programs without copying what they hold: the file is mapped, and sections are parts of the mapping.
//
// Start with [Open]. The package knows the format of the file and nothing of Go.
package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
)

// File is a program's file. It does not change and may be used by many goroutines, until Close.
type File struct {
	*elf.File
	Identity os.FileInfo // tells whether another file is this one, see os.SameFile

	raw   *os.File
	bytes []byte
}

// Open maps the file at path, whose size is bounded by the addresses of the process. The error is that of the system, or a
// *elf.FormatError. The caller closes the File.
func Open(path string) (*File, error) {
	raw, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{raw: raw}
	if err := f.open(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) open() error {
	var err error
	if f.Identity, err = f.raw.Stat(); err != nil {
		return err
	}
	if size := f.Identity.Size(); size > 0 && size == int64(int(size)) {
		if f.bytes, err = mapped(f.raw, int(size)); err != nil {
			return &os.PathError{Op: "mmap", Path: f.raw.Name(), Err: err}
		}
	}
	f.File, err = elf.NewFile(bytes.NewReader(f.bytes))
	return err
}

// Close releases the file and all that was taken from it without a copy.
func (f *File) Close() error {
	var err error
	if f.bytes != nil {
		err = unmap(f.bytes)
		f.bytes = nil
	}
	if closed := f.raw.Close(); err == nil {
		err = closed
	}
	return err
}

// Forget gives back the memory that the file takes here. All that was taken from it stays valid: what is looked at again, is read
// again.
func (f *File) Forget() { forget(f.bytes) }

// Reader reads all of the file.
func (f *File) Reader() *bytes.Reader { return bytes.NewReader(f.bytes) }

// Stored returns what the file holds of a section, compressed or not. It is valid until Close, and must not be changed. All of it is in memory at
// once: who asks for a section is about to look at it.
func (f *File) Stored(s *elf.Section) ([]byte, error) {
	size := uint64(len(f.bytes))
	switch {
	case s.Type == elf.SHT_NOBITS || s.FileSize == 0:
		return nil, nil
	case s.Offset > size || s.FileSize > size-s.Offset:
		return nil, io.ErrUnexpectedEOF
	}
	populate(f.bytes, s.Offset, s.FileSize)
	return f.bytes[s.Offset : s.Offset+s.FileSize : s.Offset+s.FileSize], nil
}

// Data returns the content of a section. It is valid until Close, and must not be changed.
func (f *File) Data(s *elf.Section) ([]byte, error) {
	if s.Flags&elf.SHF_COMPRESSED != 0 || s.Type == elf.SHT_NOBITS {
		return s.Data()
	}
	return f.Stored(s)
}

// Symbol is a line of the symbol table. Name is a part of the file.
type Symbol struct {
	Name    []byte
	Kind    elf.SymType
	Defined bool
	Value   uint64
}

// Symbols yields the symbols of a program of 64 bits, none when it has been stripped.
func (f *File) Symbols() func(yield func(*Symbol) bool) {
	return func(yield func(*Symbol) bool) {
		section := f.SectionByType(elf.SHT_SYMTAB)
		if section == nil || f.Class != elf.ELFCLASS64 || int(section.Link) >= len(f.Sections) {
			return
		}
		table, _ := f.Data(section)
		names, _ := f.Data(f.Sections[section.Link])
		for ; len(table) >= elf.Sym64Size; table = table[elf.Sym64Size:] {
			at := binary.LittleEndian.Uint32(table)
			if uint64(at) >= uint64(len(names)) {
				continue
			}
			name := names[at:]
			if end := bytes.IndexByte(name, 0); end >= 0 {
				name = name[:end]
			}
			s := Symbol{
				Name: name, Kind: elf.ST_TYPE(table[4]), Defined: binary.LittleEndian.Uint16(table[6:]) != uint16(elf.SHN_UNDEF),
				Value: binary.LittleEndian.Uint64(table[8:]),
			}
			if !yield(&s) {
				return
			}
		}
	}
}

// HasSymbols reports whether there is a symbol table.
func (f *File) HasSymbols() bool {
	s := f.SectionByType(elf.SHT_SYMTAB)
	return s != nil && s.FileSize > elf.Sym64Size
}
