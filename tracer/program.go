package tracer

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"smiley/recording"
	"smiley/tracer/debuginfo"
	"smiley/tracer/elffile"
	"smiley/tracer/pclntab"
)

// Program is what a Go binary says about itself: its functions, types and the places where values lie. Addresses are
// those of the running program once SetBias was called; before that, those of the file. It owns the numbering of the
// run's types, functions and files. A Program is not safe for concurrent use.
type Program struct {
	path    string
	file    *elffile.File
	image   *image
	info    *buildinfo.BuildInfo
	module  moduledata
	lines   *pclntab.Table
	list    []pclntab.Function  // addresses of the file
	wrapper uint8               // function id of what the compiler made by itself
	origin  func(string) Origin // of packages; nil until needed, as wrapper
	debug   *debugInfo          // nil for a stripped binary
	scopes  *scopeReader        // nil until needed
	linked  map[uint64]uint64   // types of the itabs of the file, by their addresses; nil until needed
	types   *typeTable
	defined definitions
	sources sources
	bias    uint64
}

// OpenProgram reads the binary at path. Errors are recording.Errors with hints: the file is not there, not executable,
// not a Go program, for another system or architecture, or too old. The caller closes the Program.
func OpenProgram(path string) (*Program, error) { return beginProgram(path, path, func(*Program) {}) }

// beginProgram is OpenProgram, with errors that call the file name, for who wants to go on with the functions before types can be asked for: read is called when the function
// table was read. What it begins must have ended when the Program is closed, and is of no use when there is none.
func beginProgram(path, name string, read func(*Program)) (*Program, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "find the program: %w", err)
	}
	if err := checkFile(name, absolute); err != nil {
		return nil, err
	}
	file, err := elffile.Open(absolute)
	if err != nil {
		return nil, notGo(name, absolute, err)
	}
	p := &Program{path: absolute, file: file, image: newImage(file)}
	if err := p.load(name, read); err != nil {
		_ = file.Close()
		return nil, err
	}
	return p, nil
}

// checkFile says what is wrong with a file that cannot be run.
func checkFile(path, absolute string) error {
	info, err := os.Stat(absolute)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return recording.Errorf(recording.CodeNotFound, "%s: there is no such file: %w", path, err).
			WithHint("name a Go binary, or a package such as ./cmd/x to have it built")
	case errors.Is(err, fs.ErrPermission):
		return recording.Errorf(recording.CodePermission, "%s: not readable: %w", path, err).
			WithHint("smiley needs to read the binary; check the permissions of the file and its directories")
	case err != nil:
		return recording.Errorf(recording.CodeInvalid, "%s: %w", path, err).WithHint("name a Go binary")
	case info.IsDir():
		return recording.Errorf(recording.CodeInvalid, "%s is a directory", path).
			WithHint("name a binary, or a package as %s", recording.ShellWord("./"+filepath.Base(path)))
	case !info.Mode().IsRegular():
		return recording.Errorf(recording.CodeInvalid, "%s is not a regular file", path).WithHint("name a Go binary")
	case info.Mode().Perm()&0o111 == 0:
		if built, err := buildinfo.ReadFile(absolute); err == nil && buildMode(built) != "" { // as go build leaves a plugin
			return notAProgram(path, buildMode(built))
		}
		return recording.Errorf(recording.CodePermission, "%s is not executable", path).
			WithHint("chmod +x %s, if it is a program", recording.ShellWord(path))
	}
	return nil
}

// notGo says why a file that is no ELF binary cannot be recorded.
func notGo(path, absolute string, cause error) error {
	if errors.Is(cause, fs.ErrPermission) {
		return recording.Errorf(recording.CodePermission, "%s: not readable: %w", path, cause).
			WithHint("smiley needs to read the binary; check its permissions")
	}
	head := make([]byte, 4)
	if f, err := os.Open(absolute); err == nil {
		_, _ = f.Read(head)
		_ = f.Close()
	}
	switch {
	case string(head[:2]) == "#!":
		return recording.Errorf(recording.CodeUnsupported, "%s is a script, not a Go program", path).
			WithHint("name the Go binary that the script runs")
	case string(head[:2]) == "MZ", strings.Contains("\xcf\xfa\xed\xfe\xca\xfe\xba\xbe\xce\xfa\xed\xfe", string(head)):
		return recording.Errorf(recording.CodeUnsupported, "%s is a program for another system", path).
			WithHint("build it with GOOS=linux GOARCH=amd64")
	}
	return recording.Errorf(recording.CodeUnsupported, "%s is not a Go program: %w", path, cause).
		WithHint("smiley records binaries made by the Go compiler")
}

