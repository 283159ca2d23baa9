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
