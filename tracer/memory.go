//go:build linux && amd64

package tracer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

const pageSize = 4096

// stopMemory is the program's memory while all its threads stand still. Small reads are served page by page from a cache
// that forget empties when the program goes on.
type stopMemory struct {
	pid   int
	file  *os.File // of the memory, when it is read through that; nil otherwise
	pages map[uint64]*[pageSize]byte
	spare []*[pageSize]byte
}

// maxPages bounds the cache at one stop.
const maxPages = 256

func newStopMemory(pid int) *stopMemory {
	return &stopMemory{pid: pid, pages: map[uint64]*[pageSize]byte{}}
}

// forget drops what was read: the program is about to run.
func (m *stopMemory) forget() {
	for base, page := range m.pages {
		m.spare = append(m.spare, page)
		delete(m.pages, base)
	}
}

// ReadMemory fills dst from addr. On an error nothing in dst is valid.
func (m *stopMemory) ReadMemory(dst []byte, addr uint64) error {
	if len(dst) > pageSize {
		return m.read(dst, addr)
	}
	for len(dst) > 0 {
		offset := addr % pageSize
		page, err := m.page(addr - offset)
		if err != nil {
			return err
		}
		n := copy(dst, page[offset:])
		dst, addr = dst[n:], addr+uint64(n)
	}
	return nil
}

func (m *stopMemory) page(base uint64) (*[pageSize]byte, error) {
	if page, ok := m.pages[base]; ok {
		return page, nil
	}
	if len(m.pages) >= maxPages {
		m.forget()
	}
	page := new([pageSize]byte)
	if n := len(m.spare); n > 0 {
		page, m.spare = m.spare[n-1], m.spare[:n-1]
	}
	if err := m.read(page[:], base); err != nil {
		m.spare = append(m.spare, page)
		return nil, err
	}
	m.pages[base] = page
	return page, nil
}

func (m *stopMemory) read(dst []byte, addr uint64) error {
	if m.file != nil {
		return m.readFile(dst, addr)
	}
	local := []unix.Iovec{{Base: &dst[0]}}
	local[0].SetLen(len(dst))
	n, err := unix.ProcessVMReadv(m.pid, local, []unix.RemoteIovec{{Base: uintptr(addr), Len: len(dst)}}, 0)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) { // a filter of system calls, as containers have them, or none is built in
		if m.file, err = os.Open(fmt.Sprintf("/proc/%d/mem", m.pid)); err == nil {
			return m.readFile(dst, addr)
		}
	}
	if err != nil {
		return recording.Errorf(recording.CodeInternal, "cannot read memory at %#x: %w", addr, err)
	}
	if n != len(dst) {
		return recording.Errorf(recording.CodeInternal, "memory at %#x ends early", addr)
	}
	return nil
}

func (m *stopMemory) readFile(dst []byte, addr uint64) error {
	if _, err := m.file.ReadAt(dst, int64(addr)); err != nil {
		return recording.Errorf(recording.CodeInternal, "cannot read memory at %#x: %w", addr, err)
	}
	return nil
}

// close frees what reading took.
func (m *stopMemory) close() {
	if m.file != nil {
		_ = m.file.Close() // it was only read
	}
}

// word reads 8 bytes.
func (m *stopMemory) word(addr uint64) (uint64, error) {
	var b [8]byte
	if err := m.ReadMemory(b[:], addr); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}
