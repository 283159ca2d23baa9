//go:build linux && amd64

package install

import (
	"encoding/binary"
	"io"
	"os"

	"smiley/recording"
	"smiley/tracer/probe/ring"
)

// Will says where the parts of the memory lie that a program shares with the tracer that launched it. With the memory's file, who
// outlives both can read what the tracer left: see OpenEstate.
type Will struct {
	Bias   uint64 // of the program
	Code   uint64 // address of the routines, with the estate behind them
	Size   uint64 // of both
	Layout ring.Layout
}

// Will returns the will of a program that was launched with a note, and the file of its memory, which stays the process's.
func (p *Process) Will() (Will, *os.File) {
	return Will{Bias: p.bias, Code: p.code, Size: p.layout.Base - p.code, Layout: p.layout}, p.file
}

// OpenEstate returns what a tracer left, nil when everything is accounted for. Nobody may write to the memory any more: the
// program must have ended. The file stays the caller's and must stay open until the estate is settled.
func OpenEstate(w Will, file *os.File) (*Estate, error) {
	memory := sharedFile{file, mappings(w.Code, w.Size, w.Layout)}
	info, err := file.Stat()
	if err != nil || info.Size() < total(memory.parts) {
		return nil, unreadable("it is not whole")
	}
	var all []sharedMapping
	for _, part := range memory.parts {
		all = append(all, sharedMapping{from: part.at, to: part.at + part.size})
	}
	e, err := readEstate(memory, all[0], all)
	if e != nil {
		e.settle = func() error { return memory.poke(w.Layout.Base+ring.SharedSettled, 1) }
	}
	return e, err
}

// sharedFile is the file of shared memory, read at the addresses at which the program has it.
type sharedFile struct {
	file  *os.File
	parts []mapping
}

// offset returns where an address is in the file, and how many bytes follow it in its part.
func (s sharedFile) offset(addr uint64) (at int64, room uint64) {
	for _, part := range s.parts {
		if addr >= part.at && addr < part.at+part.size {
			return int64(part.offset + addr - part.at), part.at + part.size - addr
		}
	}
	return 0, 0
}

func (s sharedFile) ReadAt(b []byte, addr int64) (int, error) {
	at, room := s.offset(uint64(addr))
	if uint64(len(b)) > room {
		return 0, io.ErrUnexpectedEOF
	}
	return s.file.ReadAt(b, at)
}

func (s sharedFile) poke(addr, v uint64) error {
	at, _ := s.offset(addr)
	if _, err := s.file.WriteAt(binary.LittleEndian.AppendUint64(nil, v), at); err != nil {
		return recording.Errorf(recording.CodeInternal, "writing to what a tracer that died left: %w", err)
	}
	return nil
}
