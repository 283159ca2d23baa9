package debuginfo

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// compressed is what the standard library makes of a text.
func compressed(t interface{ Fatal(...any) }, text []byte, level int) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// levels are all of the standard library's: stored, by Huffman's codes alone, and with matches.
var levels = []int{flate.HuffmanOnly, flate.DefaultCompression, flate.NoCompression, 1, 2, 3, 4, 5, 6, 7, 8, 9}

// Whatever the standard library compresses is what it was, and all of its beginnings are, too.
func TestInflateIsTheInverse(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 70_000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	texts := map[string][]byte{
		"nothing": nil, "a byte": {7}, "zeros": make([]byte, 100_000), "random": random, "code": program[:min(len(program), 300_000)],
		"few symbols": bytes.Repeat([]byte("abcabcabd"), 5000),
	}
	for name, text := range texts {
		for _, level := range levels {
			in := compressed(t, text, level)
			out := make([]byte, len(text))
			if err := inflate(out, in); err != nil || !bytes.Equal(out, text) {
				t.Errorf("%s, level %d: %v", name, level, err)
			}
			if part := out[:len(out)*2/3]; len(part) > 0 {
				clear(out)
				if err := inflate(part, in); err != nil || !bytes.Equal(part, text[:len(part)]) {
					t.Errorf("the beginning of %s, level %d: %v", name, level, err)
				}
			}
			if err := inflate(make([]byte, len(text)+1), in); err == nil {
				t.Errorf("%s, level %d: there is more than there was", name, level)
			}
		}
	}
}

// Texts with matches of every distance and length come back.
func TestInflateProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		for range rapid.IntRange(0, 60).Draw(t, "pieces") {
			switch n := rapid.IntRange(1, 600).Draw(t, "length"); rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				text = append(text, rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "bytes")...)
			case 1:
				text = append(text, bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, n)...)
			default:
				if len(text) == 0 {
					continue
				}
				back := rapid.IntRange(1, len(text)).Draw(t, "back")
				for range n {
					text = append(text, text[len(text)-back])
				}
			}
		}
		in := compressed(t, text, rapid.SampledFrom(levels).Draw(t, "level"))
		out := make([]byte, len(text))
		if err := inflate(out, in); err != nil || !bytes.Equal(out, text) {
			t.Fatalf("%v", err)
		}
	})
}

// FuzzInflate: of any input, however damaged, what the standard library can read is read alike, and what it cannot is not.
func FuzzInflate(f *testing.F) {
	text := bytes.Repeat([]byte("func main() { fmt.Println(\"hello\") }\n"), 30)
	for _, level := range levels {
		in := compressed(f, text, level)
		f.Add(in, uint16(len(text)))
		for i := range 12 {
			damaged := bytes.Clone(in)
			damaged[i*len(in)/12] ^= 1 << (i % 8)
			f.Add(damaged, uint16(len(text)))
		}
		f.Add(in[:len(in)/2], uint16(len(text)))
	}
	f.Fuzz(func(t *testing.T, in []byte, length uint16) {
		want, got := make([]byte, length), make([]byte, length)
		n, wantErr := io.ReadFull(flate.NewReader(bytes.NewReader(in)), want)
		err := inflate(got, in)
		if wantErr == nil && err != nil {
			t.Fatalf("%d bytes can be read: %v", n, err)
		}
		if err == nil && !bytes.Equal(got[:n], want[:n]) {
			t.Fatalf("what was read differs")
		}
		if err == nil && wantErr != nil { // damaged behind what was asked for, which the standard library may see too early
			var upTo bytes.Buffer
			_, _ = upTo.ReadFrom(flate.NewReader(bytes.NewReader(in)))
			if upTo.Len() < n || !bytes.HasPrefix(got, upTo.Bytes()[:min(upTo.Len(), len(got))]) {
				t.Fatalf("what was read differs")
			}
		}
	})
}
