package tracer

import (
	"slices"
	"strings"
	"testing"

	"smiley/recording"
)

// symbolsOfProgram is what the filters are tried on.
var symbolsOfProgram = []Symbol{
	{Name: "main.main", Package: "main", Origin: OriginMain},
	{Name: "main.leaf", Package: "main", Origin: OriginMain},
	{Name: "main.leaf.func1", Package: "main", Origin: OriginMain},
	{Name: "main.(*Cart).Add", Package: "main", Origin: OriginMain},
	{Name: "main.Map[...]", Package: "main", Origin: OriginMain},
	{Name: "main.(*Stack[...]).Push", Package: "main", Origin: OriginMain},
	{Name: "main.asm", Package: "main", Origin: OriginMain, Reason: "assembly"},
	{Name: "main.(*T).wrapper", Package: "main", Origin: OriginMain, NotCode: true},
	{Name: "example.com/m/store.Open", Package: "example.com/m/store", Origin: OriginMain},
	{Name: "example.com/m/store/sql.Query", Package: "example.com/m/store/sql", Origin: OriginMain},
	{Name: "example.com/dep.Run", Package: "example.com/dep", Origin: OriginDependency},
	{Name: "example.com/dep.asm", Package: "example.com/dep", Origin: OriginDependency, Reason: "assembly"},
	{Name: "strings.Index", Package: "strings", Origin: OriginStandard},
	{Name: "encoding/json.(*Decoder).Decode", Package: "encoding/json", Origin: OriginStandard},
	{Name: "runtime.mallocgc", Package: "runtime", Origin: OriginStandard, Reason: "part of the Go runtime"},
}

func TestFilter(t *testing.T) {
	own := []string{
		"main.main", "main.leaf", "main.leaf.func1", "main.(*Cart).Add", "main.Map[...]", "main.(*Stack[...]).Push",
		"example.com/m/store.Open", "example.com/m/store/sql.Query",
	}
	for _, test := range []struct {
		name     string
		opt      Options
		traced   []string
		untraced []string // with the reason
	}{
		{"the main module", Options{}, own, []string{"main.asm: assembly"}},
		{"one function", Options{Include: []string{"main.leaf"}}, []string{"main.leaf"}, nil},
		{"a function and its closures", Options{Include: []string{"main.leaf..."}}, []string{"main.leaf", "main.leaf.func1"}, nil},
		{"a method", Options{Include: []string{"main.(*Cart).Add"}}, []string{"main.(*Cart).Add"}, nil},
		{"a generic function", Options{Include: []string{"main.Map", "main.(*Stack[...]).Push"}}, []string{"main.Map[...]", "main.(*Stack[...]).Push"}, nil},
		{"a package", Options{Include: []string{"example.com/m/store"}}, []string{"example.com/m/store.Open"}, nil},
		{"a tree of packages", Options{Include: []string{"example.com/m/..."}}, []string{"example.com/m/store.Open", "example.com/m/store/sql.Query"}, nil},
		{"four dots", Options{Include: []string{"main.l...."}}, nil, nil},
		{"dependencies", Options{IncludeDeps: true, Exclude: []string{"main", "example.com/m/..."}}, []string{"example.com/dep.Run"}, nil},
		{"one function of a dependency", Options{Include: []string{"example.com/dep.asm"}}, nil, []string{"example.com/dep.asm: assembly"}},
		{"the standard library", Options{IncludeStdlib: true, Include: []string{"main.leaf"}}, []string{"main.leaf", "strings.Index", "encoding/json.(*Decoder).Decode"}, nil},
		{"the runtime", Options{Include: []string{"runtime.mallocgc"}}, nil, []string{"runtime.mallocgc: part of the Go runtime"}},
		{"all but", Options{Exclude: []string{"main.leaf...", "example.com/m/store", "main.asm"}}, []string{"main.main", "main.(*Cart).Add", "main.Map[...]", "main.(*Stack[...]).Push", "example.com/m/store/sql.Query"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := newFilter(&test.opt)
			if err != nil {
				t.Fatal(err)
			}
			traced, untraced, err := f.choose(symbolsOfProgram, func(e *recording.Error) { t.Error("warning:", e) })
			if test.name == "four dots" {
				if recording.CodeOf(err) != recording.CodeNotFound {
					t.Fatalf("main.l.... matches %v", traced)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var names, reasons []string
			for _, s := range traced {
				names = append(names, s.Name)
			}
			for _, s := range untraced {
				reasons = append(reasons, s.Name+": "+s.Reason)
			}
			if !slices.Equal(names, test.traced) || !slices.Equal(reasons, test.untraced) {
				t.Errorf("traced %q, not %q", names, reasons)
			}
		})
	}
}

// TestFilterSaysWhich checks that a pattern which cannot mean anything, or means nothing here, is named, with a hint.
func TestFilterSaysWhich(t *testing.T) {
	for pattern, code := range map[string]recording.Code{
		"":                 recording.CodeInvalid,
		"main.*":           recording.CodeInvalid,
		"main.(*Cart.Add":  recording.CodeInvalid,
		"main.Cart).Add":   recording.CodeInvalid,
		"./store":          recording.CodeInvalid,
		"/usr/lib":         recording.CodeInvalid,
		"main leaf":        recording.CodeInvalid,
		"main.....":        recording.CodeInvalid,
		"main.l?af":        recording.CodeInvalid,
		"main.nowhere":     recording.CodeNotFound,
		"store.open":       recording.CodeNotFound,
		"example.com/x...": recording.CodeNotFound,
	} {
		var failure error
		f, err := newFilter(&Options{Include: []string{"main.main", pattern}})
		if failure = err; err == nil {
			_, _, failure = f.choose(symbolsOfProgram, func(*recording.Error) {})
		}
		e, ok := failure.(*recording.Error)
		if !ok || e.Code != code || e.Hint == "" || !strings.Contains(e.Message, `"`+pattern+`"`) {
			t.Errorf("%q: %v", pattern, failure)
		}
	}
	for pattern, near := range map[string]string{
		"main.leef": "main.leaf", "main.laef": "main.leaf", "main.lea": "main.leaf", "main.leaff": "main.leaf", "Main.Leaf": "main.leaf",
		"leaf": "main.leaf", "main.(*Cart).Ad": "main.(*Cart).Add", "main.Mapp": "main.Map[...]", "main.Stack.Push": "main.(*Stack[...]).Push",
		"main.lxxf": "", "strings.leef": "",
	} {
		f, err := newFilter(&Options{Include: []string{pattern}})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = f.choose(symbolsOfProgram, func(*recording.Error) {})
		e, ok := err.(*recording.Error)
		if !ok || (near != "") != (e.Hint == "the program has "+near) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	f, err := newFilter(&Options{Exclude: []string{"main.nowhere"}})
	if err != nil {
		t.Fatal(err)
	}
	var warnings []string
	if _, _, err := f.choose(symbolsOfProgram, func(e *recording.Error) { warnings = append(warnings, e.Message) }); err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], `"main.nowhere"`) {
		t.Errorf("warnings %q", warnings)
	}
}
