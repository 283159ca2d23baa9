package store

import (
	"reflect"
	"testing"

	"smiley/recording"
)

// follower is somebody who knows a run only by what Follow says and the blocks behind it.
type follower struct {
	types     []recording.Type
	functions []recording.Function
	files     []recording.File
}

// learn takes the definitions of a block that are new.
func (f *follower) learn(t *testing.T, encoded []byte) *recording.Block {
	t.Helper()
	b, err := recording.Decode(encoded)
	check(t, err)
	d := &b.Definitions
	for _, v := range d.Types {
		if int(v.ID) == len(f.types)+1 {
			f.types = append(f.types, v)
		}
	}
	for _, v := range d.Functions {
		if int(v.ID) == len(f.functions)+1 {
			f.functions = append(f.functions, v)
		}
	}
	for _, v := range d.Files {
		if int(v.ID) == len(f.files)+1 {
			f.files = append(f.files, v)
		}
	}
	return b
}

// Whoever joins a run at any block, or comes back to it after some, knows the same as one who saw it from the beginning.
func TestFollow(t *testing.T) {
	run := newRun(t, 0)
	late := 6
	fix := build(t, run, true, func(b *recording.Builder) {
		w := newWorld(t, b, 3)
		for range 6 {
			w.steps(10)
			late++
			check(t, b.Define(recording.Definitions{
				Types:     []recording.Type{{ID: recording.TypeID(late - 4), Name: "late", Kind: recording.KindInt, Size: 8}},
				Functions: []recording.Function{{ID: recording.FunctionID(late), Name: "main.late", Package: "main", File: 1}},
			}))
			check(t, b.Cut(w.now))
		}
	})
	s := openStore(t)
	var whole, early follower
	var have Tables
	for n, encoded := range fix.blocks {
		whole.learn(t, encoded)
		_, err := s.Append(t.Context(), encoded)
		check(t, err)
		var joined follower
		next, now, blocks, err := s.Follow(t.Context(), run.ID, Tables{})
		check(t, err)
		for i, b := range blocks {
			if block := joined.learn(t, b); i == 0 && !reflect.DeepEqual(block.Start, &run) {
				t.Errorf("after block %d: the run is %+v", n, block.Start)
			}
		}
		if int(next) != n+1 || int(now.Functions) != len(whole.functions) || !reflect.DeepEqual(joined, whole) {
			t.Errorf("after block %d: %d, %+v\n%+v\n%+v", n, next, now, joined, whole)
		}
		if n%2 == 0 {
			continue
		}
		_, now, blocks, err = s.Follow(t.Context(), run.ID, have)
		check(t, err)
		for _, b := range blocks {
			if block := early.learn(t, b); len(block.Definitions.Functions) > 2 && n > 1 {
				t.Errorf("after block %d: %d functions come again", n, len(block.Definitions.Functions))
			}
		}
		if have = now; !reflect.DeepEqual(early, whole) {
			t.Errorf("after block %d:\n%+v\n%+v", n, early, whole)
		}
	}
	unknown, err := recording.NewRunID()
	check(t, err)
	_, _, _, err = s.Follow(t.Context(), unknown, Tables{})
	wantCode(t, err, recording.CodeNotFound)
}
