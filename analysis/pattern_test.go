package analysis

import (
	"testing"

	"smiley/recording"
)

func TestPatternMatches(t *testing.T) {
	functions := map[string]recording.Function{
		"add":     {Name: "main.(*Cart).Add", Package: "main"},
		"parse":   {Name: "example.com/m/price.Parse", Package: "example.com/m/price"},
		"insert":  {Name: "main.(*tree[...]).insert", Package: "main"},
		"walk":    {Name: "main.walk[go.shape.string]", Package: "main"},
		"closure": {Name: "main.serve.func1", Package: "main"},
		"value":   {Name: "main.Cents.String", Package: "main"},
		"pair":    {Name: "main.pair[go.shape.int].sum", Package: "main"},
	}
	for _, row := range []struct {
		pattern string
		matches []string
	}{
		{"main", []string{"add", "insert", "walk", "closure", "value", "pair"}},
		{"Add", []string{"add"}},
		{"(*Cart).Add", []string{"add"}},
		{"Cart.Add", []string{"add"}},
		{"Cart", []string{"add"}},
		{"Cart.Remove", nil},
		{"tree", []string{"insert"}},
		{"(*tree).insert", []string{"insert"}},
		{"tree.insert", []string{"insert"}},
		{"Cents", []string{"value"}},
		{"Cents.String", []string{"value"}},
		{"String", []string{"value"}},
		{"serve", nil},
		{"pair.sum", []string{"pair"}},
		{"sum", []string{"pair"}},
		{"main.(*Cart).Add", []string{"add"}},
		{"main.(*Cart)....", []string{"add"}},
		{"example.com/m/...", []string{"parse"}},
		{"example.com/m/price/...", []string{"parse"}},
		{"example.com/...", []string{"parse"}},
		{"Parse", []string{"parse"}},
		{"price.Parse", []string{"parse"}},
		{"m/price.Parse", nil},
		{"...price.Parse", []string{"parse"}},
		{"main.(*tree).insert", []string{"insert"}},
		{"main.(*tree[...]).insert", []string{"insert"}},
		{"walk", []string{"walk"}},
		{"serve.func1", []string{"closure"}},
		{"main.serve...", []string{"closure"}},
		{"ain", nil},
		{"mainXserve.func1", nil},
		{"...", []string{"add", "parse", "insert", "walk", "closure", "value", "pair"}},
	} {
		p, err := recording.ParsePattern(row.pattern)
		if err != nil {
			t.Errorf("%s: %v", row.pattern, err)
			continue
		}
		want := map[string]bool{}
		for _, name := range row.matches {
			want[name] = true
		}
		for name, f := range functions {
			if got := names(p, &f); got != want[name] {
				t.Errorf("pattern %s, function %s: matches is %v", row.pattern, f.Name, got)
			}
		}
	}
}

func TestShortName(t *testing.T) {
	for name, want := range map[string]string{
		"main.main": "main.main", "example.com/m/price.Parse": "price.Parse", "example.com/m.(*T).F": "m.(*T).F",
		"example.com/m.Map[go.shape.string,example.com/m/x.T]": "m.Map[go.shape.string,example.com/m/x.T]", "": "",
	} {
		if got := ShortName(name); got != want {
			t.Errorf("%s becomes %s, want %s", name, got, want)
		}
	}
}
