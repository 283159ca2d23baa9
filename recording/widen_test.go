package recording

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestWhatRecordsShareIsTakenApart keeps records that begin with the same bytes, or have them in the middle, of the same length
// and of different ones, shorter than what is fixed of them and longer.
func TestWhatRecordsShareIsTakenApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		length := rapid.IntRange(0, 300).Draw(t, "length")
		uneven := rapid.SampledFrom([]int{0, 1, 9, 200}).Draw(t, "uneven")
		changing := rapid.SampledFrom([]int{0, 1, 7, 50, 300}).Draw(t, "bytes that change")
		bit := rapid.Bool().Draw(t, "in one bit only")
		base := make([]byte, length+uneven)
		for i := range base {
			base[i] = byte(random.Uint32())
		}
		places := random.Perm(len(base))
		places = places[:min(changing, len(places))]
		var raws []Raw
		for i := range rapid.SampledFrom([]int{1, widenRecords - 1, widenRecords, widenSample, 3 * widenSample}).Draw(t, "records") {
			data := bytes.Clone(base)
			for _, at := range places {
				if bit {
					data[at] = base[at] ^ byte(random.Uint32()&1)<<3
				} else {
					data[at] = byte(random.Uint32())
				}
			}
			data = data[:length+random.IntN(uneven+1)]
			raws = append(raws, Raw{Kind: KindCall, Goroutine: 1, Time: int64(i), Function: FunctionID(1 + i%3), Frame: 64, Data: data})
		}
		keepsData(t, plainTables(3), raws)
	})
}

// keepsData records events and holds what is read of each against its data.
func keepsData(t rapid.TB, tables Definitions, raws []Raw) {
	t.Helper()
	got := events(t, recorded(t, tables, raws).blocks)
	if len(got) != len(raws) {
		t.Fatalf("%d events, not %d", len(got), len(raws))
	}
	for i := range raws {
		if !bytes.Equal(got[i].Data, raws[i].Data) {
			t.Fatalf("event %d holds %x, not %x", i, got[i].Data, raws[i].Data)
		}
	}
}

// TestWhatRecordsShareIsStoredOnce shows that up to where records differ in length nothing is stored for each of them.
func TestWhatRecordsShareIsStoredOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	shared := make([]byte, 600)
	for i := range shared {
		shared[i] = byte(random.Uint32())
	}
	var raws []Raw
	for i := range 1000 {
		data := append(bytes.Clone(shared), make([]byte, random.IntN(9))...)
		raws = append(raws, Raw{Kind: KindCall, Goroutine: 1, Time: int64(i), Function: 1, Frame: 64, Data: data})
	}
	c := recorded(t, plainTables(1), raws)
	b := c.blocks[0]
	for _, kind := range []sectionKind{sectionPlanes, sectionTails} {
		raw, err := b.find(kind, 0)
		must(t, err)
		if len(raw) > 16*len(raws) { // eight at most for what is not a word, eight for what differs
			t.Errorf("section %d has %d bytes of %d records", kind, len(raw), len(raws))
		}
	}
}
