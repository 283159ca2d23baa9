//go:build linux && amd64

package ring

import (
	"encoding/binary"
	"errors"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"smiley/recording"
)

// producer writes records as generated code does, in Go: the same words in the same order.
type producer struct {
	l      Layout
	memory []byte
}

func (p *producer) word(addr uint64) uint64 {
	return binary.LittleEndian.Uint64(p.memory[p.l.Offset(addr):])
}

func (p *producer) set(addr, v uint64) { binary.LittleEndian.PutUint64(p.memory[p.l.Offset(addr):], v) }

// write puts one record into a ring; false when there is no room.
func (p *producer) write(i int, time, goroutine uint64, site uint32, words []uint64, copies [][]byte) bool {
	r := p.l.Ring(i)
	for p.word(r+Head) >= p.word(r+Limit) {
		if !p.makeRoom(r) {
			return false
		}
	}
	head := p.word(r + Head)
	p.set(head+RecordTime, time)
	p.set(head+RecordGo, goroutine)
	p.set(head+RecordFrame, uint64(site)<<32|8)
	at := head + RecordWords
	for _, w := range words {
		p.set(at, w)
		at += 8
	}
	for _, c := range copies {
		if c == nil {
			p.set(at, ^uint64(0))
			at += 8
			continue
		}
		p.set(at, uint64(len(c)))
		copy(p.memory[p.l.Offset(at+8):], c)
		at += 8 + uint64(len(c)+7)&^7
	}
	p.set(r+Head, at)
	return true
}

func (p *producer) makeRoom(r uint64) bool {
	tail, head := p.word(r+Tail), p.word(r+Head)
	switch {
	case tail > head:
		if tail-RecordMax <= head {
			return false
		}
		p.set(r+Limit, tail-RecordMax)
	case tail < p.word(r+Turn) && head < p.word(r+DataEnd):
		p.set(r+Limit, min(head+LimitStep, p.word(r+DataEnd)))
	default:
		if tail-RecordMax <= p.word(r+Data) {
			return false
		}
		p.set(r+Limit, tail-RecordMax)
		p.set(r+WrapEnd, head)
		p.set(r+Head, p.word(r+Data))
	}
	return true
}

// region allocates memory whose words are aligned.
func region(n uint64) []byte {
	words := make([]uint64, n/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
}

// noTypes knows nothing of what interfaces hold.
func noTypes(uint64) (Shape, bool) { return Shape{}, false }

// TestNothingIsLostOrReordered writes into several rings and drains at drawn moments: every record comes out once, whole, in
// the order of time within its ring and within a drain.
func TestNothingIsLostOrReordered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Layout{Base: 0x7000_0000, Rings: 0x5000_0000_0000, Count: rapid.IntRange(1, 4).Draw(t, "rings"), DataSize: rapid.SampledFrom([]uint64{256 << 10, 1 << 20}).Draw(t, "bytes")}
		memory := region(l.Size())
		Init(memory, l, 1)
		p := producer{l, memory}
		p.set(l.Base+SharedNext, uint64(l.Count))
		shapes := []Shape{{}, {Words: 3}, {Words: 1, Copies: []CopyShape{{}}}, {Copies: []CopyShape{{Nested: 1}, {}, {}}}}
		r := NewReader(memory, l, func(n uint32) (Shape, bool) {
			if int(n) >= len(shapes) {
				return Shape{}, false
			}
			return shapes[n], true
		}, noTypes)
		written, read, refused := 0, 0, 0
		perRing := make([][]uint64, l.Count)
		drain := func() {
			last := uint64(0)
			if _, err := r.Drain(func(rec *Record) error {
				g := int(rec.Goroutine)
				if len(perRing[g]) == 0 {
					t.Fatalf("ring %d: a record that nobody wrote", g)
				}
				if want := perRing[g][0]; rec.Time < want || rec.Time < last {
					t.Fatalf("ring %d: time %d, want %d, last %d", g, rec.Time, want, last)
				}
				last = rec.Time
				perRing[g] = perRing[g][1:]
				if rec.Frame != 8 || len(rec.Words) != 8*shapes[rec.Site].Words {
					t.Fatalf("%+v", rec)
				}
				if rec.Site == 2 {
					n := binary.LittleEndian.Uint64(rec.Words)
					if len(rec.Items) != 1 || rec.Items[0].Len != int32(n) || len(rec.Data) != 8+8+int(n+7)&^7 {
						t.Fatalf("copy of %d bytes came as %v", n, rec.Items)
					}
					if copied := rec.Data[rec.Items[0].At:]; n > 0 && (copied[0] != byte(n) || copied[n-1] != byte(n)) {
						t.Fatalf("copy of %d bytes came as %v", n, copied[:n])
					}
				}
				read++
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, l.Count-1).Draw(t, "ring")
			for range rapid.IntRange(1, 200).Draw(t, "burst") {
				now := Ticks()
				ok := false
				switch site := uint32(now % 4); site {
				case 0:
					ok = p.write(i, now, uint64(i), site, nil, nil)
				case 1:
					ok = p.write(i, now, uint64(i), site, []uint64{1, 2, 3}, nil)
				case 2:
					n := now / 4 % 3000
					b := make([]byte, n)
					for k := range b {
						b[k] = byte(n)
					}
					ok = p.write(i, now, uint64(i), site, []uint64{n}, [][]byte{b})
				case 3: // the second copy depends on the first
					if now%8 < 4 {
						ok = p.write(i, now, uint64(i), site, nil, [][]byte{nil, {1, 2}})
					} else {
						ok = p.write(i, now, uint64(i), site, nil, [][]byte{{1}, {2}, nil})
					}
				}
				if !ok {
					refused++
					break
				}
				written++
				perRing[i] = append(perRing[i], now)
			}
			if rapid.IntRange(0, 3).Draw(t, "drain") == 0 {
				drain()
			}
		}
		drain()
		if written != read {
			t.Fatalf("%d written, %d read, %d refused", written, read, refused)
		}
	})
}

