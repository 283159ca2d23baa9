package store

import (
	"context"

	"smiley/recording"
)

// Tables counts what is defined of a run. Ids are dense from 1, so it says which.
type Tables struct{ Types, Functions, Files uint32 }

// maxFollowBodies bounds the sources that Follow sends along, in bytes. Those beyond are said to be missing.
const maxFollowBodies = 16 << 20

// Follow says how to follow a run that is being written: the blocks from next on, behind what the blocks before define. That is
// encoded as blocks without events, as [recording.DefinitionBlocks] does, as far as it is beyond have; now is what is defined
// then. Errors: CodeNotFound and those of reading.
func (r *Reader) Follow(ctx context.Context, id recording.RunID, have Tables) (next uint32, now Tables, blocks [][]byte, err error) {
	run, err := r.Run(ctx, id)
	if err != nil {
		return 0, now, nil, err
	}
	// Ids do not change once they are given, so what is read later than the counts is the same, or more.
	err = r.snapshot(ctx, func(q queries) error {
		return q.QueryRowContext(ctx, `SELECT blocks, types, functions, files FROM runs WHERE id = ?`, id.String()).
			Scan(&next, &now.Types, &now.Functions, &now.Files)
	})
	if err != nil {
		return 0, now, nil, err
	}
	var d recording.Definitions
	if now.Types > have.Types {
		types, err := r.Types(ctx, id)
		if err != nil {
			return 0, now, nil, err
		}
		for id := have.Types + 1; id <= now.Types; id++ {
			if t, ok := types.Get(recording.TypeID(id)); ok {
				d.Types = append(d.Types, *t)
			}
		}
	}
	if now.Functions > have.Functions {
		functions, err := r.Functions(ctx, id)
		if err != nil {
			return 0, now, nil, err
		}
		d.Functions = between(functions, have.Functions, now.Functions)
	}
	if now.Files > have.Files {
		files, err := r.Files(ctx, id)
		if err != nil {
			return 0, now, nil, err
		}
		d.Files = between(files, have.Files, now.Files)
		if err := r.bodies(ctx, d.Files); err != nil {
			return 0, now, nil, err
		}
	}
	blocks, err = recording.DefinitionBlocks(&run.Run, d)
	return next, now, blocks, err
}

// between returns the elements with the ids from above to to.
func between[T any](list []T, from, to uint32) []T {
	end := min(int(to), len(list))
	return list[min(int(from), end):end]
}

// bodies adds the bodies of source files, as many as there is room for.
func (r *Reader) bodies(ctx context.Context, files []recording.File) error {
	room := maxFollowBodies
	for i := range files {
		f := &files[i]
		if f.Missing != "" {
			continue
		}
		body, err := r.FileBody(ctx, f.Hash)
		switch {
		case recording.CodeOf(err) == recording.CodeNotFound:
			f.Hash, f.Missing = [32]byte{}, "not there any more"
		case err != nil:
			return err
		case len(body) > room:
			f.Hash, f.Missing = [32]byte{}, "too much to send along"
		default:
			f.Body = body
			room -= len(body)
		}
	}
	return nil
}
