package analysis

import (
	"strings"

	"smiley/recording"
)

// names reports whether a pattern names a function of a recording, or its package, as people write it: beside the full name
// "price.Parse" does for "example.com/m/price.Parse", and "Add", "(*Cart).Add", "Cart.Add" and "Cart" do for "main.(*Cart).Add".
func names(p recording.Pattern, f *recording.Function) bool {
	if p.Match(f.Package, f.Name) || p.MatchName(ShortName(f.Name)) {
		return true
	}
	own := strings.TrimPrefix(f.Name, f.Package+".")
	receiver, method := methodOf(own)
	return p.MatchName(own) || p.MatchName(method) || receiver != "" && (p.MatchName(receiver) || p.MatchName(receiver+"."+method))
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

// methodOf takes a function's name without its package apart: the type that it is a method of, without what marks a pointer, "" when it is
// no method of one, and its own name. "Cart" and "Add" of "(*Cart).Add", "Cart" and "Sum" of "Cart.Sum", "" and "serve.func1" of
// "serve.func1".
func methodOf(own string) (receiver, method string) {
	if receiver, method, ok := strings.Cut(own, ")."); ok {
		return strings.TrimPrefix(receiver, "(*"), method
	}
	depth := 0 // of type arguments, which have dots of their own
	for i, r := range own {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		case '.':
			if depth == 0 && isClosure(own[i+1:]) {
				return "", own
			}
			if depth == 0 {
				return own[:i], own[i+1:]
			}
		}
	}
	return "", own
}

// isClosure reports whether the compiler made a name up for a function literal: "func1", "func2.1", "gowrap3".
func isClosure(name string) bool {
	name, _, _ = strings.Cut(name, ".")
	for _, made := range []string{"func", "gowrap", "deferwrap"} {
		if digits, ok := strings.CutPrefix(name, made); ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
			return true
		}
	}
	return false
}
