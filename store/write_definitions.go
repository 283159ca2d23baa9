package store

import (
	"encoding/json"
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

func (w *writeTx) insertDefinitions(run *liveRun, b *recording.Block) error {
	d := &b.Definitions
	if err := w.insertTypes(run, d.Types); err != nil {
		return err
	}
	if err := w.insertFunctions(run, d.Functions); err != nil {
		return err
	}
	return w.insertFiles(run, d.Files)
}

func (w *writeTx) insertTypes(run *liveRun, types []recording.Type) error {
	if len(types) == 0 {
		return nil
	}
	body, err := json.Marshal(types)
	if err != nil {
		return err
	}
	return w.exec(w.s.statements.types, run.key, types[0].ID, len(types), encoder().EncodeAll(body, nil))
}

func (w *writeTx) insertFunctions(run *liveRun, functions []recording.Function) error {
	for i := range functions {
		f := &functions[i]
		params, err := asJSON(f.Params)
		if err != nil {
			return err
		}
		results, err := asJSON(f.Results)
		if err != nil {
			return err
		}
		err = w.exec(w.s.statements.function, run.key, f.ID, f.Name, f.Package, f.File, f.Line, f.Trace, f.Reason,
			f.Variadic, params, results)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writeTx) insertFiles(run *liveRun, files []recording.File) error {
	for i := range files {
		f := &files[i]
		var hash []byte
		if f.Missing == "" {
			hash = f.Hash[:]
			err := w.exec(w.s.statements.file, hash, len(f.Body), encoder().EncodeAll(f.Body, nil))
			if err != nil {
				return err
			}
		}
		if err := w.exec(w.s.statements.runFile, run.key, f.ID, f.Name, hash, f.Missing); err != nil {
			return err
		}
	}
	return nil
}
