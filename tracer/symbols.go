package tracer

import (
	"maps"
	"path"
	"slices"
	"strings"

	"smiley/tracer/pclntab"
	places "smiley/tracer/probe/site"
)

// Origin says where a function's package comes from.
type Origin uint8

const (
	OriginMain       Origin = iota // the main module: the person's own code
	OriginDependency               // another module
	OriginStandard                 // the standard library
)

// Symbol is a function of the program. Several may share a name: the instances of a generic function.
type Symbol struct {
	Name    string // as people write it: "main.(*Cart).Add", "main.Map[...]", "main.main.func1"
	Package string // import path
	Origin  Origin
	File    string // as the binary names it; "" when it does not
	Line    int    // of the func keyword
	Entry   uint64 // 0: there is no code of its own
	End     uint64
	// Reason says why the function cannot be traced, "" when it can. NotCode says that the person never wrote
	// it (wrappers and other things the compiler makes), so that its absence is no loss.
	Reason  string
	NotCode bool

	index int // in the function table
}

// refused returns a copy of s with the reason why it cannot be traced in one way. In another it may be.
func (s *Symbol) refused(reason string) Symbol {
	other := *s
	other.Reason = reason
	return other
}

// Functions returns every function, by entry address; those of the main module that were inlined everywhere, which have
// no code of their own, come last. The list is the caller's: of a large program it takes more memory than all else that is known of the functions.
func (p *Program) Functions() []Symbol {
	inlined := p.inlined()
	all := make([]Symbol, len(p.list), len(p.list)+len(inlined))
	for i := range all {
		all[i] = p.symbolOf(i)
		delete(inlined, all[i].Name) // of a generic function another instance may have code
	}
	for _, name := range slices.Sorted(maps.Keys(inlined)) {
		all = append(all, inlined[name])
	}
	return all
}

// symbolOf returns a function of the function table, at its address in the running program.
func (p *Program) symbolOf(i int) Symbol {
	if p.origin == nil {
		p.wrapper, p.origin = wrapperID(p.list), p.origins()
	}
	f := &p.list[i]
	s := Symbol{
		Name: plainName(f.Name), Package: packageOf(f.Name), File: f.File, Line: f.Line,
		Entry: f.Entry, End: f.End, index: i,
	}
	s.Origin = p.origin(s.Package)
	s.Reason, s.NotCode = p.untraceable(f, &s)
	if s.Entry != 0 { // else it has no code
		s.Entry += p.bias
		s.End += p.bias
	}
	return s
}

// wrapperID returns the function id that this Go version gives to what the compiler made by itself, such as the function that a
// go statement starts, of which the runtime has some; 0 when there is none. Some of these, such as what gives a generic method that is
// called through an interface its type arguments, have the name and the line of what somebody wrote.
func wrapperID(list []pclntab.Function) uint8 {
	for i := range list {
		if f := &list[i]; f.ID != 0 && (strings.Contains(f.Name, ".gowrap") || strings.Contains(f.Name, ".deferwrap")) {
			return f.ID
		}
	}
	return 0
}

// packageOf returns the import path in a function's full name; "" when it has none.
func packageOf(name string) string {
	end := len(name)
	if i := strings.IndexByte(name, '['); i >= 0 { // type arguments may hold paths of their own
		end = i
	}
	slash := strings.LastIndexByte(name[:end], '/') + 1
	dot := strings.IndexByte(name[slash:end], '.')
	if dot < 0 {
		return ""
	}
	return unescape(name[:slash+dot])
}

// unescape undoes what the linker does to dots and other bytes in the last element of an import path.
func unescape(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '%' && i+2 < len(name) {
			if hi, lo := hexDigit(name[i+1]), hexDigit(name[i+2]); hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func hexDigit(c byte) int { return strings.IndexByte("0123456789abcdef", c) }

// origins returns a function that tells where a package comes from.
func (p *Program) origins() func(string) Origin {
	main := p.info.Main.Path
	if main == "" { // built from files, or by other means than the go command
		main = strings.TrimSuffix(p.info.Path, ".test") // what is tested of the standard library belongs to no module
	}
	dependencies := make([]string, 0, len(p.info.Deps))
	for _, d := range p.info.Deps {
		dependencies = append(dependencies, d.Path)
	}
	known := map[string]Origin{}
	return func(pkg string) Origin {
		if o, ok := known[pkg]; ok {
			return o
		}
		o := OriginStandard
		// The longest module path wins: modules lie in each other's directories.
		best := -1
		for _, d := range dependencies {
			if inModule(pkg, d) && len(d) > best {
				best, o = len(d), OriginDependency
			}
		}
		base, _, _ := strings.Cut(pkg, "_test") // a test binary's external test package
		if pkg == "main" || main != "" && len(main) > best && (inModule(pkg, main) || inModule(base, main)) {
			o = OriginMain
		}
		if o == OriginStandard && main != "" && main != "std" && main != "cmd" && strings.Contains(firstElement(pkg), ".") {
			o = OriginDependency // vendored, or the binary does not list its modules
		}
		known[pkg] = o
		return o
	}
}

func inModule(pkg, module string) bool {
	return pkg == module || strings.HasPrefix(pkg, module) && pkg[len(module)] == '/'
}

func firstElement(pkg string) string {
	first, _, _ := strings.Cut(pkg, "/")
	return first
}

// untraceable says why a function cannot be traced, and whether nobody wrote it.
func (p *Program) untraceable(f *pclntab.Function, s *Symbol) (reason string, notCode bool) {
	switch {
	case s.Package == "" || strings.HasPrefix(f.Name, "type:") || strings.HasPrefix(f.Name, "go:"):
		return "not a Go function", true
	case f.Assembly:
		return "assembly", false
	case f.File == "<autogenerated>" || p.wrapper != 0 && f.ID == p.wrapper:
		return "made by the compiler", true
	case !strings.HasSuffix(f.File, ".go"):
		return "not written in Go", true
	case path.Base(f.File) == "_cgo_gotypes.go" || strings.Contains(f.Name, "._cgoexp") || strings.Contains(f.Name, "._Cfunc"):
		return "made by cgo", true
	}
	local := f.Name[strings.LastIndexByte(cutArguments(f.Name), '/')+1:]
	_, local, _ = strings.Cut(local, ".")
	switch {
	case local == "init" || strings.HasPrefix(local, "map.init."):
		return "made by the compiler: initial values of variables", true
	case strings.HasSuffix(local, "-fm") || strings.Contains(local, ".gowrap") || strings.Contains(local, ".deferwrap"):
		return "made by the compiler", true
	case isRuntime(s.Package) || places.InHandlers(f.Name):
		return "part of the Go runtime", false
	}
	return "", false
}

// cutArguments returns a function's name up to its type arguments.
func cutArguments(name string) string {
	before, _, _ := strings.Cut(name, "[")
	return before
}

// isRuntime reports whether a package's functions run where no goroutine may be stopped, or check their own code.
func isRuntime(pkg string) bool {
	switch pkg {
	case "runtime/debug", "runtime/pprof", "runtime/trace", "runtime/metrics":
		return false
	case "reflect/internal/abi":
		return true
	}
	return places.RuntimeOwn(pkg) || strings.HasPrefix(pkg, "crypto/internal/fips140")
}
