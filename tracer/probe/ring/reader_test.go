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

// write puts one record into a ring, with copies unless that is nil; false when there is no room.
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
	if copies != nil {
		length := at
		at += 8
		for k, c := range copies {
			p.set(at, uint64(k))
			if c == nil {
				p.set(at+8, CopyFault)
			} else {
				p.set(at+8, 7<<CopyNode|uint64(len(c))<<CopyLen|3)
				copy(p.memory[p.l.Offset(at+CopyHead):], c)
			}
			at += CopyHead + uint64(len(c)+7)&^7
		}
		p.set(length, at-length-8)
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

// TestNothingIsLostOrReordered writes into several rings and drains at drawn moments: every record comes out once, whole, in
// the order of time within its ring and within a drain.
func TestNothingIsLostOrReordered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Layout{Base: 0x7000_0000, Rings: 0x5000_0000_0000, Count: rapid.IntRange(1, 4).Draw(t, "rings"), DataSize: rapid.SampledFrom([]uint64{256 << 10, 1 << 20}).Draw(t, "bytes")}
		memory := region(l.Size())
		Init(memory, l, 1)
		p := producer{l, memory}
		p.set(l.Base+SharedNext, uint64(l.Count))
		shapes := []Shape{{}, {Words: 3}, {Words: 1, Copies: true}, {Copies: true}}
		r := NewReader(memory, l, func(n uint32) (Shape, bool) {
			if int(n) >= len(shapes) {
				return Shape{}, false
			}
			return shapes[n], true
		})
		written, read, refused := 0, 0, 0
		perRing := make([][]uint64, l.Count)
		drain := func() {
			last := uint64(0)
			if _, err := r.Drain(func(rec *Record) error {
				g := int(rec.Goroutine)
				if len(perRing[g]) == 0 {
					t.Fatalf("ring %d: a record that nobody wrote", g)
				}
				want := perRing[g][0]
				if rec.Time < want || rec.Time < last {
					t.Fatalf("ring %d: time %d, want %d, last %d", g, rec.Time, want, last)
				}
				last = rec.Time
				perRing[g] = perRing[g][1:]
				if rec.Frame != 8 || len(rec.Words) != 8*shapes[rec.Site].Words {
					t.Fatalf("%+v", rec)
				}
				if rec.Site == 2 {
					n := binary.LittleEndian.Uint64(rec.Words)
					if len(rec.Items) != 1 || rec.Items[0].Len != int32(n) || rec.Items[0].Addr != 0 || len(rec.Data) != 8+8+CopyHead+int(n+7)&^7 {
						t.Fatalf("copy of %d bytes came as %v", n, rec.Items)
					}
					if copied := rec.Data[rec.Items[0].At:]; copied[0] != byte(n) || copied[n-1] != byte(n) {
						t.Fatalf("copy of %d bytes came as %v", n, copied[:n])
					}
				}
				if rec.Site == 3 && (len(rec.Items) != int(1+want%8/4) || len(rec.Faults) != 1 || rec.Faults[0] != uint64(2*(want%8/4))) {
					t.Fatalf("copies %v, faults %v", rec.Items, rec.Faults)
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
					n := now/4%3000 + 1
					b := make([]byte, n)
					for k := range b {
						b[k] = byte(n)
					}
					ok = p.write(i, now, uint64(i), site, []uint64{n}, [][]byte{b})
				case 3:
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
	f.Add(uint64(64), uint64(0), []byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255})
	f.Add(uint64(88), uint64(0), append(make([]byte, 20), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 80, 0, 0, 0, 0, 0))
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
		shapes := func(n uint32) (Shape, bool) { return Shape{Words: int(n % 5), Copies: n%2 == 1}, n%7 < 5 }
		r := NewReader(memory, l, shapes)
		for range 2 {
			_, err := r.Drain(func(rec *Record) error {
				for _, item := range rec.Items {
					if item.At < 0 || item.Len <= 0 || int(item.At)+int(item.Len) > len(rec.Data) {
						t.Fatalf("%d bytes at %d, of %d", item.Len, item.At, len(rec.Data))
					}
				}
				if shape, _ := shapes(rec.Site); !shape.Copies && len(rec.Items)+len(rec.Faults)+len(rec.Unknown) > 0 {
					t.Fatalf("copies of a site that has none: %+v", rec)
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
