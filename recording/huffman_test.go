package recording

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

// TestNoise: a section that is stored as noise decompresses to what it was, whatever its bytes are like, and is not longer.
func TestNoise(t *testing.T) {
	e := &encoder{z: compressors.Get().(*zstd.Encoder)}
	defer compressors.Put(e.z)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(maxHuffman-2, maxHuffman+2)).Draw(t, "length")
		values := rapid.Uint32Range(1, 256).Draw(t, "values")
		skew := rapid.IntRange(1, 6).Draw(t, "skew")
		seed := rapid.Uint32().Draw(t, "seed")
		raw := make([]byte, n)
		for i := range raw {
			least := values - 1
			for range skew { // the more, the more often are small ones
				seed = seed*1664525 + 1013904223
				least = min(least, seed>>8%values)
			}
			raw[i] = byte(least)
		}
		before := []byte("before")
		stored := e.noise(before, sectionTimes, 1, raw)
		if !bytes.HasPrefix(stored, before) || len(stored) > len(before)+sectionSize+n {
			t.Fatalf("%d bytes are stored as %d", n, len(stored)-len(before))
		}
		head := stored[len(before):]
		length, body := binary.LittleEndian.Uint32(head[4:]), head[sectionSize:]
		if head[0] != byte(sectionTimes) || head[1] != 1 || int(length) != n || int(binary.LittleEndian.Uint32(head[8:])) != len(body) {
			t.Fatalf("the head %v does not fit %d bytes in %d", head[:sectionSize], n, len(body))
		}
		s := section{flags: binary.LittleEndian.Uint16(head[2:]), length: n, stored: body}
		if got, err := s.bytes(); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("%d bytes came back as %d: %v", n, len(got), err)
		}
	})
}

// TestNoiseIsSmall: bytes of which some come more often than others take what their frequency says, without looking for what comes again.
func TestNoiseIsSmall(t *testing.T) {
	e := &encoder{z: compressors.Get().(*zstd.Encoder)}
	defer compressors.Put(e.z)
	raw := make([]byte, BlockEvents)
	seed := uint32(1)
	for i := range raw {
		seed = seed*1664525 + 1013904223
		raw[i] = byte(seed>>24) & 31 // five bits each
	}
	stored := e.noise(nil, sectionTimes, 0, raw)
	if most := len(raw)*5/8 + 200; len(stored) > most {
		t.Errorf("%d bytes of five bits take %d bytes, of %d at most", len(raw), len(stored), most)
	}
}
