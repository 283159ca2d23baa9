package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"

	"github.com/klauspost/compress/s2"

	"smiley/recording"
)

// sourceCodec is how the content of a source file is compressed.
type sourceCodec int

const (
	sourceZstd sourceCodec = 0 // until schema 5
	// sourceS2 takes a third of the time and a third more room: somebody waits until the sources of a large program are stored.
	sourceS2 sourceCodec = 1
)

// decodeSource returns the content of a source file. Whether it is the right one is for the caller to check.
func decodeSource(codec sourceCodec, stored []byte) ([]byte, error) {
	switch codec {
	case sourceZstd:
		return decoder().DecodeAll(stored, nil)
	case sourceS2:
		switch n, err := s2.DecodedLen(stored); {
		case err != nil:
			return nil, err
		case n > maxBody:
			return nil, s2.ErrTooLarge
		}
		return s2.Decode(nil, stored)
	}
	return nil, errors.New("the source file is compressed in an unknown way")
}

// insertFile keeps a source file. Most are there from an earlier run.
func (w *writeTx) insertFile(f *recording.File) error {
	var there bool
	err := w.tx.StmtContext(w.ctx, w.s.statements.hasFile).QueryRowContext(w.ctx, f.Hash[:]).Scan(&there)
	if err != nil || there {
		return err
	}
	scratch := w.s.sourceScratch
	scratch = s2.Encode(scratch[:cap(scratch)], f.Body)
	if cap(scratch) <= maxSourceScratch {
		w.s.sourceScratch = scratch
	}
	return w.exec(w.s.statements.file, f.Hash[:], len(f.Body), sourceS2, scratch)
}

// maxSourceScratch bounds the memory that is kept from one source file to the next.
const maxSourceScratch = 2 << 20

// FileBody returns the content of a source file as it was when the program ran. Errors: CodeNotFound when no run has a
// file with this hash, CodeDamaged.
func (r *Reader) FileBody(ctx context.Context, hash [32]byte) ([]byte, error) {
	var stored []byte
	var codec sourceCodec
	err := r.db.QueryRowContext(ctx, `SELECT codec, body FROM files WHERE hash = ?`, hash[:]).Scan(&codec, &stored)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, failure(recording.CodeNotFound, nil, "there is no source for this file", "")
	}
	if err != nil {
		return nil, wrap(r.file, err)
	}
	body, err := decodeSource(codec, stored)
	if err != nil || sha256.Sum256(body) != hash {
		return nil, damaged(r.file, err)
	}
	return body, nil
}
