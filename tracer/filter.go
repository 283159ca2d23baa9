package tracer

import (
	"slices"
	"strings"

	"smiley/recording"
)

// packagePattern returns the part of a pattern that names packages, in go list's terms, for the compiler's flags; "" when
// there is none worth naming.
func packagePattern(p recording.Pattern) string {
	text := p.String()
	slash := strings.LastIndex(text, "/")
	head, tail := text[:slash+1], text[slash+1:]
	if tail == "..." {
		return text
	}
	if dot := strings.Index(tail, "."); dot >= 0 {
		tail = tail[:dot]
	}
	if tail == "" || head+tail == "main" {
		return ""
	}
	return head + tail
}

// filter chooses the functions of a run.
type filter struct {
	include, exclude []recording.Pattern
	lines            []recording.Pattern // functions that are recorded line by line
	deps, stdlib     bool
	built            bool // the program was built for this run, without inlining
}

// newFilter checks the patterns of the options.
func newFilter(opt *Options) (*filter, error) {
	f := &filter{deps: opt.IncludeDeps, stdlib: opt.IncludeStdlib}
	for _, list := range []struct {
		texts []string
		dst   *[]recording.Pattern
	}{{opt.Include, &f.include}, {opt.Exclude, &f.exclude}, {opt.Lines, &f.lines}} {
		for _, text := range list.texts {
			p, err := recording.ParsePattern(text)
			if err != nil {
				return nil, err
			}
			*list.dst = append(*list.dst, p)
		}
	}
	return f, nil
}

// choose returns the functions to trace and those that were asked for by name or by belonging to the person's code but
// cannot be traced: their Reason says why. Unused patterns are reported: an include that matches nothing is an
// error, an exclude a warning.
func (f *filter) choose(symbols []Symbol, warn func(*recording.Error)) (traced, untraced []Symbol, err error) {
	used := map[string]bool{}
	matches := func(list []recording.Pattern, sym *Symbol) bool {
		found := false
		for _, p := range list {
			if p.Match(sym.Package, sym.Name) {
				used[p.String()] = true
				found = true
			}
		}
		return found
	}
	var found []int // positions: most symbols of a large program are not wanted, or all of them
	for i := range symbols {
		sym := &symbols[i]
		named := matches(f.include, sym)
		named = matches(f.lines, sym) || named
		excluded := matches(f.exclude, sym)
		if excluded || sym.NotCode || (!named && !f.byOrigin(sym)) {
			continue
		}
		if sym.Reason == "" {
			found = append(found, i)
		} else if sym.Origin == OriginMain || named { // nobody means the runtime with --include-stdlib
			untraced = append(untraced, *sym)
		}
	}
	traced = make([]Symbol, 0, len(found))
	for _, i := range found {
		traced = append(traced, symbols[i])
	}
	for _, p := range slices.Concat(f.include, f.lines) {
		if !used[p.String()] {
			return nil, nil, f.unmatched(p, symbols)
		}
	}
	for _, p := range f.exclude {
		if !used[p.String()] {
			warn(recording.Errorf(recording.CodeNotFound, "the pattern %q excludes nothing: no function or package of the program matches it", p.String()))
		}
	}
	return traced, untraced, nil
}

// byLine reports whether a function is recorded line by line.
func (f *filter) byLine(sym *Symbol) bool {
	return slices.ContainsFunc(f.lines, func(p recording.Pattern) bool { return p.Match(sym.Package, sym.Name) })
}

// divide separates the functions that are recorded line by line from the others.
func (f *filter) divide(symbols []Symbol) (whole, lined []Symbol) {
	if len(f.lines) == 0 {
		return symbols, nil
	}
	for i := range symbols {
		if f.byLine(&symbols[i]) {
			lined = append(lined, symbols[i])
		} else {
			whole = append(whole, symbols[i])
		}
	}
	return whole, lined
}

// named reports whether the person asked for this very function, not for all of a package or of a group.
func (f *filter) named(sym *Symbol) bool {
	for _, p := range f.include {
		if !strings.Contains(p.String(), "...") && p.MatchName(sym.Name) {
			return true
		}
	}
	return false
}

// asked reports whether a pattern of the person's matches a function.
func (f *filter) asked(sym *Symbol) bool {
	return slices.ContainsFunc(f.include, func(p recording.Pattern) bool { return p.Match(sym.Package, sym.Name) })
}

func (f *filter) byOrigin(sym *Symbol) bool {
	switch sym.Origin {
	case OriginMain:
		return len(f.include) == 0
	case OriginDependency:
		return f.deps
	case OriginStandard:
		return f.stdlib
	}
	return false
}

// unmatched is the error for an include that names nothing, with the names that come near.
func (f *filter) unmatched(p recording.Pattern, symbols []Symbol) error {
	at := strings.LastIndexAny(p.String(), "./") + 1
	head, last := p.String()[:at], p.String()[at:]
	var near, mistyped []string
	for i := range symbols {
		name := strings.ReplaceAll(symbols[i].Name, "[...]", "")
		at := strings.LastIndexByte(name, '.') + 1
		switch {
		case last == "":
		case strings.EqualFold(name[at:], last):
			near = append(near, symbols[i].Name)
		case name[:at] == head && alike(name[at:], last):
			mistyped = append(mistyped, symbols[i].Name)
		}
	}
	if len(near) == 0 {
		near = mistyped
	}
	near = near[:min(len(near), 3)]
	err := recording.Errorf(recording.CodeNotFound, "the pattern %q matches no function and no package of the program", p.String())
	if len(near) > 0 {
		return err.WithHint("the program has %s", strings.Join(near, ", "))
	}
	if f.built {
		return err.WithHint("a function that nothing calls is not in the program; a pattern is the name of a function (main.parse) or a package (example.com/m/store), %q standing for any text", "...")
	}
	return err.WithHint("a function that was inlined everywhere, or that nothing calls, is not in the binary; give smiley the package instead, or build it with -gcflags=all=-l")
}

// alike reports whether a word is another one with a single mistake: a letter too many, missing, wrong, or exchanged with the next.
func alike(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	same := 0
	for same < len(a) && a[same] == b[same] {
		same++
	}
	a, b = a[same:], b[same:]
	switch {
	case len(a) < len(b):
		return a == b[1:]
	case len(a) > 1 && a[0] == b[1] && a[1] == b[0]:
		return a[2:] == b[2:]
	}
	return a == "" || a[1:] == b[1:]
}
