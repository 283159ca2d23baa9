package site

import (
	"math/rand/v2"
	"testing"

	"smiley/internal/stress"
)

// agree compares the quick way with Decode, where it has an answer.
func agree(t *testing.T, code []byte) (quick bool) {
	t.Helper()
	s := quickStep(code)
	if s.length == 0 {
		return false
	}
	in, err := Decode(code, 0)
	if err != nil {
		t.Fatalf("% x: %+v is no instruction: %v", code, s, err)
	}
	branch := int64(0)
	if in.RelLen > 0 {
		branch = in.Distance
	}
	if s.length != in.Len || s.flow != in.Flow || s.opcode != in.Opcode || s.first != (in.Map == 0) || in.Wide || s.distance != branch {
		t.Fatalf("% x: %+v is not %+v", code, s, in)
	}
	return true
}

// TestQuickStepAgrees compares the quick way of measuring instructions with Decode: all of a program, from its true beginnings and from
// everywhere else, and noise.
func TestQuickStepAgrees(t *testing.T) {
	img, err := Load(goBinary(t, "gofmt"))
	if err != nil {
		t.Fatal(err)
	}
	quick, all := 0, 0
	between := stress.Times(17, 1) // of what lies between the true beginnings
	for i := range img.text {
		if !img.starts.get(i) && i%between != 0 {
			continue
		}
		code := img.text[i:min(i+15, len(img.text))]
		ok := agree(t, code)
		if img.starts.get(i) {
			all++
			if ok {
				quick++
			}
		}
	}
	if quick < all*9/10 || all < 100_000 {
		t.Errorf("%d of %d instructions are measured quickly", quick, all)
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
