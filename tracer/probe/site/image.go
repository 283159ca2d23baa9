package site

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"

	"smiley/recording"
	"smiley/tracer/elffile"
	"smiley/tracer/pclntab"
)

// Image is the code of a program as its file holds it. All addresses are those of the file; a position-independent
// program runs at these plus a bias. An Image does not change between Load and Planned and may be used by many goroutines.
type Image struct {
	Functions []Function  // by address
	Entry     uint64      // where the program begins
	Base      uint64      // address of the first loaded segment, rounded down to a page
	File      os.FileInfo // the file that all of it was read from

	Goroutines uint64 // address of runtime.allgs; 0: the program has no symbols
	Threads    uint64 // address of runtime.allm; the same

	text    []byte
	forget  func() // gives back the memory that the text takes; nil: it is a copy
	addr    uint64
	targets bitmap // by offset in text: a direct branch, a return address or a data word leads here
	starts  bitmap // by offset in text: an instruction of a function begins here
	shapes  []shape

	// The FIPS module compares the bytes of this range with those that the linker wrote, those between its functions, too.
	checkedFrom, checkedTo uint64
}

// shape is what one walk over a function's instructions found. It is of the same position as the function.
type shape struct {
	returns []uint64 // addresses of its RETs
	end     uint64   // see codeEnd
	loops   bool     // a branch leads back to its first instruction
	whole   bool     // all its bytes are instructions
}

// Function is one function of the program. Its End is the next function's address; padding lies before it.
type Function struct {
	*pclntab.Function
	Addr  uint64 // Entry
	Skip  string // why it is not a candidate for probes, "" when it is
	Leave bool   // Skip stands for a whole class nobody would ask for: runtime, assembly, C

	index int32 // in Image.Functions
}

// Load reads the file of a Go program for linux/amd64.
func Load(path string) (*Image, error) { return LoadAs(path, path) }

// LoadAs is Load with errors that call the file name.
func LoadAs(path, name string) (*Image, error) {
	f, err := elffile.Open(path)
	if err != nil {
		return nil, recording.Errorf(recording.CodeInvalid, "%s is not an ELF program: %w", name, err).
			WithHint("smiley records binaries made by the Go compiler")
	}
	defer func() { _ = f.Close() }()
	functions, err := functionTable(f, name)
	if err != nil {
		return nil, err
	}
	img, err := New(f, functions)
	if err != nil {
		return nil, recording.Errorf(recording.CodeOf(err), "%s: %w", name, err)
	}
	img.text, img.forget = slices.Clone(img.text), nil // it is all that is needed of the file
	return img, nil
}

// New is Load for a file that is open and whose functions are known. The Image needs the file to stay open, and keeps the functions.
func New(f *elffile.File, functions []pclntab.Function) (*Image, error) {
	if f.Machine != elf.EM_X86_64 {
		return nil, recording.Errorf(recording.CodeUnsupported, "a program for %s", f.Machine).
			WithHint("probes need a program built with GOARCH=amd64")
	}
	img := &Image{Entry: f.Entry, File: f.Identity, forget: f.Forget}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			img.Base = p.Vaddr &^ 4095
			break
		}
	}
	s := f.Section(".text")
	if s == nil {
		return nil, recording.Errorf(recording.CodeUnsupported, "it has no .text section")
	}
	var err error
	if img.text, err = f.Data(s); err != nil {
		return nil, recording.Errorf(recording.CodeDamaged, "reading its code: %w", err)
	}
	img.addr = s.Addr
	img.addFunctions(f, functions)
	img.walk()
	return img, img.markData(f)
}

// forgetEvery is after how much text it is given back where all of it is looked at.
const forgetEvery = 4 << 20

// Passing returns a function to call with the addresses at which the text is looked at, which ascend for the most part: that which was looked at is
// given back now and then, since a large program has tens of megabytes of it.
func (img *Image) Passing() func(addr uint64) {
	last := img.addr
	return func(addr uint64) {
		if addr > last && addr-last >= forgetEvery && img.forget != nil {
			last = addr
			img.forget()
		}
	}
}

// Text returns the code of the half-open range [from, to). The caller must not change it.
func (img *Image) Text(from, to uint64) []byte {
	if from < img.addr || to < from || to > img.addr+uint64(len(img.text)) {
		return nil
	}
	return img.text[from-img.addr : to-img.addr]
}

