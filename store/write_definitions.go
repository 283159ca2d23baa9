package store

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
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
	// quickEncoder is for the types that a run begins with: they are megabytes, and somebody waits until they are written.
	quickEncoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
		if err != nil {
			panic(err)
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
	body, err := typesJSON(types)
	if err != nil {
		return err
	}
	return w.exec(w.s.statements.types, run.key, types[0].ID, len(types), quickEncoder().EncodeAll(body, nil))
}

// typesJSON is json.Marshal for types, of which a large program has thousands.
func typesJSON(types []recording.Type) ([]byte, error) {
	const usual = 160 // bytes of a type
	b := append(make([]byte, 0, usual*len(types)), '[')
	for i := range types {
		t := &types[i]
		if i > 0 {
			b = append(b, ',')
		}
		if !plainType(t) {
			whole, err := json.Marshal(t)
			if err != nil {
				return nil, err
			}
			b = append(b, whole...)
			continue
		}
		number := func(name string, v uint64) { b = strconv.AppendUint(append(b, name...), v, 10) }
		text := func(name, v string) { b = append(append(append(b, name...), v...), '"') }
		number(`{"ID":`, uint64(t.ID))
		text(`,"Name":"`, t.Name)
		text(`,"Package":"`, t.Package)
		number(`,"Kind":`, uint64(t.Kind))
		number(`,"Size":`, uint64(t.Size))
		number(`,"Elem":`, uint64(t.Elem))
		number(`,"Key":`, uint64(t.Key))
		number(`,"Len":`, t.Len)
		b = append(b, `,"Fields":`...)
		if t.Fields == nil {
			b = append(b, "null"...)
		} else {
			b = append(b, '[')
			for k := range t.Fields {
				f := &t.Fields[k]
				if k > 0 {
					b = append(b, ',')
				}
				text(`{"Name":"`, f.Name)
				number(`,"Type":`, uint64(f.Type))
				number(`,"Offset":`, uint64(f.Offset))
				b = append(strconv.AppendBool(append(b, `,"Embedded":`...), f.Embedded), '}')
			}
			b = append(b, ']')
		}
		b = append(strconv.AppendBool(append(b, `,"Methods":`...), t.Methods), '}')
	}
	return append(b, ']'), nil
}

// plainType reports whether all names of a type are written in JSON as they are.
func plainType(t *recording.Type) bool {
	for i := range t.Fields {
		if !plainJSON(t.Fields[i].Name) {
			return false
		}
	}
	return plainJSON(t.Name) && plainJSON(t.Package)
}

// functionRows is how many functions are written by one statement: large programs have ten thousand, all in their first blocks.
const functionRows = 32

// insertFunctionRows adds rows of functions.
func insertFunctionRows(rows int) string {
	const row = "(?,?,?,?,?,?,?,?,?,?,?)"
	return "INSERT INTO functions VALUES " + row + strings.Repeat(","+row, rows-1)
}

// functionColumns is how many columns a function has.
const functionColumns = 11

// insertFunctions goes around database/sql, which makes a list of what is bound for every statement: a large program starts with ten thousand
// functions, and execRows would take more than twice as long for these, 80 ms instead of 37. Other rows come while a program runs.
func (w *writeTx) insertFunctions(run *liveRun, functions []recording.Function) error {
	if len(functions) == 0 {
		return nil
	}
	return w.conn.Raw(func(connection any) error {
		for _, rows := range []int{functionRows, 1} {
			whole := len(functions) / rows * rows
			if err := w.insertFunctionsBy(connection.(driver.ConnPrepareContext), rows, run, functions[:whole]); err != nil {
				return err
			}
			functions = functions[whole:]
		}
		return nil
	})
}

// insertFunctionsBy inserts functions by statements of that many rows, which the number of functions is a multiple of.
func (w *writeTx) insertFunctionsBy(c driver.ConnPrepareContext, rows int, run *liveRun, functions []recording.Function) (err error) {
	if len(functions) == 0 {
		return nil
	}
	statement, err := c.PrepareContext(w.ctx, insertFunctionRows(rows))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	values := make([]driver.NamedValue, functionColumns*rows)
	for i := range values {
		values[i].Ordinal = i + 1
	}
	for chunk := range slices.Chunk(functions, rows) {
		for i := range chunk {
			if err := w.bindFunction(values[functionColumns*i:functionColumns*(i+1)], run.key, &chunk[i]); err != nil {
				return err
			}
		}
		if _, err := statement.(driver.StmtExecContext).ExecContext(w.ctx, values); err != nil {
			return err
		}
	}
	return nil
}

// bindFunction fills in the values of a function's row.
func (w *writeTx) bindFunction(values []driver.NamedValue, run int64, f *recording.Function) error {
	params, err := w.paramsJSON(f.Params)
	if err != nil {
		return err
	}
	results, err := w.paramsJSON(f.Results)
	if err != nil {
		return err
	}
	for i, v := range [functionColumns]driver.Value{
		run, int64(f.ID), f.Name, f.Package, int64(f.File), int64(f.Line), int64(f.Trace), f.Reason, f.Variadic, params, results,
	} {
		values[i].Value = v
	}
	return nil
}

// storedParam is a parameter as it is stored: nearly all are readable.
type storedParam struct {
	Name       string
	Type       recording.TypeID
	Unreadable string `json:",omitempty"`
}

// paramsJSON is asJSON for parameters, of which a large program has tens of thousands.
func (w *writeTx) paramsJSON(params []recording.Param) (string, error) {
	if params == nil {
		return "null", nil
	}
	b := append(w.json[:0], '[')
	for i := range params {
		p := &params[i]
		if !plainJSON(p.Name) || p.Unreadable != "" {
			return asJSON(storedParams(params))
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"Name":"`...), p.Name...), `","Type":`...)
		b = append(strconv.AppendUint(b, uint64(p.Type), 10), '}')
	}
	w.json = append(b, ']')
	return string(w.json), nil
}

func storedParams(params []recording.Param) []storedParam {
	list := make([]storedParam, len(params))
	for i := range params {
		list[i] = storedParam(params[i])
	}
	return list
}

// plainJSON reports whether a string is written in JSON as it is.
func plainJSON(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
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
