package recording

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// WithoutFileBodies returns the block encoded without the bodies of its source files, for a store that keeps bodies
// elsewhere, by hash. Names, hashes and everything else stay, and so do the block's number and events. encoded is what
// the block was decoded from; it is returned itself when there is no body in it.
func (b *Block) WithoutFileBodies(encoded []byte) []byte {
	files := make([]File, len(b.Definitions.Files))
	bodies := 0
	for i, f := range b.Definitions.Files {
		bodies += len(f.Body)
		f.Body = nil
		files[i] = f
	}
	if bodies == 0 {
		return encoded
	}
	z := compressors.Get().(*zstd.Encoder)
	defer compressors.Put(z)
	dst := append(make([]byte, 0, max(len(encoded)-bodies, 64<<10)), encoded[:headerSize]...)
	binary.LittleEndian.PutUint32(dst[72:], uint32(len(b.sections)))
	for i := range b.sections {
		s := &b.sections[i]
		if s.kind == sectionFiles {
			dst = appendSection(dst, z, s.kind, s.plane, appendFiles(nil, files))
			continue
		}
		dst = append(appendSectionHead(dst, s.kind, s.plane, s.flags, s.length, len(s.stored)), s.stored...)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}
