package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"smiley/recording"
)

// functionCache keeps the functions of the run that was asked for last: a large program has tens of thousands, and every page of a run
// wants them.
type functionCache struct {
	mu        sync.Mutex
	run       recording.RunID
	functions []recording.Function
}

// Functions returns the functions of a run, by id, as far as they are known. The caller must not change them.
func (r *Reader) Functions(ctx context.Context, id recording.RunID) ([]recording.Function, error) {
	var functions []recording.Function
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		known := &r.functions
		known.mu.Lock()
		defer known.mu.Unlock()
		functions = nil
		if known.run == id && uint64(len(known.functions)) <= run.Functions {
			functions = known.functions
		}
		if uint64(len(functions)) < run.Functions { // none is ever changed, so that the new ones are all that is missing
			if functions, err = readFunctions(ctx, q, r.file, run, functions); err != nil {
				return err
			}
			known.run, known.functions = id, functions
		}
		return nil
	})
	return functions, err
}

// functionsAtOnce bounds the functions that room is made for because the file says that there are so many.
const functionsAtOnce = 64 << 10

// readFunctions adds to functions those of a run that come behind them.
func readFunctions(ctx context.Context, q queries, file string, run *runRow, functions []recording.Function) ([]recording.Function, error) {
	last := recording.FunctionID(0)
	if n := len(functions); n > 0 {
		last = functions[n-1].ID
	}
	functions = slices.Grow(functions, int(min(run.Functions-uint64(len(functions)), functionsAtOnce)))
	err := each(ctx, q, func(rows *sql.Rows) error {
		var f recording.Function
		var params, results string
		err := rows.Scan(&f.ID, &f.Name, &f.Package, &f.File, &f.Line, &f.Trace, &f.Reason, &f.Variadic, &params, &results)
		if err != nil {
			return err
		}
		if err := errors.Join(json.Unmarshal([]byte(params), &f.Params), json.Unmarshal([]byte(results), &f.Results)); err != nil {
			return damaged(file, err)
		}
		functions = append(functions, f)
		return nil
	}, `SELECT id, name, package, file, line, trace, reason, variadic, params, results FROM functions
		WHERE run = ? AND id > ? ORDER BY id`, run.key, last)
	if err != nil {
		return nil, err
	}
	return appendDefined(ctx, q, file, run.key, functions, definedFunctions)
}

// defined is a kind of definitions: the column of definitions that says how many there are with a block, how to find them in the
// block, and their ids, which begin at 1 and go on by one.
type defined[T any] struct {
	column string
	in     func(*recording.Definitions) []T
	id     func(*T) int
}

var (
	definedFunctions = defined[recording.Function]{
		"functions", func(d *recording.Definitions) []recording.Function { return d.Functions }, func(f *recording.Function) int { return int(f.ID) },
	}
	definedTypes = defined[recording.Type]{
		"types", func(d *recording.Definitions) []recording.Type { return d.Types }, func(t *recording.Type) int { return int(t.ID) },
	}
)

// appendDefined adds to all those of a kind, of which there are some, what blocks of the run define behind them.
func appendDefined[T any](ctx context.Context, q queries, file string, key int64, all []T, kind defined[T]) ([]T, error) {
	blocks, err := definedIn(ctx, q, key, kind.column, int64(len(all)))
	if err != nil {
		return nil, err
	}
	for _, number := range blocks {
		block, err := readBlock(ctx, q, key, number)
		if err != nil {
			return nil, err
		}
		list := kind.in(&block.Definitions)
		for i := range list {
			if kind.id(&list[i]) != len(all)+i+1 {
				return nil, damaged(file, nil)
			}
		}
		all = append(all, list...)
	}
	return all, nil
}

// definedIn returns the blocks of a run that define something, of which some are known, as a column of definitions says.
func definedIn(ctx context.Context, q queries, key int64, column string, known int64) (blocks []uint32, err error) {
	err = each(ctx, q, func(rows *sql.Rows) error {
		var number uint32
		var n int64
		if err := rows.Scan(&number, &n); err != nil {
			return err
		}
		if n > known {
			blocks, known = append(blocks, number), n
		}
		return nil
	}, `SELECT number, `+column+` FROM definitions WHERE run = ? ORDER BY number`, key)
	return blocks, err
}

// typeCache keeps the type table that was last used.
type typeCache struct {
	mu    sync.Mutex
	key   int64
	count int64
	types *recording.Types
}

// Types returns the type table of a run, as far as it is known. The caller must not change it.
func (r *Reader) Types(ctx context.Context, id recording.RunID) (*recording.Types, error) {
	var types *recording.Types
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		var count int64
		if err := q.QueryRowContext(ctx, `SELECT types FROM runs WHERE key = ?`, run.key).Scan(&count); err != nil {
			return err
		}
		r.types.mu.Lock()
		defer r.types.mu.Unlock()
		if r.types.types == nil || r.types.key != run.key || r.types.count != count {
			read, err := readTypes(ctx, q, r.file, run.key)
			if err != nil {
				return err
			}
			r.types.key, r.types.count, r.types.types = run.key, count, read
		}
		types = r.types.types
		return nil
	})
	return types, err
}

func readTypes(ctx context.Context, q queries, file string, key int64) (*recording.Types, error) {
	var all []recording.Type
	err := each(ctx, q, func(rows *sql.Rows) error {
		var first int64
		var body []byte
		if err := rows.Scan(&first, &body); err != nil {
			return err
		}
		plain, err := decoder().DecodeAll(body, nil)
		if err != nil {
			return damaged(file, err)
		}
		var part []recording.Type
		if err := json.Unmarshal(plain, &part); err != nil {
			return damaged(file, err)
		}
		for i := range part {
			if int(part[i].ID) != len(all)+i+1 {
				return damaged(file, nil)
			}
		}
		all = append(all, part...)
		return nil
	}, `SELECT first, body FROM types WHERE run = ? ORDER BY first`, key)
	if err != nil {
		return nil, err
	}
	if all, err = appendDefined(ctx, q, file, key, all, definedTypes); err != nil {
		return nil, err
	}
	return recording.NewTypes(all), nil
}

// Files returns the source files of a run, by id, without their bodies.
func (r *Reader) Files(ctx context.Context, id recording.RunID) ([]recording.File, error) {
	var files []recording.File
	err := r.snapshot(ctx, func(q queries) error {
		run, err := r.runRow(ctx, q, id)
		if err != nil {
			return err
		}
		return each(ctx, q, func(rows *sql.Rows) error {
			var f recording.File
			var hash []byte
			if err := rows.Scan(&f.ID, &f.Name, &hash, &f.Missing); err != nil {
				return err
			}
			copy(f.Hash[:], hash)
			files = append(files, f)
			return nil
		}, `SELECT id, name, hash, missing FROM run_files WHERE run = ? ORDER BY id`, run.key)
	})
	return files, err
}
