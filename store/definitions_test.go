package store

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"smiley/recording"
)

// The functions of two runs that grow, asked for in turns and by several at once, are each time those that a reader finds that comes anew.
func TestFunctionsOfRunsThatGrow(t *testing.T) {
	const defined = 6
	fixtures := make([]*fixture, 2)
	for n := range fixtures {
		fixtures[n] = build(t, newRun(t, n), true, func(b *recording.Builder) {
			w := newWorld(t, b, 3)
			for i := range defined {
				w.steps(10)
				f := recording.Function{ID: recording.FunctionID(tracedFunctions + 2 + i), Name: fmt.Sprintf("main.late%d_%d", n, i), Package: "main", File: 1}
				check(t, b.Define(recording.Definitions{Functions: []recording.Function{f}}))
				check(t, b.Cut(w.now))
			}
		})
	}
	s := openStore(t)
	for i := range fixtures[0].blocks {
		for _, f := range fixtures {
			_, err := s.Append(t.Context(), f.blocks[min(i, len(f.blocks)-1)])
			check(t, err)
		}
		anew, err := OpenReader(t.Context(), s.file)
		check(t, err)
		var all sync.WaitGroup
		for range 4 {
			for _, f := range fixtures {
				want, err := anew.Functions(t.Context(), f.run.ID)
				check(t, err)
				all.Go(func() {
					got, err := s.Functions(t.Context(), f.run.ID)
					if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); err != nil || a != b {
						t.Errorf("after %d blocks: %v\n%s\n%s", i+1, err, a, b)
					}
				})
			}
		}
		all.Wait()
		check(t, anew.Close())
	}
}

// Runs that were recorded before functions and types were read from blocks have rows of their own; one that went on since has both.
func TestDefinitionsOfOlderRuns(t *testing.T) {
	const defined = 4
	f := build(t, newRun(t, 0), true, func(b *recording.Builder) {
		w := newWorld(t, b, 3)
		types := len(testTables().Types)
		for i := range defined {
			w.steps(10)
			check(t, b.Define(recording.Definitions{
				Functions: []recording.Function{{
					ID: recording.FunctionID(tracedFunctions + 2 + i), Name: fmt.Sprintf("main.late%d", i), Package: "main", File: 1, Line: 7,
					Params:  []recording.Param{{Name: "<p>", Type: 1}, {Name: "q", Type: 2, Unreadable: "it is in \"pieces\""}},
					Results: []recording.Param{}, Trace: recording.TraceProbe, Reason: "inlined at some of its calls", Variadic: i%2 == 0,
				}},
				Types: []recording.Type{{ID: recording.TypeID(types + 1 + i), Name: fmt.Sprintf("main.T%d", i), Kind: recording.KindInt, Size: 8}},
			}))
			check(t, b.Cut(w.now))
		}
	})
	for since := range len(f.blocks) + 1 { // the first block that a newer smiley stored
		s := openStore(t)
		keep(t, s, f)
		read := func() string {
			anew, err := OpenReader(t.Context(), s.file)
			check(t, err)
			functions, err := anew.Functions(t.Context(), f.run.ID)
			check(t, err)
			types, err := anew.Types(t.Context(), f.run.ID)
			check(t, err)
			check(t, anew.Close())
			text := fmt.Sprintf("%+v\n", functions)
			for id := range types.Len() {
				typ, _ := types.Get(recording.TypeID(id + 1))
				text += fmt.Sprintf("%+v\n", *typ)
			}
			return text
		}
		want := read()
		for _, encoded := range f.blocks[:since] {
			block, err := recording.Decode(encoded)
			check(t, err)
			for _, f := range block.Definitions.Functions {
				params, err := json.Marshal(f.Params)
				check(t, err)
				results, err := json.Marshal(f.Results)
				check(t, err)
				_, err = s.w.Exec(`INSERT INTO functions VALUES (1,?,?,?,?,?,?,?,?,?,?)`, f.ID, f.Name, f.Package, f.File, f.Line, f.Trace, f.Reason,
					f.Variadic, string(params), string(results))
				check(t, err)
			}
			if types := block.Definitions.Types; len(types) > 0 {
				body, err := json.Marshal(types)
				check(t, err)
				_, err = s.w.Exec(`INSERT INTO types (run, first, count, body) VALUES (1,?,?,?)`, types[0].ID, len(types), encoder().EncodeAll(body, nil))
				check(t, err)
			}
		}
		_, err := s.w.Exec(`DELETE FROM definitions WHERE number < ?`, since)
		check(t, err)
		equal(t, fmt.Sprintf("definitions, of which those of %d blocks are rows", since), read(), want)
	}
}

// A file that says that a run has more functions than there can be ends nobody who reads it.
func TestFunctionsAreNotCountedOnTrust(t *testing.T) {
	s := openStore(t)
	f := small(t, newRun(t, 0))
	keep(t, s, f)
	check(t, s.Close())
	execute(t, s.File(), `UPDATE runs SET functions = 1 << 60`)
	r, err := OpenReader(t.Context(), s.File())
	check(t, err)
	defer func() { check(t, r.Close()) }()
	functions, err := r.Functions(t.Context(), f.run.ID)
	check(t, err)
	equal(t, "functions", len(functions), len(testTables().Functions))
}