// notAProgram says why a file of a build mode cannot be recorded.
func notAProgram(path, mode string) error {
	if mode == "c-archive" { // the archive itself is no binary
		return recording.Errorf(recording.CodeUnsupported, "%s is a program of another language that Go was linked into, by -buildmode=c-archive", path).
			WithHint("smiley records programs that begin in Go")
	}
	return recording.Errorf(recording.CodeUnsupported, "%s is not a program of its own: it was built with -buildmode=%s", path, mode).
		WithHint("record the program that loads it")
}

// load reads what every question needs; the rest is read when it is asked for.
func (p *Program) load(path string, read func(*Program)) error {
	info, err := buildinfo.Read(p.file.Reader())
	if err != nil {
		return notGo(path, p.path, err)
	}
	p.info = info
	if p.file.Machine != elf.EM_X86_64 || p.file.Class != elf.ELFCLASS64 {
		return recording.Errorf(recording.CodeUnsupported, "%s is for %s, smiley records linux/amd64", path, machine(p.file.File)).
			WithHint("build it with GOOS=linux GOARCH=amd64")
	}
	if mode := buildMode(info); mode != "" {
		return notAProgram(path, mode)
	}
	tooOld := func(cause error) error {
		return recording.Errorf(recording.CodeUnsupported, "%s: its function table cannot be read (built by %s): %w",
			path, info.GoVersion, cause).WithHint("build it with Go 1.20 or later")
	}
	section := p.file.Section(".gopclntab")
	if section == nil {
		section = p.file.Section(".data.rel.ro.gopclntab")
	}
	if section == nil {
		return tooOld(pclntab.ErrDamaged)
	}
	data, err := p.file.Data(section)
	if err != nil {
		return tooOld(err)
	}
	if p.module, err = p.image.findModuledata(section.Addr); err != nil {
		return tooOld(err)
	}
	if p.lines, err = pclntab.Parse(data, p.module.text); err != nil {
		return tooOld(err)
	}
	p.list = p.lines.Functions()
	read(p)
	p.file.Forget()                    // most of it is not looked at before the program runs, or ever
	debug, _ := debuginfo.Open(p.file) // without it, values are not recorded
	p.file.Forget()                    // as a rule it was compressed
	p.debug = newDebugInfo(debug)
	p.types = newTypeTable(p.debug, p.image, p.module)
	return nil
}

// buildMode is how the binary was built when that makes no program: "plugin", "c-shared" and the like.
func buildMode(info *buildinfo.BuildInfo) string {
	for _, s := range info.Settings {
		if s.Key == "-buildmode" && s.Value != "exe" && s.Value != "pie" {
			return s.Value
		}
	}
	return ""
}

// machine names the architecture of a file as Go does where it can.
func machine(f *elf.File) string {
	switch f.Machine {
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_386:
		return "386"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_RISCV:
		return "riscv64"
	}
	return strings.ToLower(strings.TrimPrefix(f.Machine.String(), "EM_"))
}

// Close releases the file.
func (p *Program) Close() error {
	return p.file.Close()
}

// Path returns the absolute path of the binary.
func (p *Program) Path() string { return p.path }

// EntryPoint returns the address of the file at which the program begins.
func (p *Program) EntryPoint() uint64 { return p.file.Entry }

// BuildInfo returns what the linker noted: Go version, modules, settings. It is never nil.
func (p *Program) BuildInfo() *buildinfo.BuildInfo { return p.info }

// Stripped reports whether the binary has no DWARF: its functions can be traced, their values cannot be read.
func (p *Program) Stripped() bool { return p.debug == nil }

// SetBias sets what the loader added to the addresses of a position-independent binary: address in memory − address in
// the file. 0 for others. Symbols and plans handed out before keep the old bias.
func (p *Program) SetBias(bias uint64) { p.bias = bias }

// Types returns the run's type table. It grows as plans are made and values of new types are met.
func (p *Program) Types() *recording.Types { return p.types.all }

// FunctionContaining returns the function whose code holds pc; false outside Go code.
func (p *Program) FunctionContaining(pc uint64) (Symbol, bool) {
	i, ok := pclntab.Find(p.list, pc-p.bias)
	if !ok {
		return Symbol{}, false
	}
	return p.symbolOf(i), true
}

// LineAt returns the source position of the instruction at pc; line 0 outside Go code.
func (p *Program) LineAt(pc uint64) (file string, line int) {
	pc -= p.bias
	i, ok := pclntab.Find(p.list, pc)
	if !ok {
		return "", 0
	}
	f := &p.list[i]
	return p.lines.File(f, pc), p.lines.Line(f, pc)
}

// Lookup returns the address of a function or variable by its linker symbol or Go name, e.g. "runtime.gopanic"; false
// when the binary does not have it or does not say.
func (p *Program) Lookup(name string) (uint64, bool) {
	if addr, ok := p.image.symbol(name); ok {
		return addr + p.bias, true
	}
	for i := range p.list {
		if p.list[i].Name == name {
			return p.list[i].Entry + p.bias, true
		}
	}
	return 0, false
}
