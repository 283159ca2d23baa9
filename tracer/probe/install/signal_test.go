//go:build linux && amd64

package install

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strings"
	"testing"

	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// stringCapture records a string in RAX, RBX with its bytes, and the word behind it; alone: by the code that is for single strings.
func stringCapture(n *routine.Nodes, alone bool) func(*site.Function) (args, results routine.Capture) {
	text := routine.Entry{Kind: routine.Text, At: 0, Count: 8, Max: 64, Error: 64}
	node := n.AddRoot([]routine.Entry{text}, routine.Depth{}, 1024)
	return func(*site.Function) (args, results routine.Capture) {
		args = routine.Capture{Words: []routine.Word{{Reg: asm.RAX}, {Reg: asm.RBX}, {Reg: asm.RCX}}, Node: node}
		if alone {
			args.Text = &text
		}
		return args, routine.Capture{Words: []routine.Word{{Reg: asm.RAX}}}
	}
}

// TestF1SignalsFindOrdinaryPlaces: tens of thousands of signals find threads in all parts of the routines; every call
// is recorded once.
func TestF1SignalsFindOrdinaryPlaces(t *testing.T) {
	for name, alone := range map[string]bool{"single strings": true, "lists": false} {
		t.Run(name, func(t *testing.T) { signalsFindOrdinaryPlaces(t, alone) })
	}
}

func signalsFindOrdinaryPlaces(t *testing.T, alone bool) {
	path := fixture(t, "signals")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	nodes := &routine.Nodes{}
	text := stringCapture(nodes, alone)
	capture := func(f *site.Function) (args, results routine.Capture) {
		if f.Name == "main.text" {
			return text(f)
		}
		return twoWords(f)
	}
	probes := mainProbes(img, capture)
	plan := planned(img, probes, nil)
	p := newPairing()
	see := p.see(func(f uint32) string { return plan.probes[f].Function.Name })
	r := record(t, img, probes, Options{Command: []string{path, "200000"}, Nodes: nodes}, func(rec *ring.Record) error { return see(rec) })
	if r.status != 0 || r.stdout != "done\n" {
		t.Errorf("status %v, output %q\n%s", r.status, r.stdout, r.stderr)
	}
	for name, n := range counts(t, r.stderr) {
		if p.calls[name] != n || p.ended[name] != n {
			t.Errorf("%s: recorded %d calls and %d returns, the program counted %d", name, p.calls[name], p.ended[name], n)
		}
	}
	if p.wrong > 0 || p.late > 0 || r.dropped > 0 {
		t.Errorf("%d returns without a call, %d steps back in time, %d dropped", p.wrong, p.late, r.dropped)
	}
	s := r.process.Reader.Signals()
	t.Logf("%d events, %+v", r.events, s)
	if s.RolledBack == 0 || s.Refused == 0 && s.Shown == 0 {
		t.Errorf("no signal found a routine: %+v", s)
	}
}

// addresses in tracebacks differ from run to run.
var addresses = regexp.MustCompile(`0x[0-9a-f]+|\+0x[0-9a-f]+|\(\.\.\.\)|\{[^}]*\}|goroutine \d+|\([^)]*\)|pc=\S+`)

// TestR9FaultsAreShownWhereTheyHappened: a fault in a displaced instruction has the traceback, the deferred calls and
// the recover that it has in the program as it is.
func TestR9FaultsAreShownWhereTheyHappened(t *testing.T) {
	path := fixture(t, "faults")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"none", "first", "last", "framed"} {
		t.Run(mode, func(t *testing.T) {
			want, wantErr, status := untraced(t, nil, path, mode)
			r := record(t, img, mainProbes(img, twoWords), Options{Command: []string{path, mode}}, nil)
			if r.stdout != want {
				t.Errorf("output\n%s\nuntraced\n%s", r.stdout, want)
			}
			if got, want := addresses.ReplaceAllString(r.stderr, "X"), addresses.ReplaceAllString(wantErr, "X"); got != want {
				t.Errorf("traceback\n%s\nuntraced\n%s", r.stderr, wantErr)
			}
			if r.status != status {
				t.Errorf("status %v, untraced %v", r.status, status)
			}
			if s := r.process.Reader.Signals(); s.Faults == 0 {
				t.Errorf("no fault lay in displaced instructions: %+v", s)
			}
		})
	}
}

// TestR8CopiesBehindBadPointers: pointers to nowhere are marked unreadable, and strings at the end of a page are whole.
func TestR8CopiesBehindBadPointers(t *testing.T) {
	for name, alone := range map[string]bool{"single strings": true, "lists": false} {
		t.Run(name, func(t *testing.T) { copiesBehindBadPointers(t, alone) })
	}
}

func copiesBehindBadPointers(t *testing.T, alone bool) {
	path := fixture(t, "pointers")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var probes []Probe
	nodes := &routine.Nodes{}
	for _, p := range mainProbes(img, stringCapture(nodes, alone)) {
		if p.Function.Name == "main.take" {
			probes = append(probes, p)
		}
	}
	want, _, _ := untraced(t, nil, path)
	seen := map[uint64]int{}
	pattern := func(from, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + (from+i)%26)
		}
		return b
	}
	r := record(t, img, probes, Options{Command: []string{path}, Nodes: nodes}, func(rec *ring.Record) error {
		if rec.Site%2 == 1 {
			return nil
		}
		size := int(binary.LittleEndian.Uint64(rec.Words[8:]))
		which := binary.LittleEndian.Uint64(rec.Words[16:])
		seen[which]++
		n, body := int32(-len(rec.Faults)), rec.Data
		if len(rec.Items) > 0 {
			n, body = rec.Items[0].Len, rec.Data[rec.Items[0].At:]
		}
		switch which {
		case 0, 1, 2, 3:
			if n != -1 {
				t.Errorf("case %d: %d bytes read from nowhere", which, n)
			}
		case 4:
			keep := min(size, 64)
			if int(n) != keep || !bytes.Equal(body[:keep], pattern(4096-size, keep)) {
				t.Errorf("string of %d bytes at the end of a page: %d %q", size, n, body)
			}
		case 5:
			if n != 0 {
				t.Errorf("empty string: %d bytes", n)
			}
		case 6:
			if n != 5 || !strings.HasPrefix(string(body), "hello") {
				t.Errorf("hello: %d %q", n, body)
			}
		}
		return nil
	})
	if r.stdout != want || r.status != 0 {
		t.Errorf("output %q, untraced %q, status %v\n%s", r.stdout, want, r.status, r.stderr)
	}
	s := r.process.Reader.Signals()
	if s.Recovered != 20 || seen[4] != 800 || seen[6] != 10 {
		t.Errorf("%+v, %v", s, seen)
	}
}
