package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"smiley/recording"
)

// Sources that an earlier smiley stored can be read, and are not stored again.
func TestSourcesOfEarlierSchemas(t *testing.T) {
	file := filepath.Join(t.TempDir(), "old.db")
	check(t, os.WriteFile(file, nil, 0o600))
	db, _, err := target{file, defaultPatience}.connect(t.Context(), accessWrite)
	check(t, err)
	check(t, migrate(t.Context(), db, file, migrations()[:5]))
	hash := sha256.Sum256([]byte(sourceText))
	_, err = db.Exec(`INSERT INTO files (hash, size, body) VALUES (?,?,?)`, hash[:], len(sourceText), compress([]byte(sourceText)))
	check(t, err)
	check(t, db.Close())

	s, err := Open(t.Context(), file)
	check(t, err)
	defer func() { check(t, s.Close()) }()
	f := small(t, newRun(t, 0))
	keep(t, s, f)
	body, err := s.FileBody(t.Context(), hash)
	check(t, err)
	equal(t, "source", string(body), sourceText)
	var codec sourceCodec
	var rows int
	check(t, s.w.QueryRow(`SELECT codec, count(*) OVER () FROM files WHERE hash = ?`, hash[:]).Scan(&codec, &rows))
	equal(t, "codec", codec, sourceZstd)
	equal(t, "rows", rows, 1)

	other := filepath.Join(t.TempDir(), "other.db")
	check(t, s.Export(t.Context(), f.run.ID, other, false))
	r, err := OpenReader(t.Context(), other)
	check(t, err)
	defer func() { check(t, r.Close()) }()
	body, err = r.FileBody(t.Context(), hash)
	check(t, err)
	equal(t, "exported source", string(body), sourceText)
}

// Sources of any length come back; the memory for one is used for the next.
func TestSourcesComeBack(t *testing.T) {
	s := openStore(t)
	var files []recording.File
	for i, size := range []int{0, 1, 40, 5000, maxSourceScratch + 1, 70_000} {
		body := bytes.Repeat([]byte("package main\n\nfunc main() {}\n"), size/28+1)[:size]
		if size > 0 {
			body[0] = byte(i)
		}
		files = append(files, recording.File{ID: recording.FileID(len(testTables().Files) + i + 1), Name: "/home/gopher/a.go", Body: body, Hash: sha256.Sum256(body)})
	}
	f := build(t, newRun(t, 0), false, func(b *recording.Builder) {
		for i := range files {
			check(t, b.Define(recording.Definitions{Files: files[i : i+1]}))
			check(t, b.CutDefinitions(0))
		}
	})
	keep(t, s, f)
	for i := range files {
		body, err := s.FileBody(t.Context(), files[i].Hash)
		check(t, err)
		if !bytes.Equal(body, files[i].Body) {
			t.Errorf("the source of %d bytes came back as %d others", len(files[i].Body), len(body))
		}
	}
}

// What a damaged or hostile file says of a source is not believed.
func TestSourcesAreChecked(t *testing.T) {
	s := openStore(t)
	keep(t, s, small(t, newRun(t, 0)))
	hash := sha256.Sum256([]byte(sourceText))
	for _, c := range []struct {
		name  string
		codec sourceCodec
		body  []byte
	}{
		{"too long", sourceS2, binary.AppendUvarint(nil, maxBody+1)},
		{"longer than can be", sourceS2, binary.AppendUvarint(nil, 1<<62)},
		{"nothing", sourceS2, []byte{}},
		{"another codec", sourceS2, compress([]byte(sourceText))},
		{"no such codec", 2, []byte(sourceText)},
	} {
		_, err := s.w.Exec(`UPDATE files SET codec = ?, body = ? WHERE hash = ?`, c.codec, c.body, hash[:])
		check(t, err)
		_, err = s.FileBody(t.Context(), hash)
		t.Log(c.name)
		wantCode(t, err, recording.CodeDamaged)
	}
}

// A sender's source that does not fit its hash is refused; what this process says of its own is checked when it is read.
func TestSourcesOfOthersAreHashed(t *testing.T) {
	wrong := recording.File{ID: recording.FileID(len(testTables().Files) + 1), Name: "/home/gopher/b.go", Body: []byte("package b"), Hash: sha256.Sum256([]byte("package c"))}
	f := build(t, newRun(t, 0), false, func(b *recording.Builder) {
		check(t, b.Define(recording.Definitions{Files: []recording.File{wrong}}))
	})
	s := openStore(t)
	_, err := s.Append(t.Context(), f.blocks[0])
	wantCode(t, err, recording.CodeDamaged)
	for _, block := range f.blocks {
		_, err := s.AppendOwn(t.Context(), block)
		check(t, err)
	}
	_, err = s.FileBody(t.Context(), wrong.Hash)
	wantCode(t, err, recording.CodeDamaged)
	functions, err := s.Functions(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "functions", len(functions), len(testTables().Functions))
}