// FuzzReader: whatever a program leaves in its rings, reading ends with an error or records, and stays in the region.
func FuzzReader(f *testing.F) {
	f.Add(uint64(64), uint64(0), []byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255})
	f.Add(uint64(1<<63), uint64(1<<20), []byte{})
	f.Fuzz(func(t *testing.T, head, wrap uint64, data []byte) {
		l := Layout{Base: 0x7000_0000, Count: 1, DataSize: 4096}
		memory := region(l.Size())
		Init(memory, l, 1)
		p := producer{l, memory}
		p.set(l.Base+SharedNext, 1)
		copy(memory[l.Offset(l.Ring(0)+ControlLen):], data)
		p.set(l.Ring(0)+Head, l.Ring(0)+ControlLen+head)
		p.set(l.Ring(0)+WrapEnd, wrap)
		copies := []CopyShape{{Nested: 1}, {}, {Nested: 1, Dynamic: true}, {}}
		shapes := func(n uint32) (Shape, bool) { return Shape{Words: int(n % 5), Copies: copies[n%5:]}, n%7 < 5 }
		types := func(n uint64) (Shape, bool) { return Shape{Copies: copies[:n%4]}, n < 8 } // of what an interface holds in an interface, too
		r := NewReader(memory, l, shapes, types)
		for range 2 {
			_, err := r.Drain(func(rec *Record) error {
				for _, item := range rec.Items {
					if item.At < 0 || item.Len < -1 || int(item.At) > len(rec.Data) {
						t.Fatalf("an item at %d of %d bytes, in %d", item.At, item.Len, len(rec.Data))
					}
				}
				for k, item := 0, rec.Items; k < len(copies[rec.Site%5:]); k++ {
					shape := copies[rec.Site%5:][k]
					if len(item) == 0 {
						t.Fatalf("copies %v have the items %v", copies[rec.Site%5:], rec.Items)
					}
					if shape.Dynamic && item[0].Len != 0 {
						break // what follows is the type's
					}
					if item[0].Len > 0 && int(item[0].At+item[0].Len) > len(rec.Data) {
						t.Fatalf("%d bytes at %d, of %d", item[0].Len, item[0].At, len(rec.Data))
					}
					if item[0].Len <= 0 && !shape.Dynamic {
						k += int(shape.Nested)
					}
					item = item[1:]
				}
				return nil
			})
			var e *recording.Error
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("%v is no error of ours", err)
			}
		}
	})
}
