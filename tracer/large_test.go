//go:build linux && amd64

package tracer

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
)

// TestLargeValues records values of which only parts are shown, with both engines: the parts are the same. What does not fit into a
// record is said to be so, and all else of that call is there.
func TestLargeValues(t *testing.T) {
	for name, flags := range map[string][]string{"optimized": nil, "unoptimized": {"-gcflags=all=-N -l"}} {
		t.Run(name, func(t *testing.T) {
			path := fixture(t, "large", flags...)
			want, _, missing := recordValues(t, path, EngineBreakpoint)
			if missing > 0 {
				t.Fatalf("breakpoints could not read %d values", missing)
			}
			got, _, _ := recordValues(t, path, EngineProbe)
			if len(got) != len(want) {
				t.Fatalf("%d calls, breakpoints %d", len(got), len(want))
			}
			addresses := regexp.MustCompile(`\(0x[0-9a-f]+\)`)
			notCopied, parts := 0, 0
			for i := range want {
				if got[i].function != want[i].function {
					t.Fatalf("%s, breakpoints %s", got[i].function, want[i].function)
				}
				shown, expected := slices.Concat(got[i].args, got[i].results), slices.Concat(want[i].args, want[i].results)
				if len(shown) != len(expected) {
					t.Fatalf("%s: %d values, breakpoints %d", got[i].function, len(shown), len(expected))
				}
				for k := range shown {
					g, w := addresses.ReplaceAllString(shown[k], "(0x)"), addresses.ReplaceAllString(expected[k], "(0x)")
					known, _, cut := strings.Cut(g, "<unreadable: not copied: beyond the bounds>")
					switch {
					case g == w:
					case got[i].function == "main.tables": // of the elements of a slice those are there that fit
						if some, found := strings.CutSuffix(g, ", …+3}"); !found || !strings.HasPrefix(w, some+", main.table{n: 4, ") {
							t.Errorf("%s:\n%s\nbreakpoints\n%s", got[i].function, g, w)
						}
						parts++
					case cut && strings.HasPrefix(w, known) && got[i].function == "main.beyond":
						notCopied++
					default:
						t.Errorf("%s, value %d:\n%s\nbreakpoints\n%s", got[i].function, k, g, w)
					}
				}
			}
			if parts != 1 {
				t.Errorf("%d slices are there in part", parts)
			}
			if notCopied != 2 { // the values that the stack has no room for
				t.Errorf("%d values were not copied", notCopied)
			}
		})
	}
}

// TestRecordsFit checks that what the bounds allow for one call is no more than a record can hold.
func TestRecordsFit(t *testing.T) {
	if words := maxStackWords + intRegisters + floatRegisters; words > routine.WordsMax {
		t.Errorf("a call can take %d words, a record %d", words, routine.WordsMax)
	}
	if most := max(maxCopied, maxHooked); most > routine.CopiesMax {
		t.Errorf("the copies of a call can take %d bytes, those of a record %d", most, routine.CopiesMax)
	}
	const slack = 64 // a copy's head, and sixteen bytes at a time
	if most := ring.RecordWords + 8*(routine.WordsMax+1) + routine.CopiesMax + slack; most > ring.RecordMax {
		t.Errorf("a record can take %d bytes, more than %d", most, ring.RecordMax)
	}
}
