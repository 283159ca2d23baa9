package protocol

import (
	"hash/crc32"

	"smiley/recording"
)

// MaxBlock is how long an encoded block may be, in bytes.
const MaxBlock = 64 << 20

// EnvelopeSize is the length of an encoded envelope.
const EnvelopeSize = 32

var (
	envelopeMagic = [4]byte{'S', 'M', 'L', 'D'}
	castagnoli    = crc32.MakeTable(crc32.Castagnoli)
)

// Envelope goes before each block on the data socket.
type Envelope struct {
	Token  Token
	Number uint32
	Check  uint32 // CRC-32C of the block, see Checksum
}

// Checksum returns the CRC-32C of a block.
func Checksum(body []byte) uint32 { return crc32.Checksum(body, castagnoli) }

// AppendEnvelope appends the encoded envelope.
func AppendEnvelope(dst []byte, e *Envelope) []byte {
	dst = append(dst, envelopeMagic[:]...)
	dst = le.AppendUint16(dst, Version)
	dst = append(dst, 0, 0)
	dst = append(dst, e.Token[:]...)
	dst = le.AppendUint32(dst, e.Number)
	return le.AppendUint32(dst, e.Check)
}

// DecodeEnvelope decodes an envelope. Errors are CodeDamaged or CodeNewer.
func DecodeEnvelope(data []byte) (Envelope, error) {
	if len(data) < controlHead || [4]byte(data[:4]) != envelopeMagic {
		return Envelope{}, recording.Errorf(recording.CodeDamaged, "this is not a block of smiley's protocol")
	}
	if version := le.Uint16(data[4:]); version != Version {
		return Envelope{}, versionError(version)
	}
	if len(data) != EnvelopeSize || data[6] != 0 || data[7] != 0 {
		return Envelope{}, recording.Errorf(recording.CodeDamaged, "the envelope of a block contradicts itself")
	}
	return Envelope{Token: Token(data[8:24]), Number: le.Uint32(data[24:]), Check: le.Uint32(data[28:])}, nil
}
