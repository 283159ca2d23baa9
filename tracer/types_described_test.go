//go:build linux && amd64

package tracer

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"smiley/recording"
)

// TestTypesThatDWARFDoesNotHave records values that lie in the data of a package and whose types no function mentions.
func TestTypesThatDWARFDoesNotHave(t *testing.T) {
	want := []string{
		"[]main.number{main.number(1), main.number(2)}", "[3]int8{1, 2, 3}", "map[main.number]bool(len 0)",
		"&main.chain{Next: (*main.chain)(0x), Tag: main.number(2), List: nil}",
		"main.chain{Next: nil, Tag: main.number(0), List: []main.chain{main.chain{Next: nil, Tag: main.number(4), List: nil}}}",
		"main.holder{chain: main.chain{Next: nil, Tag: main.number(5), List: nil}, number: &main.number(7), " +
			"In: interface { Area() main.number }(main.number(6)), Any: any([]uint16{8}), _: [0]func(main.chain){}, F: nil, " +
			"Last: [2]struct { X int16; y int16 }{struct { X int16; y int16 }{X: 1, y: 2}, struct { X int16; y int16 }{X: 3, y: 4}}}",
		`struct { Q float32; s string }{Q: 1.5, s: "text"}`, "[]main.chain(nil)", "(*main.holder)(nil)", "(func(main.number) main.list)(nil)",
		"(chan main.chain)(nil)", `main.pair[string,*ring.Ring]{Key: "k", Val: nil}`, "main.list{main.number(9)}", "main.set(nil)",
		"&main.pair[main.number,[]any]{Key: main.number(1), Val: []any{any(main.pair[int8,bool]{Key: 2, Val: true})}}",
		"[1]*main.number{&main.number(7)}", "[][]main.chain{[]main.chain{}}", "[0]main.chain{}",
	}
	for i, v := range want {
		want[i] = "any(" + v + ")"
	}
	failed := []string{`error(*fs.PathError: "open file: file does not exist")`, `error(*strconv.NumError: "strconv.Atoi: parsing \"x\": invalid syntax")`}
	for name, path := range map[string]string{
		"usual":       fixture(t, "tables"),
		"PIE":         fixture(t, "tables", "-buildmode=pie"),
		"unoptimized": fixture(t, "tables", "-gcflags=all=-N -l"),
		"Go 1.25":     built(t, "go1.25.3", "tables"),
		"Go 1.27":     built(t, "go1.27.0", "tables"),
	} {
		t.Run(name, func(t *testing.T) {
			if path == "" {
				t.Skip("this version of Go cannot be had here")
			}
			b := record(t, Options{Target: path, Engine: EngineBreakpoint}).told()
			if got := b["call main.takes"]; !slices.Equal(got, slices.Concat(want, want)) {
				t.Errorf("got\n%s\nwant twice\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if got := b["call main.fails"]; !slices.Equal(got, slices.Concat(failed, failed)) {
				t.Errorf("got\n%s\nwant twice\n%s", strings.Join(got, "\n"), strings.Join(failed, "\n"))
			}
			// All but literal structures are foreseen, so that they can be read from the first moment.
			for key, list := range record(t, Options{Target: path, Engine: EngineProbe}).told() {
				for i, got := range list {
					if literal := strings.HasPrefix(got, "any(struct {") && strings.Contains(got, "not copied"); got != b[key][i] && !literal {
						t.Errorf("%s: %s, with breakpoints %s", key, got, b[key][i])
					}
				}
			}
		})
	}
}

// TestWhatIsNoTypeIsNotTakenForOne: words of a program lead anywhere, also to what looks like the description of a type.
func TestWhatIsNoTypeIsNotTakenForOne(t *testing.T) {
	p := openProgram(t, fixture(t, "tables"))
	found := 0
	for at := uint64(8); at < p.module.etypes-p.module.types; at += 8 {
		d, ok := p.types.readDescribed(at)
		if !ok {
			continue
		}
		found++
		size := map[recording.TypeKind]uint32{
			recording.KindBool: 1, recording.KindInt: 8, recording.KindUint8: 1, recording.KindUint32: 4, recording.KindFloat64: 8,
			recording.KindString: 16, recording.KindInterface: 16, recording.KindSlice: 24, recording.KindPointer: 8, recording.KindMap: 8,
		}[d.typ.Kind]
		if size != 0 && d.typ.Size != size || strings.ContainsFunc(d.typ.Name+d.typ.Package, unicode.IsControl) {
			t.Errorf("at %#x is %+v", at, d.typ)
		}
	}
	if found < 100 {
		t.Errorf("there are %d types", found)
	}
}
