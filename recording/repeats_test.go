package recording

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// repeating returns events whose data ends in one of some texts, behind bytes of which some change.
func repeating(random *rand.Rand, n, different, longest int) []Raw {
	texts := make([][]byte, different)
	for i := range texts {
		texts[i] = make([]byte, random.IntN(longest+1))
		for k := range texts[i] {
			texts[i][k] = byte(random.Uint32())
		}
	}
	raws := make([]Raw, n)
	for i := range raws {
		data := fmt.Appendf(nil, "%-20d", random.IntN(100))
		raws[i] = Raw{
			Kind: KindCall, Goroutine: 1, Time: int64(i), Function: FunctionID(1 + i%2), Frame: 64,
			Data: append(data, texts[random.IntN(different)]...),
		}
	}
	return raws
}

// TestRepeatedTails keeps records that end in few different ways, in many, and in too many to be told apart by a byte.
func TestRepeatedTails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		n := rapid.SampledFrom([]int{2, 2*repeatRecords - 1, 2 * repeatRecords, 500, 3000}).Draw(t, "records")
		different := rapid.SampledFrom([]int{1, 2, 3, 31, 33, maxRepeated, maxRepeated + 1, 1000}).Draw(t, "tails")
		raws := repeating(random, n, different, rapid.SampledFrom([]int{0, 1, 9, 300}).Draw(t, "longest"))
		if rapid.Bool().Draw(t, "with a short one") {
			raws[random.IntN(n)].Data = []byte{1}
		}
		keepsData(t, plainTables(2), raws)
	})
}

// TestRepeatedTailsAreStoredOnce has thousands of records with few different tails, which take a byte each.
func TestRepeatedTailsAreStoredOnce(t *testing.T) {
	raws := repeating(rand.New(rand.NewPCG(4, 5)), 4000, 7, 200)
	b := recorded(t, plainTables(2), raws).blocks[0]
	tails, err := b.find(sectionTails, 0)
	must(t, err)
	repeats, err := b.find(sectionRepeats, 0)
	must(t, err)
	if len(tails) > 0 || len(repeats) < len(raws) || len(repeats) > len(raws)+2*(7*220+20) {
		t.Errorf("%d bytes of tails and %d of repeated ones of %d records", len(tails), len(repeats), len(raws))
	}
}

// TestRepeatedTailsThatCannotBe has directories refused that say what cannot be.
func TestRepeatedTailsThatCannotBe(t *testing.T) {
	group := func() *blockData {
		return &blockData{groups: []dataGroup{{}, {records: 3, fixed: 2, regular: 3, size: 6}, {records: 1, tail: 4}}}
	}
	if grown, ok := group().readRepeats([]byte{1, 2, 1, 2, 'a', 'b', 'b', 0, 1, 1}); !ok || grown != 5 {
		t.Errorf("grown by %d, %v", grown, ok)
	}
	for name, raw := range map[string][]byte{
		"no such group":          {3, 1, 0, 0, 0, 0},
		"a group without data":   {0, 1, 0, 0, 0, 0},
		"a group with tails":     {2, 1, 1, 'a', 0},
		"a group twice":          {1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0},
		"too many tails":         append([]byte{1, 0x81, 2}, make([]byte, 300)...),
		"a tail that is none":    {1, 1, 1, 'a', 0, 1, 0},
		"no tails":               {1, 0, 0, 0, 0},
		"bytes that are missing": {1, 1, 4, 'a', 'b', 'c'},
		"records are missing":    {1, 1, 1, 'a', 0, 0},
		"the end of a number":    {1, 0x80},
		"more than a block has":  append(append([]byte{1, 1, 0x80, 0x80, 0x80, 2}, make([]byte, 4<<20)...), 0, 0, 0),
	} {
		if _, ok := group().readRepeats(raw); ok {
			t.Errorf("%s: taken", name)
		}
	}
}
