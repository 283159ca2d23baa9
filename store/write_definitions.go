package store

import (
	"sync"

	"github.com/klauspost/compress/zstd"

	"smiley/recording"
)

// maxBody bounds what a stored file or type table may grow to when it is decompressed.
const maxBody = 64 << 20

var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err) // only options can fail
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBody))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// insertDefinitions notes that a block defines functions and types, which are read from it, and stores its source files.
func (w *writeTx) insertDefinitions(run *liveRun, b *recording.Block) error {
	d := &b.Definitions
	if n, m := len(d.Functions), len(d.Types); n+m > 0 {
		err := w.exec(w.s.statements.definitions, run.key, b.Number, run.functions+int64(n), run.types+int64(m))
		if err != nil {
			return err
		}
	}
	return w.insertFiles(run, d.Files)
}

func (w *writeTx) insertFiles(run *liveRun, files []recording.File) error {
	for i := range files {
		f := &files[i]
		var hash []byte
		if f.Missing == "" {
			hash = f.Hash[:]
			if err := w.insertFile(f); err != nil {
				return err
			}
		}
		if err := w.exec(w.s.statements.runFile, run.key, int64(f.ID), f.Name, hash, f.Missing); err != nil {
			return err
		}
	}
	return nil
}
