package analysis

import (
	"errors"
	"testing"

	"smiley/recording"
)

func TestParseMoment(t *testing.T) {
	for text, want := range map[string]Moment{
		"":      {},
		"0":     {Set: true},
		"0s":    {Set: true},
		"1.5s":  {Time: 1_500_000_000, Set: true},
		"250ms": {Time: 250_000_000, Set: true},
		"#1204": {Seq: 1204, Set: true},
	} {
		got, err := parseMoment(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"-1s", "#0", "#-1", "#", "12", "soon", "#1.5"} {
		_, err := parseMoment(text)
		var e *recording.Error
		if !errors.As(err, &e) || e.Code != recording.CodeInvalid || e.Hint == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestShorten(t *testing.T) {
	ids := []string{
		"0193c8f2-7a5e-7000-8000-000000000001",
		"0193c8f2-7a5e-7000-8000-000000000002",
		"0193c8f2-7b00-7000-8000-000000000000",
		"0200aaaa-0000-7000-8000-000000000000",
	}
	want := []string{ids[0], ids[1], "0193c8f2-7b00", "0200aaaa-0000"}
	short := shorten(ids)
	for i, id := range ids {
		if short[id] != want[i] {
			t.Errorf("%s is shortened to %s, want %s", id, short[id], want[i])
		}
	}
}

func TestFindFile(t *testing.T) {
	files := []File{{Name: "/home/gopher/shop/cart.go"}, {Name: "/home/gopher/shop/price/price.go"}, {Name: "/home/gopher/admin/cart.go"}}
	for name, want := range map[string]string{
		"price.go": "/home/gopher/shop/price/price.go", "price/price.go": "/home/gopher/shop/price/price.go",
		"shop/cart.go": "/home/gopher/shop/cart.go", "/home/gopher/admin/cart.go": "/home/gopher/admin/cart.go",
		"./price/price.go": "/home/gopher/shop/price/price.go",
	} {
		got, err := findFile(files, name)
		if err != nil || got.Name != want {
			t.Errorf("%s: %s, %v", name, got.Name, err)
		}
	}
	for name, want := range map[string]recording.Code{
		"cart.go": recording.CodeAmbiguous, "rt.go": recording.CodeNotFound, "nothing.go": recording.CodeNotFound,
	} {
		if _, err := findFile(files, name); recording.CodeOf(err) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
