package recording

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Compressors and decompressors are costly to make and serve one caller at a time, so they are pooled. With a
// concurrency of one they start no goroutines.
var (
	compressors = sync.Pool{New: func() any {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
		if err != nil {
			panic("recording: the compressor's options are wrong: " + err.Error())
		}
		return z
	}}
	decompressors = sync.Pool{New: func() any {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(maxSection))
		if err != nil {
			panic("recording: the decompressor's options are wrong: " + err.Error())
		}
		return z
	}}
)

// maxSection is how long a section may be.
const maxSection = 64 << 20

// smallest section worth compressing.
const minCompress = 32

// appendSection appends a section: compressed when that makes it smaller.
func appendSection(dst []byte, z *zstd.Encoder, kind sectionKind, plane uint8, raw []byte) []byte {
	head := len(dst)
	dst = appendSectionHead(dst, kind, plane, 0, len(raw), len(raw))
	body := len(dst)
	if len(raw) < minCompress {
		return append(dst, raw...)
	}
	dst = z.EncodeAll(raw, dst)
	if len(dst)-body > len(raw)-len(raw)>>5 {
		// Too little gained to be worth the decompression.
		return append(dst[:body], raw...)
	}
	if least := (len(raw) + maxExpansion - 1) / maxExpansion; len(dst)-body < least {
		dst = appendPadding(dst, least-(len(dst)-body))
	}
	binary.LittleEndian.PutUint16(dst[head+2:], sectionZstd)
	binary.LittleEndian.PutUint32(dst[head+8:], uint32(len(dst)-body))
	return dst
}

func appendSectionHead(dst []byte, kind sectionKind, plane uint8, flags uint16, raw, stored int) []byte {
	dst = append(dst, byte(kind), plane)
	dst = binary.LittleEndian.AppendUint16(dst, flags)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(raw))
	return binary.LittleEndian.AppendUint32(dst, uint32(stored))
}

// appendFill appends a section of n equal bytes.
func appendFill(dst []byte, kind sectionKind, plane uint8, value byte, n int) []byte {
	return append(appendSectionHead(dst, kind, plane, sectionFill, n, 1), value)
}

// appendPadding appends a skippable zstd frame of at least n bytes.
func appendPadding(dst []byte, n int) []byte {
	n = max(0, n-8)
	dst = binary.LittleEndian.AppendUint32(dst, 0x184D2A50)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	return append(dst, make([]byte, n)...)
}

// section is a section of an encoded block.
type section struct {
	kind   sectionKind
	plane  uint8
	flags  uint16
	length int // when decompressed
	stored []byte
	raw    []byte // once decompressed
}

// bytes returns the section's content, decompressing it the first time.
func (s *section) bytes() ([]byte, error) {
	switch {
	case s.raw != nil || s.length == 0:
	case s.flags&sectionFill != 0:
		s.raw = make([]byte, s.length)
		for i := range s.raw {
			s.raw[i] = s.stored[0]
		}
	case s.flags&sectionZstd == 0:
		s.raw = s.stored
	default:
		z := decompressors.Get().(*zstd.Decoder)
		// The few bytes more let the decompressor copy in whole words.
		raw, err := z.DecodeAll(s.stored, make([]byte, 0, s.length+16))
		decompressors.Put(z)
		if err != nil || len(raw) != s.length {
			e := damaged("a section of a recording does not decompress")
			e.Err = err
			return nil, e
		}
		s.raw = raw
	}
	return s.raw, nil
}
