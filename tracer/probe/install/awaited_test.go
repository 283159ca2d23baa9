//go:build linux && amd64

package install

import (
	"encoding/binary"
	"testing"

	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// TestAwaitedRecords has the returns of a function recorded only while they can be that of a call that was recorded: of these none is
// missing, and where there are none, there is nothing.
func TestAwaitedRecords(t *testing.T) {
	const alone, goroutines, each = 10_000, 8, 10_000 // as the program has them
	path := fixture(t, "awaited")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want, _, _ := untraced(t, nil, path)
	probes := mainProbes(img, func(f *site.Function) (args, results routine.Capture) {
		if f.Name != "main.numbered" {
			return routine.Capture{None: true}, routine.Capture{None: true}
		}
		word := []routine.Word{{Reg: asm.RAX}}
		return routine.Capture{Words: word, Only: []int32{1, 2}, Awaits: true}, routine.Capture{Words: word, Awaited: true}
	})
	type call struct {
		goroutine int64
		frame     uint32
	}
	var reader *ring.Reader
	open := map[call]uint64{}
	calls, returns, others := 0, 0, 0
	options := Options{Command: []string{path}}
	r := recordFrom(t, img, probes, options, func(p *Process) { reader = p.Reader }, func(rec *ring.Record) error {
		word := binary.LittleEndian.Uint64(rec.Words)
		at := call{rec.Goroutine, rec.Frame}
		switch n, waits := open[at]; {
		case rec.Site%2 == 0:
			if waits {
				t.Errorf("a call with %d whose return was not recorded", n)
			}
			open[at] = word
			calls++
		case waits:
			if word != n+100 {
				t.Errorf("a call with %d returned %d", n, word)
			}
			delete(open, at)
			returns++
			reader.Came()
		default:
			others++
		}
		return nil
	})
	if r.stdout != want || r.status != 0 {
		t.Errorf("output %q, untraced %q, status %v", r.stdout, want, r.status)
	}
	if calls != goroutines*each/2 || returns != calls || len(open) != 0 {
		t.Errorf("%d calls with one of two numbers, %d returns of these, %d of others", calls, returns, others)
	}
	if others > goroutines*each/2 {
		t.Errorf("%d returns of other calls, of which %d were alone", others, alone)
	}
	if n := reader.Awaited(); n != 0 {
		t.Errorf("%d records are awaited in the end", n)
	}
}