// Bounds returns the address range of the program's text.
func (img *Image) Bounds() (from, to uint64) { return img.addr, img.addr + uint64(len(img.text)) }

// Lookup returns the function of a name; nil when the program has none.
func (img *Image) Lookup(name string) *Function {
	for i := range img.Functions {
		if img.Functions[i].Name == name {
			return &img.Functions[i]
		}
	}
	return nil
}

// functionTable reads the functions of a program.
func functionTable(f *elffile.File, path string) ([]pclntab.Function, error) {
	var table []byte
	for _, s := range f.Sections {
		if strings.HasSuffix(s.Name, ".gopclntab") {
			var err error
			if table, err = f.Data(s); err != nil {
				return nil, recording.Errorf(recording.CodeDamaged, "reading the function table of %s: %w", path, err)
			}
		}
	}
	if table == nil {
		return nil, recording.Errorf(recording.CodeUnsupported, "%s is not a Go program", path).
			WithHint("smiley records binaries made by the Go compiler; this one has no table of Go functions")
	}
	var base uint64
	if s := f.Section(".text"); s != nil {
		base = s.Addr
	}
	for s := range f.Symbols() {
		if string(s.Name) == "runtime.text" {
			base = s.Value // C code may come first, and the table counts from here
			break
		}
	}
	parsed, err := pclntab.Parse(table, base)
	if err != nil {
		return nil, recording.Errorf(recording.CodeUnsupported, "%s: %w", path, err)
	}
	return parsed.Functions(), nil
}

// addFunctions takes over the functions of the table, and finds out which of them are candidates.
func (img *Image) addFunctions(f *elffile.File, functions []pclntab.Function) {
	adapters := img.readSymbols(f)
	stripped := !f.HasSymbols()
	img.Functions = make([]Function, len(functions))
	for i := range functions {
		from, to := &functions[i], &img.Functions[i]
		*to = Function{Function: from, Addr: from.Entry}
		to.Skip, to.Leave = whyNot(to, adapters[to.Addr], stripped)
	}
	if !slices.IsSortedFunc(img.Functions, byAddress) {
		slices.SortFunc(img.Functions, byAddress)
	}
	for i := range img.Functions {
		img.Functions[i].index = int32(i)
		switch img.Functions[i].Name {
		case "go:textfipsstart":
			img.checkedFrom = img.Functions[i].Addr
		case "go:textfipsend":
			img.checkedTo = img.Functions[i].Addr
		}
	}
}

func byAddress(a, b Function) int { return cmp.Compare(a.Addr, b.Addr) }

// readSymbols finds what only symbols tell, and returns where functions begin that have the stack convention only.
func (img *Image) readSymbols(f *elffile.File) (adapters map[uint64]bool) {
	found := map[uint64]bool{}
	for s := range f.Symbols() {
		switch {
		case s.Kind == elf.STT_FUNC && bytes.HasSuffix(s.Name, []byte(".abi0")):
			found[s.Value] = true
		case string(s.Name) == "runtime.allgs":
			img.Goroutines = s.Value
		case string(s.Name) == "runtime.allm":
			img.Threads = s.Value
		}
	}
	for s := range f.Symbols() {
		if s.Kind == elf.STT_FUNC && found[s.Value] && !bytes.HasSuffix(s.Name, []byte(".abi0")) && string(s.Name) != "runtime.text" {
			delete(found, s.Value)
		}
	}
	return found
}

// whyNot is rule R1: which functions are candidates.
func whyNot(f *Function, abi0, stripped bool) (reason string, class bool) {
	generated := f.File == "<autogenerated>"
	switch {
	case !strings.HasSuffix(f.File, ".go") && !generated:
		return "it is not written in Go", true
	case abi0:
		return "it is an adapter for assembly", true
	case generated && stripped:
		return "without symbols it cannot be told from an adapter for assembly", true
	case strings.HasPrefix(f.Name, "type:"), strings.HasPrefix(f.Name, "go:"):
		return "it belongs to the runtime", true
	case fips(f.Name):
		return "it is checked against its own bytes when the program starts", false
	}
	if RuntimeOwn(Package(f.Name)) || InHandlers(f.Name) {
		return "it belongs to the runtime", true
	}
	return "", false
}

func fips(name string) bool {
	return strings.HasPrefix(name, "crypto/internal/fips140")
}

