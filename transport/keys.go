package transport

import (
	"crypto/ecdh"
	"crypto/rand"
	"strings"

	"smiley/recording"
)

// KeyPair is a CURVE key pair. Both are 40 characters in Z85, as ZeroMQ writes keys.
type KeyPair struct{ Public, Secret string }

// ClientKeys are what a sender needs to talk to a recorder that has keys.
type ClientKeys struct {
	Own      KeyPair
	Recorder string // the recorder's public key
}

// ServerKeys are what a recorder needs to accept senders with keys.
type ServerKeys struct {
	Own        KeyPair
	Authorized func(public string) bool // called for each connection, by one goroutine
}

// NewKeyPair makes a key pair. Its public key does not begin with '-', so that no command takes it for a flag.
func NewKeyPair() (KeyPair, error) {
	for {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return KeyPair{}, recording.Errorf(recording.CodeInternal, "no random numbers for a key: %w", err)
		}
		if public := z85Encode(key.PublicKey().Bytes()); public[0] != '-' {
			return KeyPair{Public: public, Secret: z85Encode(key.Bytes())}, nil
		}
	}
}

// KeyPairOf returns the pair of a secret key. Errors are CodeInvalid.
func KeyPairOf(secret string) (KeyPair, error) {
	raw, ok := z85Decode(secret)
	if ok && len(raw) == 32 {
		if key, err := ecdh.X25519().NewPrivateKey(raw); err == nil {
			return KeyPair{Public: z85Encode(key.PublicKey().Bytes()), Secret: secret}, nil
		}
	}
	return KeyPair{}, recording.Errorf(recording.CodeInvalid, "this is not a key: a key has 40 characters")
}

// CheckKey says whether text can be a key. Errors are CodeInvalid.
func CheckKey(text string) error {
	if raw, ok := z85Decode(text); ok && len(raw) == 32 {
		return nil
	}
	return recording.Errorf(recording.CodeInvalid, "%q is not a key: a key has 40 characters", text).
		WithHint("'smiley keys show' prints one")
}

// z85 is the alphabet of RFC 32 of ZeroMQ.
const z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// z85Encode encodes bytes, whose number must be a multiple of 4.
func z85Encode(raw []byte) string {
	var b strings.Builder
	for ; len(raw) >= 4; raw = raw[4:] {
		v := uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
		for _, d := range [...]uint32{85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1} {
			b.WriteByte(z85[v/d%85])
		}
	}
	return b.String()
}

func z85Decode(text string) ([]byte, bool) {
	if len(text)%5 != 0 {
		return nil, false
	}
	var raw []byte
	for ; text != ""; text = text[5:] {
		var v uint64
		for i := range 5 {
			d := strings.IndexByte(z85, text[i])
			if d < 0 {
				return nil, false
			}
			v = v*85 + uint64(d)
		}
		if v > 1<<32-1 {
			return nil, false
		}
		raw = append(raw, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return raw, true
}
