//go:build linux && amd64

package install

import (
	"encoding/binary"
	"testing"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// TestR5CausesComeBeforeEffects: what a thread recorded before it handed a number over comes before what the receiver
// recorded afterwards, by the records' own times.
func TestR5CausesComeBeforeEffects(t *testing.T) {
	path := fixture(t, "handoff")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	plan := planned(img, mainProbes(img, twoWords), nil)
	given, inversions, pairs := map[uint64]uint64{}, 0, 0
	r := record(t, img, plan.probes, Options{Command: []string{path}}, func(rec *ring.Record) error {
		if rec.Site%2 == 1 {
			return nil
		}
		number := binary.LittleEndian.Uint64(rec.Words)
		switch plan.probes[rec.Site/2].Function.Name {
		case "main.before":
			given[number] = rec.Time
		case "main.after":
			at, ok := given[number]
			if pairs++; !ok || at > rec.Time {
				inversions++
			}
		}
		return nil
	})
	if r.status != 0 || pairs != 200_000 || inversions > 0 {
		t.Errorf("status %v, %d of %d hand-offs arrived before they were sent", r.status, inversions, pairs)
	}
}
