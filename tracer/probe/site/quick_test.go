package site

import (
	"math/rand/v2"
	"slices"
	"testing"

	"smiley/internal/stress"
)

// agree compares the quick ways with Decode, where they have an answer; hopped says that the quicker one has.
func agree(t *testing.T, code []byte) (quick, hopped bool) {
	t.Helper()
	end, flow, distance := hop(code, 0)
	if end > 0 {
		in, err := Decode(code, 0)
		branch := int64(0)
		if in.RelLen > 0 {
			branch = int64(in.Distance)
		}
		if err != nil || end != int(in.Len) || flow != in.Flow || distance != branch || flow == FlowTrap && in.Opcode != 0xCC {
			t.Fatalf("% x: %d, %d, %d is not %+v (%v)", code, end, flow, distance, in, err)
		}
	}
	s := quickStep(code)
	if s.length == 0 {
		return false, end > 0
	}
	in, err := Decode(code, 0)
	if err != nil {
		t.Fatalf("% x: %+v is no instruction: %v", code, s, err)
	}
	branch := int64(0)
	if in.RelLen > 0 {
		branch = int64(in.Distance)
	}
	if s.length != int(in.Len) || s.flow != in.Flow || s.opcode != in.Opcode || s.first != (in.Map == 0) || in.Wide || s.distance != branch {
		t.Fatalf("% x: %+v is not %+v", code, s, in)
	}
	return true, end > 0
}

// TestQuickStepAgrees compares the quick way of measuring instructions with Decode: all of a program, from its true beginnings and from
// everywhere else, and noise.
func TestQuickStepAgrees(t *testing.T) {
	img, err := Load(goBinary(t, "gofmt"))
	if err != nil {
		t.Fatal(err)
	}
	quick, hops, all := 0, 0, 0
	between := stress.Times(17, 1) // of what lies between the true beginnings
	for i := range img.text {
		if !img.starts.get(i) && i%between != 0 {
			continue
		}
		code := img.text[i:min(i+15, len(img.text))]
		ok, hopped := agree(t, code)
		if img.starts.get(i) {
			all++
			if ok {
				quick++
			}
			if hopped {
				hops++
			}
		}
	}
	if quick < all*9/10 || hops < all*9/10 || all < 100_000 {
		t.Errorf("%d and %d of %d instructions are measured quickly", quick, hops, all)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range stress.Times(200_000, 100_000_000) {
		var code [15]byte
		for i := 0; i < len(code); i++ {
			code[i] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			code[0] = []byte{0x66, 0xF2, 0xF3, 0x48, 0x4D, 0x0F}[r.IntN(6)]
		}
		agree(t, code[:])
	}
	for _, op := range []byte{0xF6, 0xF7, 0xFF} { // whose second byte says more
		for m := range 256 {
			agree(t, []byte{op, byte(m), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})
			agree(t, []byte{0x66, 0x48, op, byte(m), 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})
		}
	}
}

// TestWalkAgrees compares what the walk over a program finds with what Decode alone would have it find.
func TestWalkAgrees(t *testing.T) {
	img, err := Load(goBinary(t, "gofmt"))
	if err != nil {
		t.Fatal(err)
	}
	size := len(img.text)
	w := walker{img, newBitmap(size), newBitmap(size)}
	starts, targets := newBitmap(size), newBitmap(size)
	padded := 0
	for i := range img.Functions {
		f := &img.Functions[i]
		var got shape
		w.function(f, &got)
		want := shape{end: f.Addr}
		end, odd := f.Addr, false
		for in := range img.Instructions(f.Addr, f.End) {
			starts.set(int(in.Addr - img.addr))
			end = in.End()
			if in.Flow != FlowTrap || in.Opcode != 0xCC {
				want.end = end
			} else {
				padded++
			}
			switch in.Flow {
			case FlowRet:
				want.returns = append(want.returns, in.Addr)
			case FlowOther:
				odd = odd || in.Map == 0 && in.Opcode == 0xC2
			case FlowJump, FlowCond, FlowLoop:
				want.loops = want.loops || in.Target() == f.Addr
			case FlowCall, FlowIndirectCall:
				want.end = end + 1
				if at := end - img.addr; at < uint64(size) {
					targets.set(int(at))
				}
			}
			switch in.Flow {
			case FlowJump, FlowCond, FlowLoop, FlowCall:
				if at := in.Target() - img.addr; at < uint64(size) {
					targets.set(int(at))
				}
			}
		}
		want.whole = end == f.End && !odd
		if !slices.Equal(got.returns, want.returns) || got.end != want.end || got.loops != want.loops || got.whole != want.whole {
			t.Fatalf("%s: %+v is not %+v", f, got, want)
		}
	}
	if !slices.Equal(w.starts, starts) || !slices.Equal(w.targets, targets) || padded < 1000 {
		t.Errorf("the beginnings of instructions, or the places that something leads to, differ; %d bytes of padding", padded)
	}
}
