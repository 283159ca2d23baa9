package recording

import (
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/huff0"
)

const (
	minHuffman = 1 << 10   // of less, what the code itself takes is too large a part
	maxHuffman = 128 << 10 // the most that a zstd block can hold
)

// noise appends a section in which next to nothing comes again, such as the low bytes of times: each byte is coded by how often it
// comes, which takes a tenth of the time of looking for more. What it makes is a zstd frame as any other.
func (e *encoder) noise(dst []byte, kind sectionKind, plane uint8, raw []byte) []byte {
	if len(raw) < minHuffman || len(raw) > maxHuffman {
		return appendSection(dst, e.z, kind, plane, raw)
	}
	e.huffman.Reuse = huff0.ReusePolicyNone
	coded, _, err := huff0.Compress4X(raw, &e.huffman)
	switch {
	case errors.Is(err, huff0.ErrIncompressible), err == nil && len(coded) > len(raw)-len(raw)>>5:
		return append(appendSectionHead(dst, kind, plane, 0, len(raw), len(raw)), raw...)
	case err != nil, len(coded) < len(raw)/4: // most bytes are the same
		return appendSection(dst, e.z, kind, plane, raw)
	}
	head := len(dst)
	dst = appendSectionHead(dst, kind, plane, sectionZstd, len(raw), 0)
	body := len(dst)
	dst = appendLiterals(dst, len(raw), coded)
	binary.LittleEndian.PutUint32(dst[head+8:], uint32(len(dst)-body))
	return dst
}

// appendLiterals appends a zstd frame of n bytes that is one block: the bytes as huff0 has coded them in four streams, and no sequences.
func appendLiterals(dst []byte, n int, coded []byte) []byte {
	const (
		magic     = 0xFD2FB528
		frameHead = 2<<6 | 1<<5 // four bytes of length follow, and the frame is its own window
		lastBlock = 1 | 2<<1    // compressed
		literals  = 2 | 3<<2    // Huffman with its table, four streams; lengths of 18 bits
	)
	dst = append(binary.LittleEndian.AppendUint32(dst, magic), frameHead)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	block := uint32(lastBlock | (5+len(coded)+1)<<3)
	dst = append(dst, byte(block), byte(block>>8), byte(block>>16))
	head := uint64(literals) | uint64(n)<<4 | uint64(len(coded))<<22
	dst = append(dst, byte(head), byte(head>>8), byte(head>>16), byte(head>>24), byte(head>>32))
	return append(append(dst, coded...), 0)
}
