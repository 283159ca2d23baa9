package analysis

import (
	"regexp"
	"strings"

	"smiley/recording"
)

// Pattern chooses functions of a recording by name: an import path, a full function name, or the last part of one, with "..."
// standing for any text as in go list. A generic function's type arguments need not be written.
type Pattern struct {
	text       string
	expression *regexp.Regexp
}

// String returns the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// wildcard finds the quoted "...". Of four dots, as in "main....", the first stands for itself.
var wildcard = regexp.MustCompile(`((?:\\\.)?)\\\.\\\.\\\.`)

// ParsePattern compiles a pattern. It fails with CodeInvalid when the pattern cannot match anything.
func ParsePattern(text string) (*Pattern, error) {
	if strings.TrimSpace(text) == "" || strings.ContainsAny(text, " \t\n") {
		return nil, recording.Errorf(recording.CodeInvalid, "bad pattern %q: it is empty or holds white space", text).
			WithHint(`write a function ("main.(*Cart).Add", "Add") or a package ("example.com/m/...")`)
	}
	if strings.Contains(strings.ReplaceAll(text, "(*", ""), "*") {
		return nil, recording.Errorf(recording.CodeInvalid, "bad pattern %q: it holds a wildcard other than \"...\"", text).
			WithHint(`write "..." where any text may stand, e.g. "main...."`)
	}
	quoted := wildcard.ReplaceAllString(regexp.QuoteMeta(withoutTypeArguments(text)), `$1.*`)
	if head, ok := strings.CutSuffix(quoted, "/.*"); ok {
		quoted = head + "(/.*)?"
	}
	expression, err := regexp.Compile("^(?:" + quoted + ")$")
	if err != nil {
		return nil, recording.Errorf(recording.CodeInvalid, "bad pattern %q: %w", text, err)
	}
	return &Pattern{text: text, expression: expression}, nil
}

// Match reports whether the pattern names the function, its package, or the function as people write it: "price.Parse" for
// "example.com/m/price.Parse", "Add" for "main.(*Cart).Add".
func (p *Pattern) Match(f *recording.Function) bool {
	name := withoutTypeArguments(f.Name)
	return p.expression.MatchString(f.Package) || p.expression.MatchString(name) ||
		p.expression.MatchString(ShortName(name)) || p.expression.MatchString(lastPart(name, f.Package))
}

// ShortName returns a full function name without the directories of its package: "price.Parse" for
// "example.com/m/price.Parse".
func ShortName(name string) string {
	// Slashes behind a parenthesis or bracket belong to the name of a type.
	end := len(name)
	if i := strings.IndexAny(name, "(["); i >= 0 {
		end = i
	}
	return name[strings.LastIndexByte(name[:end], '/')+1:]
}

// lastPart returns the function's own name: "Add" of "main.(*Cart).Add", "serve.func1" of "main.serve.func1".
func lastPart(name, pkg string) string {
	own := strings.TrimPrefix(name, pkg+".")
	if _, method, ok := strings.Cut(own, ")."); ok {
		return method
	}
	return own
}

// withoutTypeArguments removes what stands in brackets: "main.(*tree[...]).insert" becomes "main.(*tree).insert".
func withoutTypeArguments(name string) string {
	if !strings.Contains(name, "[") {
		return name
	}
	var out strings.Builder
	depth := 0
	for _, r := range name {
		switch {
		case r == '[':
			depth++
		case r == ']' && depth > 0:
			depth--
		case depth == 0:
			out.WriteRune(r)
		}
	}
	return out.String()
}
