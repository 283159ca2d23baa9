package recording

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// sample is an encoded block with a bit of everything: the story, and calls whose values vary in one bit, two bits, whole
// bytes and length.
func sample(t rapid.TB) []byte {
	d, raws := story()
	for i := range uint64(150) {
		data := binary.LittleEndian.AppendUint64([]byte{0}, i&1)
		data = binary.LittleEndian.AppendUint64(data, i*i)
		data[3] = byte(i % 3)
		f := FunctionID(2 + i%2*2)
		if f == 2 {
			data = append(data, "tail"[:i%5]...)
		}
		now := int64(200 + 10*i)
		raws = append(raws, Raw{Kind: KindCall, Goroutine: 1, Function: f, Time: now, Frame: 512, Data: data},
			Raw{Kind: KindReturn, Goroutine: 1, Function: f, Time: now + 5, Frame: 512, Data: data[:9]})
	}
	return recorded(t, d, raws).encoded[0]
}

// inflated rewrites a block without compression, so that changed bytes reach what reads the sections.
func inflated(t rapid.TB, encoded []byte) []byte {
	b, err := Decode(encoded)
	must(t, err)
	out := bytes.Clone(encoded[:headerSize])
	for i := range b.sections {
		s := &b.sections[i]
		raw, err := s.bytes()
		must(t, err)
		out = append(appendSectionHead(out, s.kind, s.plane, 0, len(raw), len(raw)), raw...)
	}
	out = reseal(append(out, 0, 0, 0, 0))
	must(t, readAll(out))
	return out
}

// reseal makes the checksum of a changed block right again.
func reseal(encoded []byte) []byte {
	body := encoded[:len(encoded)-checksumSize]
	return binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))
}

// TestEveryByteIsChecked changes each byte and cuts at each length: all must be noticed.
func TestEveryByteIsChecked(t *testing.T) {
	whole := sample(t)
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 0x10
		if _, err := Decode(changed); CodeOf(err) != CodeDamaged && CodeOf(err) != CodeNewer {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, err := Decode(whole[:i]); CodeOf(err) != CodeDamaged {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

func TestNewerIsToldFromDamaged(t *testing.T) {
	whole := sample(t)
	version := bytes.Clone(whole)
	version[4] = formatVersion + 1
	if _, err := Decode(reseal(version)); CodeOf(err) != CodeNewer {
		t.Errorf("version: %v", err)
	}
	for _, c := range []struct {
		flags byte
		want  Code
	}{{0, CodeNewer}, {sectionOptional, ""}} {
		more := append(bytes.Clone(whole[:len(whole)-checksumSize]), 200, 0, c.flags, 0, 1, 0, 0, 0, 1, 0, 0, 0, 'x', 0, 0, 0, 0)
		more[72]++
		if _, err := Decode(reseal(more)); CodeOf(err) != c.want {
			t.Errorf("unknown section with flags %d: %v", c.flags, err)
		}
	}
}

// readAll decodes everything of a block, and returns the first error.
func readAll(encoded []byte) error {
	b, err := Decode(encoded)
	if err != nil {
		return err
	}
	if _, err := b.Begun(nil); err != nil {
		return err
	}
	if _, err := AppendText(nil, b); err != nil {
		return err
	}
	return NewValidator().Block(b)
}

// FuzzDecode changes blocks behind the checksum's back: errors must have a code, and memory must be bounded.
func FuzzDecode(f *testing.F) {
	d, raws := story()
	c := recorded(f, d, raws, 3, 9)
	must(f, readAll(sample(f)))
	repeated := recorded(f, plainTables(2), repeating(rand.New(rand.NewPCG(6, 7)), 100, 3, 9)).encoded[0]
	for _, encoded := range append(c.encoded, sample(f), inflated(f, sample(f)), inflated(f, repeated)) {
		f.Add(encoded[:len(encoded)-checksumSize])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		encoded := reseal(append(bytes.Clone(body), 0, 0, 0, 0))
		if code := CodeOf(readAll(encoded)); code != "" && code != CodeDamaged && code != CodeNewer {
			t.Errorf("code %q", code)
		}
	})
}

// TestMutatedBlocks is a bounded, random FuzzDecode that also measures memory.
func TestMutatedBlocks(t *testing.T) {
	repeated := recorded(t, plainTables(2), repeating(rand.New(rand.NewPCG(6, 7)), 100, 3, 9)).encoded[0]
	wholes := [][]byte{sample(t), inflated(t, sample(t)), inflated(t, repeated)}
	rapid.Check(t, func(t *rapid.T) {
		changed := bytes.Clone(rapid.SampledFrom(wholes).Draw(t, "block"))
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			at := rapid.IntRange(headerSize-48, len(changed)-checksumSize-1).Draw(t, "at")
			changed[at] = rapid.Byte().Draw(t, "byte")
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := readAll(reseal(changed))
		runtime.ReadMemStats(&after)
		if code := CodeOf(err); code != "" && code != CodeDamaged && code != CodeNewer {
			t.Fatal(err)
		}
		// The text form and the validator's messages are included.
		if used := after.TotalAlloc - before.TotalAlloc; used > 8192*uint64(len(changed))+64<<20 {
			t.Fatalf("%d bytes were allocated for %d", used, len(changed))
		}
	})
}
