package transport

import "testing"

// What counts as a key is one, and is written as it was read.
func FuzzKey(f *testing.F) {
	f.Add("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")
	f.Add("########################################")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		raw, ok := z85Decode(text)
		if ok && z85Encode(raw) != text {
			t.Errorf("%q is read as %x, which is %q", text, raw, z85Encode(raw))
		}
		pair, err := KeyPairOf(text)
		if (err == nil) != (CheckKey(text) == nil) {
			t.Errorf("as a public key: %v; as a secret one: %v", CheckKey(text), err)
		}
		if err == nil && (pair.Secret != text || CheckKey(pair.Public) != nil) {
			t.Errorf("%q gives %q", text, pair)
		}
	})
}

// One key in 85 would be taken for a flag by whoever is given it on a command line.
func TestNewKeysAreNoFlags(t *testing.T) {
	for range 400 {
		pair, err := NewKeyPair()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := KeyPairOf(pair.Secret); pair.Public[0] == '-' || err != nil || again != pair {
			t.Fatalf("%+v, whose secret makes %+v, %v", pair, again, err)
		}
	}
}
