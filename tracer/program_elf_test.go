package tracer

import (
	"debug/elf"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRelocations: words have the values that a look at all relocations, one after the other, gives them.
func TestRelocations(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 100, 5000} {
		const from, span = 0x500_000, 300_000
		data := make([]byte, 0, relocationBytes*n)
		want := map[uint64]uint64{}
		for range n {
			at, kind, value := from+rng.Uint64N(span), elf.R_X86_64_RELATIVE, rng.Uint64()
			switch rng.IntN(8) {
			case 0:
				kind = elf.R_X86_64_GLOB_DAT
			case 1: // in no word, or far away
				at += 1 << rng.IntN(60)
			default:
				at &^= 7
			}
			data = binary.LittleEndian.AppendUint64(data, at)
			data = binary.LittleEndian.AppendUint64(data, uint64(kind))
			data = binary.LittleEndian.AppendUint64(data, value)
			if kind == elf.R_X86_64_RELATIVE {
				want[at] = value
			}
		}
		r := newRelocations(data)
		for range 1000 {
			addr, words := from+8*rng.Uint64N(span/8), make([]uint64, rng.IntN(1<<rng.IntN(17)))
			expected := make([]uint64, len(words))
			for i := range words {
				words[i] = uint64(i)
				expected[i] = uint64(i)
				if value, ok := want[addr+8*uint64(i)]; ok {
					expected[i] = value
				}
			}
			if r.apply(words, addr); !slices.Equal(words, expected) {
				t.Fatalf("of %d relocations, %d words at %#x are not what they should be", n, len(words), addr)
			}
		}
	}
}
