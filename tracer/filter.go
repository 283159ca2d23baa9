package tracer

import (
	"regexp"
	"strings"

	"smiley/recording"
)

// pattern is one --include or --exclude.
type pattern struct {
	text string
	re   *regexp.Regexp
}

// parsePattern compiles a pattern over import paths and full function names. "..." matches any text, and "x/..." also
// matches x, as in go list.
func parsePattern(text string) (pattern, error) {
	if reason, hint := patternDefect(text); reason != "" {
		return pattern{}, recording.Errorf(recording.CodeInvalid, "bad pattern %q: %s", text, reason).WithHint("%s", hint)
	}
	// "main...." is "main." followed by the wildcard.
	const wild = "\x00"
	marked := strings.ReplaceAll(withoutTypeArgs(text), "....", "."+wild)
	marked = strings.ReplaceAll(marked, "...", wild)
	expr := strings.ReplaceAll(regexp.QuoteMeta(marked), wild, ".*")
	if strings.HasSuffix(expr, "/.*") {
		expr = strings.TrimSuffix(expr, "/.*") + "(/.*)?"
	}
	re, err := regexp.Compile("^" + expr + "$")
	if err != nil {
		return pattern{}, recording.Errorf(recording.CodeInvalid, "bad pattern %q: %w", text, err)
	}
	return pattern{text, re}, nil
}

func patternDefect(text string) (reason, hint string) {
	const example = `write an import path ("example.com/m/...") or a function ("main.(*Cart).Add")`
	depth := 0
	for _, r := range text {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth < 0 {
			return "unbalanced parentheses", example
		}
	}
	switch {
	case text == "":
		return "it is empty", example
	case depth != 0:
		return "unbalanced parentheses", example
	case strings.ContainsAny(text, " \t\n\r"):
		return "it holds white space", example
	case strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") || strings.HasPrefix(text, "/"):
		return "it is a file path", example
	case strings.Contains(strings.ReplaceAll(text, "(*", ""), "*") || strings.ContainsAny(text, "?^$|\\\x00"):
		return "it holds a wildcard other than ...", `write "..." where any text may stand, e.g. "main...."`
	case strings.Contains(text, "....."):
		return "too many dots", example
	}
	return "", ""
}

// match reports whether the pattern names the function or its package. The type arguments of a generic function
// need not be written.
func (p pattern) match(sym *Symbol) bool {
	return p.re.MatchString(sym.Package) || p.re.MatchString(sym.Name) || p.re.MatchString(withoutTypeArgs(sym.Name))
}

func withoutTypeArgs(name string) string { return strings.ReplaceAll(name, "[...]", "") }

// packagePattern returns the part of a pattern that names packages, in go list's terms, for the compiler's flags; "" when
// there is none worth naming.
func (p pattern) packagePattern() string {
	text := p.text
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
	include, exclude []pattern
	deps, stdlib     bool
}

// newFilter checks the patterns of the options.
func newFilter(opt *Options) (*filter, error) {
	f := &filter{deps: opt.IncludeDeps, stdlib: opt.IncludeStdlib}
	for _, list := range []struct {
		texts []string
		dst   *[]pattern
	}{{opt.Include, &f.include}, {opt.Exclude, &f.exclude}} {
		for _, text := range list.texts {
			p, err := parsePattern(text)
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
	matches := func(list []pattern, sym *Symbol) bool {
		found := false
		for _, p := range list {
			if p.match(sym) {
				used[p.text] = true
				found = true
			}
		}
		return found
	}
	for i := range symbols {
		sym := &symbols[i]
		named := matches(f.include, sym)
		excluded := matches(f.exclude, sym)
		if excluded || sym.NotCode || (!named && !f.byOrigin(sym)) {
			continue
		}
		if sym.Reason == "" {
			traced = append(traced, *sym)
		} else if sym.Origin == OriginMain || named { // nobody means the runtime with --include-stdlib
			untraced = append(untraced, *sym)
		}
	}
	for _, p := range f.include {
		if !used[p.text] {
			return nil, nil, unmatched(p, symbols)
		}
	}
	for _, p := range f.exclude {
		if !used[p.text] {
			warn(recording.Errorf(recording.CodeNotFound, "the pattern %q excludes nothing: no function or package of the program matches it", p.text))
		}
	}
	return traced, untraced, nil
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
func unmatched(p pattern, symbols []Symbol) error {
	last := p.text[strings.LastIndexAny(p.text, "./")+1:]
	var near []string
	for i := range symbols {
		name := withoutTypeArgs(symbols[i].Name)
		if last != "" && strings.EqualFold(name[strings.LastIndexByte(name, '.')+1:], last) && len(near) < 3 {
			near = append(near, symbols[i].Name)
		}
	}
	err := recording.Errorf(recording.CodeNotFound, "the pattern %q matches no function and no package of the program", p.text)
	if len(near) > 0 {
		return err.WithHint("the program has %s", strings.Join(near, ", "))
	}
	return err.WithHint("a function that was inlined everywhere, or that nothing calls, is not in the binary; give smiley the package instead of the binary to build it without inlining")
}
