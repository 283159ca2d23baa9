package tracer

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"smiley/tracer/elffile"
)

// image is the program's memory as its file describes it: what the loader maps, before the program changes it.
type image struct {
	file  *elffile.File
	moved func() []relocations // of a position-independent binary, once somebody asks
}

func newImage(file *elffile.File) *image {
	im := &image{file: file}
	im.moved = sync.OnceValue(im.relocations)
	return im
}

var errNotMapped = errors.New("the file does not hold this address")

// read fills dst from the file with what lies at addr. Words that the loader relocates have their final value, without bias.
func (im *image) read(dst []byte, addr uint64) error {
	for _, p := range im.file.Progs {
		if p.Type != elf.PT_LOAD || addr < p.Vaddr || addr+uint64(len(dst)) > p.Vaddr+p.Filesz {
			continue
		}
		_, err := p.ReadAt(dst, int64(addr-p.Vaddr))
		return err
	}
	return errNotMapped
}

// words reads n words at addr.
func (im *image) words(addr uint64, n int) ([]uint64, error) {
	words, err := im.unmoved(addr, n)
	if err == nil {
		im.relocate(words, addr)
	}
	return words, err
}

// unmoved is words for such as are no addresses, which the loader does not relocate. It does not go through all relocations.
func (im *image) unmoved(addr uint64, n int) ([]uint64, error) {
	raw := make([]byte, 8*n)
	if err := im.read(raw, addr); err != nil {
		return nil, err
	}
	words := make([]uint64, n)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return words, nil
}

// relocate gives words at addr what the relative relocations of a position-independent binary make of them.
func (im *image) relocate(words []uint64, addr uint64) {
	for _, r := range im.moved() {
		r.apply(words, addr)
	}
}

func (im *image) relocations() (list []relocations) {
	if im.file.Type != elf.ET_DYN {
		return nil
	}
	for _, s := range im.file.Sections {
		if s.Type != elf.SHT_RELA {
			continue
		}
		if data, err := im.file.Data(s); err == nil {
			list = append(list, newRelocations(data))
		}
	}
	return list
}

// relocations are the relative ones of a section. Go's linker puts hundreds of thousands into no order, and words are asked for a few at a time:
// they are found by the page that they change.
type relocations struct {
	data  []byte
	begin []uint32 // where those of a bucket of pages begin in order; one more says where the last ones end
	order []uint32 // their places in data, by bucket
}

const (
	relocationBytes     = 24
	relocationPage      = 4096
	relocationsInBucket = 64
)

func newRelocations(data []byte) relocations {
	n := len(data) / relocationBytes
	r := relocations{data: data, begin: make([]uint32, 1<<bits.Len(uint(n/relocationsInBucket))+1)}
	relative := func(i int) bool {
		return binary.LittleEndian.Uint32(data[relocationBytes*i+8:]) == uint32(elf.R_X86_64_RELATIVE)
	}
	for i := range n {
		if relative(i) {
			r.begin[r.bucket(r.at(i)/relocationPage)+1]++
		}
	}
	for b := range len(r.begin) - 1 {
		r.begin[b+1] += r.begin[b]
	}
	r.order = make([]uint32, r.begin[len(r.begin)-1])
	next := slices.Clone(r.begin)
	for i := range n {
		if relative(i) {
			b := r.bucket(r.at(i) / relocationPage)
			r.order[next[b]] = uint32(i)
			next[b]++
		}
	}
	return r
}

func (r *relocations) at(i int) uint64 { return binary.LittleEndian.Uint64(r.data[relocationBytes*i:]) }

func (r *relocations) bucket(page uint64) int { return int(page & uint64(len(r.begin)-2)) }

// apply gives words at addr their values.
func (r *relocations) apply(words []uint64, addr uint64) {
	if len(words) == 0 {
		return
	}
	first, last := addr/relocationPage, (addr+8*uint64(len(words))-1)/relocationPage
	for page := first; page <= last && page-first < uint64(len(r.begin)-1); page++ {
		b := r.bucket(page)
		for _, i := range r.order[r.begin[b]:r.begin[b+1]] {
			if at := r.at(int(i)) - addr; at%8 == 0 && at/8 < uint64(len(words)) {
				words[at/8] = binary.LittleEndian.Uint64(r.data[relocationBytes*int(i)+16:])
			}
		}
	}
}

// symbol returns the address of a linker symbol.
func (im *image) symbol(name string) (addr uint64, ok bool) {
	for s := range im.file.Symbols() {
		if s.Defined && string(s.Name) == name {
			addr, ok = s.Value, true
		}
	}
	return addr, ok
}

// moduledata is what the runtime's table of the module says.
type moduledata struct {
	text, etext   uint64
	types, etypes uint64
	itabs         itabList
}

// itabList says where the linker put the tables that it made for interfaces with methods.
type itabList struct {
	addr, length uint64 // in bytes, of the pointers to them, or where packed, of them all
	packed       bool
}

// Words of moduledata: those that are the same since Go 1.20, and then those behind types before Go 1.27, and since.
const (
	moduledataText   = 22
	moduledataTypes  = 37
	moduledataEtypes = 38 // since Go 1.27 the length of the descriptions in front, and what ends the types follows
	moduledataItabs  = 40 // since Go 1.27: offset behind types, and length
	moduledataWords  = 42
)

// findModuledata finds the module's table: by section or symbol, else by the pointer to the pclntab that it begins with.
func (im *image) findModuledata(pclntab uint64) (moduledata, error) {
	if s := im.file.Section(".go.module"); s != nil {
		if m, ok := im.moduledataAt(s.Addr, pclntab); ok {
			return m, nil
		}
	}
	if addr, ok := im.symbol("runtime.firstmoduledata"); ok {
		if m, ok := im.moduledataAt(addr, pclntab); ok {
			return m, nil
		}
	}
	for _, s := range im.file.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_WRITE == 0 || s.Size < 8*moduledataWords {
			continue
		}
		words, err := im.words(s.Addr, int(s.Size/8))
		if err != nil {
			continue
		}
		for i, w := range words {
			if w != pclntab {
				continue
			}
			if m, ok := im.moduledataAt(s.Addr+8*uint64(i), pclntab); ok {
				return m, nil
			}
		}
	}
	return moduledata{}, fmt.Errorf("no module data for the function table at %#x", pclntab)
}

// moduledataAt reads the table at addr; false when what lies there is none.
func (im *image) moduledataAt(addr, pclntab uint64) (moduledata, bool) {
	w, err := im.words(addr, moduledataWords)
	if err != nil || w[0] != pclntab {
		return moduledata{}, false
	}
	m := moduledata{
		text: w[moduledataText], etext: w[moduledataText+1],
		types: w[moduledataTypes], etypes: w[moduledataEtypes],
	}
	if m.etypes < m.types {
		m.etypes = w[moduledataEtypes+1]
		m.itabs = itabList{addr: m.types + w[moduledataItabs], length: w[moduledataItabs+1], packed: true}
	} else if s := cmp.Or(im.file.Section(".itablink"), im.file.Section(".data.rel.ro.itablink")); s != nil {
		m.itabs = itabList{addr: s.Addr, length: s.Size}
	}
	minPC, maxPC := w[moduledataText-2], w[moduledataText-1]
	ok := m.text <= minPC && minPC < maxPC && maxPC <= m.etext && m.types < m.etypes
	return m, ok
}
