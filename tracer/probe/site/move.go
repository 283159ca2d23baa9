package site

import (
	"encoding/binary"
	"math"

	"smiley/recording"
)

// Move appends instruction in, whose bytes are code, re-encoded for address to, and returns the longer slice. Operands
// relative to the instruction pointer keep meaning what they meant; branches of one byte become branches of four. The
// error says that the new place is more than 2 GiB from what the instruction refers to.
func Move(dst []byte, in *Inst, code []byte, to uint64) ([]byte, error) {
	code = code[:in.Len]
	switch {
	case in.RIP != 0:
		n := len(dst)
		dst = append(dst, code...)
		return dst, putDistance(dst[n+int(in.RIP):], in.Target(), to+uint64(in.Len))
	case in.Flow == FlowCond:
		n := len(dst)
		dst = append(dst, 0x0F, 0x80|in.Opcode&0x0F, 0, 0, 0, 0)
		return dst, putDistance(dst[n+2:], in.Target(), to+6)
	case in.Flow == FlowJump:
		n := len(dst)
		dst = append(dst, 0xE9, 0, 0, 0, 0)
		return dst, putDistance(dst[n+1:], in.Target(), to+5)
	case in.RelLen != 0:
		return dst, recording.Errorf(recording.CodeInternal, "instruction at %#x cannot be moved", in.Addr)
	}
	return append(dst, code...), nil
}

func putDistance(dst []byte, target, next uint64) error {
	d := int64(target - next)
	if d < math.MinInt32 || d > math.MaxInt32 {
		return recording.Errorf(recording.CodeInternal, "%#x is too far from %#x", next, target)
	}
	binary.LittleEndian.PutUint32(dst, uint32(int32(d)))
	return nil
}
