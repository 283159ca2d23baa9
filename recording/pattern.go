package recording

import (
	"regexp"
	"strings"
)

// Pattern chooses functions by an import path or a full function name. "..." matches any text, and "x/..." also matches x, as
// in go list. The type arguments of a generic function need not be written.
type Pattern struct {
	text       string
	expression *regexp.Regexp
}

// ParsePattern compiles a pattern. Its errors are CodeInvalid, name the pattern and say what would do.
func ParsePattern(text string) (Pattern, error) {
	if reason, hint := patternDefect(text); reason != "" {
		return Pattern{}, Errorf(CodeInvalid, "bad pattern %q: %s", text, reason).WithHint("%s", hint)
	}
	// "main...." is "main." followed by the wildcard.
	const wild = "\x00"
	marked := strings.ReplaceAll(withoutTypeArguments(text), "....", "."+wild)
	marked = strings.ReplaceAll(marked, "...", wild)
	expression := strings.ReplaceAll(regexp.QuoteMeta(marked), wild, ".*")
	if tree, ok := strings.CutSuffix(expression, "/.*"); ok {
		expression = tree + "(/.*)?"
	}
	compiled, err := regexp.Compile("^(?:" + expression + ")$")
	if err != nil {
		return Pattern{}, Errorf(CodeInvalid, "bad pattern %q: %w", text, err)
	}
	return Pattern{text, compiled}, nil
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern names the function or its package.
func (p Pattern) Match(pkg, function string) bool {
	return p.expression.MatchString(pkg) || p.MatchName(function)
}

// MatchName reports whether the pattern matches a name, with its type arguments or without.
func (p Pattern) MatchName(name string) bool {
	return p.expression.MatchString(name) || p.expression.MatchString(withoutTypeArguments(name))
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
	case strings.Count(text, "[") != strings.Count(text, "]"):
		return "unbalanced brackets", example
	case withoutTypeArguments(text) == "":
		return "it has nothing but type arguments", example
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
