//go:build linux && amd64

package tracer

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smiley/internal/stress"
	"smiley/recording"
	"smiley/tracer/probe/ring"
)

// lateSink takes no block until the program has printed what says that it has finished: whatever finds no room until then is
// dropped.
type lateSink struct {
	*blocks
	stdout string
	waited bool
}

func (s *lateSink) Send(encoded []byte) error {
	for !s.waited {
		printed, err := os.ReadFile(s.stdout)
		if err != nil {
			return err
		}
		if s.waited = strings.Contains(string(printed), "finished"); !s.waited {
			time.Sleep(time.Millisecond) // between looks at a file
		}
	}
	return s.blocks.Send(encoded)
}

// TestMoreThreadsThanRings has goroutines go to and fro between threads that have a ring and threads that have none. The events that are
// kept and those that gaps count are all there were, goroutines of which everything was dropped do not pass for quiet ones, no call is given the result of another one in its place, and
// it is said why something is missing.
func TestMoreThreadsThanRings(t *testing.T) {
	const stay, workers, rounds, end = 1018, 40, 40 * 100, 50 // as in the program
	const why = "more than 1024 threads recorded at once"
	var warnings []string
	r := record(t, Options{
		Target: fixture(t, "rings"), Include: []string{"main.pass", "main.move", "main.guard", "main.fail"}, Engine: EngineProbe,
		Warn: func(e *recording.Error) { warnings = append(warnings, e.Message) },
	})
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], why) {
		t.Errorf("warnings %q", warnings)
	}
	kept, missing := uint64(0), uint64(0)
	asked := map[uint64]uint64{}
	for _, e := range r.events {
		switch e.Kind {
		case recording.KindCall:
			asked[e.Seq] = binary.LittleEndian.Uint64(e.Data)
		case recording.KindReturn:
			if want := -asked[e.Call]; binary.LittleEndian.Uint64(e.Data) != want {
				t.Errorf("%s(%d) is said to have returned %d", r.functions[e.Function].Name, asked[e.Call], int64(binary.LittleEndian.Uint64(e.Data)))
			}
		case recording.KindPanic, recording.KindRecovered, recording.KindGoroutineStart, recording.KindGoroutineEnd:
		case recording.KindGap:
			missing += binary.LittleEndian.Uint64(e.Data)
			if reason := string(e.Data[8:]); !strings.HasSuffix(reason, why) {
				t.Errorf("a gap for the reason %q", reason)
			}
			continue
		default:
			continue
		}
		kept++
	}
	// pass and move return, guard returns and recovers, fail panics.
	const goroutines = 1 + stay + workers + end
	const all = 2*(stay+end) + 2*rounds + 3*rounds + 2*rounds + goroutines + end
	if kept+missing != all || missing == 0 || missing != r.result.Ledger.Dropped {
		t.Errorf("%d kept and %d missing, of %d; %+v", kept, missing, all, r.result.Ledger)
	}
	if starts := len(r.of(recording.KindGoroutineStart)); starts != goroutines || r.quiet != 0 {
		t.Errorf("%d goroutines began, and %d were quiet, of %d", starts, r.quiet, goroutines)
	}
}

// TestStressDropsAreCounted has a program write far more than there is room for: it does not wait, and the calls and returns that
// are kept and those that gaps count are all there were.
func TestStressDropsAreCounted(t *testing.T) {
	const calls = 300_000
	times := stress.Times(1, 20)
	var stored, dropped uint64
	for range times {
		sink := &lateSink{blocks: &blocks{}, stdout: filepath.Join(t.TempDir(), "stdout")}
		stdout, err := os.Create(sink.stdout)
		if err != nil {
			t.Fatal(err)
		}
		r := recordInto(t, Options{
			Target: fixture(t, "many"), Args: []string{fmt.Sprint(calls)}, Include: []string{"main.step", "main.inner"},
			DropWhenFull: true, RingBytes: MinRingBytes, Stdout: stdout,
		}, sink, sink.blocks)
		stdout.Close()
		kept := uint64(len(r.of(recording.KindCall)) + len(r.of(recording.KindReturn)))
		var missing uint64
		for _, e := range r.of(recording.KindGap) {
			missing += binary.LittleEndian.Uint64(e.Data)
		}
		l := r.result.Ledger
		if !l.Balances() || l.Dropped != missing || missing == 0 {
			t.Errorf("gaps of %d events, ledger %+v", missing, l)
		}
		// Besides calls and returns, what the program prints and its goroutines make records.
		const others = 100
		if all := kept + missing; all < 4*calls || all > 4*calls+others {
			t.Errorf("%d kept and %d missing, of %d", kept, missing, 4*calls)
		}
		stored, dropped = stored+l.Stored, dropped+l.Dropped
	}
	stress.Row(t, "a full ring drops", times, fmt.Sprintf("%d events stored, %d dropped, all accounted for", stored, dropped))
}

// TestDroppedOutputIsCountedOnce: a write is recorded at its beginning and at its end, and is one event.
func TestDroppedOutputIsCountedOnce(t *testing.T) {
	const lines = 30_000
	sink := &lateSink{blocks: &blocks{}, stdout: filepath.Join(t.TempDir(), "stdout")}
	stdout, err := os.Create(sink.stdout)
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	r := recordInto(t, Options{
		Target: fixture(t, "printing"), Args: []string{fmt.Sprint(lines)}, Include: []string{"main.main"},
		DropWhenFull: true, RingBytes: MinRingBytes, Stdout: stdout,
	}, sink, sink.blocks)
	kept := len(r.of(recording.KindOutput))
	missing := r.result.Ledger.Dropped
	// main, and what the runtime's goroutines do.
	const others = 10
	if all := uint64(kept) + missing; missing == 0 || all < lines+1 || all > lines+1+others {
		t.Errorf("%d lines kept and %d events missing, of %d lines", kept, missing, lines+1)
	}
}

// TestReturnsOfCallsBeforeAttaching: a return without a call is a loss when calls of the function were dropped on its goroutine, and none
// when its call began before smiley came.
func TestReturnsOfCallsBeforeAttaching(t *testing.T) {
	p := &probes{engine: &engine{opt: &Options{}, goroutines: map[int64]*goroutine{}}, lossy: true}
	for _, losses := range []uint16{0, 3} {
		if err := p.left(&seen{Record: &ring.Record{Goroutine: 5, Frame: 64, Losses: losses}}, &traced{}); err != nil {
			t.Fatal(err)
		}
	}
	if p.strays != 1 || p.unmatched != 1 {
		t.Errorf("%d returns whose calls were dropped, %d whose calls nobody could see; one each", p.strays, p.unmatched)
	}
}
