package analysis

import (
	"strings"

	"smiley/recording"
)

// names reports whether a pattern names a function of a recording, or its package, as people write it: beside the full name
// "price.Parse" does for "example.com/m/price.Parse" and "Add" for "main.(*Cart).Add".
func names(p recording.Pattern, f *recording.Function) bool {
	return p.Match(f.Package, f.Name) || p.MatchName(ShortName(f.Name)) || p.MatchName(lastPart(f.Name, f.Package))
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
