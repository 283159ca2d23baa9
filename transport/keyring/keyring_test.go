package keyring

import (
	"os"
	"path/filepath"
	"testing"

	"smiley/recording"
	"smiley/transport"
)

func TestRing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config", "smiley")
	r := Open(dir)
	if _, err := r.Own(); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("no key: %v", err)
	}
	pair, err := r.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if own, err := r.Own(); err != nil || own != pair {
		t.Errorf("%v, %v", own, err)
	}
	if _, err := r.Generate(); recording.CodeOf(err) != recording.CodeInvalid {
		t.Errorf("a second key: %v", err)
	}
	other, err := transport.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	if r.Authorized(other.Public) {
		t.Error("authorized before it was")
	}
	if err := r.Authorize(other.Public, "laptop  of\nmine"); err != nil {
		t.Fatal(err)
	}
	if list, err := r.Clients(); err != nil || len(list) != 1 || list[0] != [2]string{other.Public, "laptop of mine"} {
		t.Errorf("%v, %v", list, err)
	}
	if !r.Authorized(other.Public) || r.Authorized(pair.Public) {
		t.Error("the wrong one is authorized")
	}
	if err := r.Authorize("short", ""); recording.CodeOf(err) != recording.CodeInvalid {
		t.Errorf("a key that is none: %v", err)
	}
	e, err := transport.ParseEndpoint("tcp://recorder:5556")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Recorder(e); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("an unknown recorder: %v", err)
	}
	for _, key := range []string{other.Public, pair.Public} {
		if err := r.Trust(key, e); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Recorder(e); err != nil || got != key {
			t.Errorf("%s, %v", got, err)
		}
	}
	for _, name := range []string{ownFile, clientsFile, recordersFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, ownFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Own(); recording.CodeOf(err) != recording.CodePermission {
		t.Errorf("a key for all to read: %v", err)
	}
}

// Whatever a file holds, that a person has edited or somebody else has written: only whole keys count, and one that is added
// afterwards does.
func FuzzRing(f *testing.F) {
	const key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
	f.Add([]byte(key + " laptop\n" + "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID tcp://10.0.0.7:5556"))
	f.Add([]byte("# mine\r\n\r\n  " + key + "\r\n"))
	f.Add([]byte(key[:39]))
	recorder := transport.Endpoint{Transport: "tcp", Host: "10.0.0.7", Port: 5556}
	f.Fuzz(func(t *testing.T, data []byte) {
		ring := Open(t.TempDir())
		for _, name := range []string{ownFile, clientsFile, recordersFile} {
			if err := os.WriteFile(filepath.Join(ring.Dir(), name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if own, err := ring.Own(); err == nil && transport.CheckKey(own.Public) != nil {
			t.Errorf("the own key is %q", own)
		}
		clients, err := ring.Clients()
		for _, c := range clients {
			if transport.CheckKey(c[0]) != nil || !ring.Authorized(c[0]) {
				t.Errorf("a client has the key %q, error %v", c[0], err)
			}
		}
		if known, err := ring.Recorder(recorder); err == nil && transport.CheckKey(known) != nil {
			t.Errorf("the recorder has the key %q", known)
		}
		if err := ring.Authorize(key, "laptop"); err != nil || !ring.Authorized(key) {
			t.Errorf("a key that is authorized: %v, error %v", ring.Authorized(key), err)
		}
		if err := ring.Trust(key, recorder); err != nil {
			t.Error(err)
		}
		if known, err := ring.Recorder(recorder); err != nil || known != key {
			t.Errorf("a recorder's key that is noted down: %q, error %v", known, err)
		}
	})
}
