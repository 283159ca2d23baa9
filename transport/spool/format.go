package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"smiley/recording"
)

const (
	formatVersion = 1
	fixedHead     = 4 + 2 + 2 + 16 + 16 // of a segment's head: all but texts and checksum
	maxText       = 1024
	maxHead       = fixedHead + 2*(2+maxText) + 4
	recordHead    = 12
	maxBody       = 64 << 20
)

var (
	magic      = [4]byte{'S', 'M', 'L', 'S'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// Info says whose blocks a spool holds. Each of its files begins with it.
type Info struct {
	Run      recording.RunID
	Secret   [16]byte // proves to the recorder that the blocks come from the run's own sender
	Recorder string   // where the run was to be recorded
	Program  string   // for people
}

// appendHead appends the head of a segment.
func appendHead(dst []byte, i *Info) []byte {
	start := len(dst)
	dst = append(dst, magic[:]...)
	dst = le.AppendUint16(dst, formatVersion)
	dst = append(dst, 0, 0) // length of the head
	dst = append(dst, i.Run[:]...)
	dst = append(dst, i.Secret[:]...)
	for _, text := range []string{i.Recorder, i.Program} {
		text = text[:min(len(text), maxText)]
		dst = le.AppendUint16(dst, uint16(len(text)))
		dst = append(dst, text...)
	}
	le.PutUint16(dst[start+6:], uint16(len(dst)-start+4))
	return le.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// readHead reads the head of a segment and returns its length.
func readHead(r io.Reader) (Info, int, error) {
	var i Info
	fixed := make([]byte, fixedHead, maxHead)
	if _, err := io.ReadFull(r, fixed); err != nil {
		return i, 0, notWhole(err)
	}
	if [4]byte(fixed[:4]) != magic {
		return i, 0, damaged("this is not a spool file of smiley")
	}
	if version := le.Uint16(fixed[4:]); version != formatVersion {
		return i, 0, recording.Errorf(recording.CodeNewer, "spool format version %d is newer than this smiley understands (%d)",
			version, formatVersion).WithHint("upgrade smiley")
	}
	length := int(le.Uint16(fixed[6:]))
	if length < fixedHead+4+4 || length > maxHead {
		return i, 0, damaged("the head of a spool file contradicts itself")
	}
	head := fixed[:length]
	if _, err := io.ReadFull(r, head[fixedHead:]); err != nil {
		return i, 0, notWhole(err)
	}
	body := head[:length-4]
	if crc32.Checksum(body, castagnoli) != le.Uint32(head[length-4:]) {
		return i, 0, damaged("the head of a spool file fails its checksum")
	}
	copy(i.Run[:], body[8:])
	copy(i.Secret[:], body[24:])
	rest := body[fixedHead:]
	for _, text := range []*string{&i.Recorder, &i.Program} {
		if len(rest) < 2 || len(rest)-2 < int(le.Uint16(rest)) {
			return i, 0, damaged("the head of a spool file contradicts itself")
		}
		n := int(le.Uint16(rest))
		*text, rest = string(rest[2:2+n]), rest[2+n:]
	}
	if len(rest) != 0 {
		return i, 0, damaged("the head of a spool file contradicts itself")
	}
	return i, length, nil
}

// appendRecordHead appends what goes before a block.
func appendRecordHead(dst []byte, number uint32, body []byte) []byte {
	start := len(dst)
	dst = le.AppendUint32(dst, uint32(len(body)))
	dst = le.AppendUint32(dst, number)
	return le.AppendUint32(dst, recordSum(dst[start:], body))
}

// recordSum is the checksum over length, number and block.
func recordSum(head, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:8], castagnoli), castagnoli, body)
}

// errTorn says that a file ends in the middle of something, or that it is not what was written from there on.
var errTorn = errors.New("torn")

// readRecord reads a record of at most limit bytes into buffer, which grows as needed, and returns its block there.
func readRecord(r io.Reader, limit int64, buffer *bytes.Buffer) (number uint32, body []byte, err error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err // io.EOF: no more records
	}
	length := int64(le.Uint32(head[:]))
	if length > maxBody || length > limit-recordHead {
		return 0, nil, errTorn
	}
	buffer.Reset()
	if _, err := io.CopyN(buffer, r, length); err != nil {
		return 0, nil, notWhole(err)
	}
	if recordSum(head[:], buffer.Bytes()) != le.Uint32(head[8:]) {
		return 0, nil, errTorn
	}
	return le.Uint32(head[4:]), buffer.Bytes(), nil
}

func notWhole(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

func damaged(format string, args ...any) error {
	return recording.Errorf(recording.CodeDamaged, "%s", fmt.Sprintf(format, args...))
}