// RuntimeOwn reports whether the runtime itself calls functions of a package: before it can handle signals, in signal handlers, or
// where there is no goroutine. Those are what package runtime of Go 1.25 to 1.27 depends on, and some more.
func RuntimeOwn(pkg string) bool {
	switch pkg {
	case "runtime", "sync/atomic", "syscall", "internal/sync",
		"internal/abi", "internal/asan", "internal/bytealg", "internal/byteorder", "internal/chacha8rand", "internal/coverage/rtcov",
		"internal/cpu", "internal/goarch", "internal/godebugs", "internal/goexperiment", "internal/goos", "internal/msan",
		"internal/profilerecord", "internal/race", "internal/strconv", "internal/stringslite", "internal/trace/tracev2":
		return true
	}
	return strings.HasPrefix(pkg, "runtime/") || strings.HasPrefix(pkg, "internal/runtime/")
}

// InHandlers reports whether a function that is not in one of these packages by its name is called by signal handlers, which may
// have interrupted its own routine, or another one in the middle of a record. Mostly it is inlined there; not in a program that
// was built without inlining.
func InHandlers(name string) bool { return name == "os/signal.signal_ignored" }

// Package returns the import path in a symbol's name, as the linker escapes it.
func Package(name string) string {
	if i := strings.IndexByte(name, '['); i >= 0 {
		name = name[:i]
	}
	slash := strings.LastIndexByte(name, '/')
	if dot := strings.IndexByte(name[slash+1:], '.'); dot >= 0 {
		return name[:slash+1+dot]
	}
	return ""
}

// Planned gives back what only looking for sites takes, when nobody will look for any more.
func (img *Image) Planned() { img.targets, img.starts, img.shapes = nil, nil, nil }

func (img *Image) mark(b bitmap, addr uint64) {
	if addr >= img.addr && addr < img.addr+uint64(len(img.text)) {
		b.set(int(addr - img.addr))
	}
}

// markData takes every aligned word of the data sections that could be an address of code for one: jump tables are such
// words, and in position-independent programs the file holds the addends of their relocations.
func (img *Image) markData(f *elffile.File) error {
	for _, s := range f.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_EXECINSTR != 0 {
			continue
		}
		if strings.HasSuffix(s.Name, ".gopclntab") || strings.Contains(s.Name, "debug") {
			continue
		}
		data, err := f.Data(s)
		if err != nil {
			return recording.Errorf(recording.CodeDamaged, "reading section %s: %w", s.Name, err)
		}
		size := uint64(len(img.text))
		for data = data[min(-s.Addr&7, uint64(len(data))):]; len(data) >= 8; data = data[8:] {
			if at := binary.LittleEndian.Uint64(data) - img.addr; at < size {
				img.targets.set(int(at))
			}
		}
	}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_RELA {
			continue
		}
		data, err := f.Data(s)
		if err != nil {
			return recording.Errorf(recording.CodeDamaged, "reading section %s: %w", s.Name, err)
		}
		for i := 0; i+24 <= len(data); i += 24 {
			img.mark(img.targets, binary.LittleEndian.Uint64(data[i+16:]))
		}
	}
	return nil
}

// Instructions yields the instructions of [from, to) in order and ends early where the bytes are none.
func (img *Image) Instructions(from, to uint64) func(func(Inst) bool) {
	return func(yield func(Inst) bool) {
		code := img.Text(from, to)
		for pos := 0; pos < len(code); {
			in, err := Decode(code[pos:], from+uint64(pos))
			if err != nil || !yield(in) {
				return
			}
			pos += int(in.Len)
		}
	}
}

type bitmap []uint64

func (b bitmap) or(other bitmap) {
	for i, w := range other {
		b[i] |= w
	}
}

// newBitmap writes to all of it: memory that is read first is mapped twice.
func newBitmap(n int) bitmap {
	b := make(bitmap, (n+63)/64)
	clear(b)
	return b
}

func (b bitmap) set(i int)         { b[i/64] |= 1 << (i % 64) }
func (b bitmap) unset(i int)       { b[i/64] &^= 1 << (i % 64) }
func (b bitmap) get(i int) bool    { return b[i/64]>>(i%64)&1 != 0 }
func (f *Function) String() string { return fmt.Sprintf("%s at %#x", f.Name, f.Addr) }
