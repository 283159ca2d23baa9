package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"smiley/recording"
)

// RunInfo is a run with what is known of it so far.
type RunInfo struct {
	recording.Run
	Status     recording.Status
	End        *recording.RunEnd // nil until the run is complete
	Last       int64             // ns from the start to the latest event
	Blocks     uint32
	Events     uint64
	Calls      uint64
	Errors     uint64 // returns with an error result that is not nil
	Panics     uint64
	Goroutines uint64
	Quiet      uint64 // further goroutines, which came and went without an event
	Functions  uint64
	Files      uint64
	Ledger     recording.Ledger
}

// Failed reports whether the program ended with an error: a panic, an exit code that is not 0, or a signal.
func (r *RunInfo) Failed() bool {
	return r.End != nil && (r.End.Error != "" || r.End.Signal != "" || r.End.ExitCode > 0)
}

// Position is how far the run goes.
func (r *RunInfo) Position() recording.Position {
	return recording.Position{
		Blocks: r.Blocks, Events: r.Events, Captured: r.Ledger.Captured, Dropped: r.Ledger.Dropped, Last: r.Last,
	}
}

// RunsQuery chooses runs.
type RunsQuery struct {
	Failed bool            // only runs whose program ended with an error
	Before recording.RunID // only runs that come after this one in the list; the zero id begins at the newest
	Limit  int             // at most so many; 0: 100
}

// defaultLimit is the length of a page when nobody asks for another.
const defaultLimit = 100

func limit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return n
}

// runRow is a row of runs: what is public, and what the other queries need.
type runRow struct {
	RunInfo
	key      int64
	blocks   uint32
	rolledUp uint32
}

const visible = ` state IN ('recording', 'complete', 'interrupted') `

const runColumns = `key, id, state, program, args, cwd, host, pid, go_version, go_os, go_arch, module, revision, start_ns,
	settings, end_ns, duration_ns, exit_code, signal, error, stack, blocks, stored, captured, dropped, truncated,
	unreadable, untraced, calls, errors, panics, goroutines, quiet, functions, files, last_ns, rolled_up, writer, heartbeat_ns`

type scanner interface{ Scan(dest ...any) error }

func (r *Reader) scanRun(row scanner) (*runRow, error) {
	var run runRow
	var id, state, args, settings, writer string
	var start, heartbeat int64
	var end, duration, code sql.NullInt64
	var signal, text, stack sql.NullString
	err := row.Scan(&run.key, &id, &state, &run.Program, &args, &run.Cwd, &run.Host, &run.PID, &run.GoVersion, &run.GoOS,
		&run.GoArch, &run.Module, &run.Revision, &start, &settings, &end, &duration, &code, &signal, &text, &stack,
		&run.blocks, &run.Events, &run.Ledger.Captured, &run.Ledger.Dropped, &run.Ledger.Truncated, &run.Ledger.Unreadable,
		&run.Ledger.Untraced, &run.Calls, &run.Errors, &run.Panics, &run.Goroutines, &run.Quiet, &run.Functions, &run.Files,
		&run.Last, &run.rolledUp, &writer, &heartbeat)
	if err != nil {
		return nil, err
	}
	run.ID, err = uuid.Parse(id)
	err = errors.Join(err, json.Unmarshal([]byte(args), &run.Args), json.Unmarshal([]byte(settings), &run.Settings))
	if err != nil || run.rolledUp > run.blocks {
		return nil, damaged(r.file, err)
	}
	run.Start = unixNano(start)
	run.Status = recording.Status(state)
	run.Blocks = run.blocks
	run.Ledger.Stored = run.Events
	if end.Valid {
		run.End = &recording.RunEnd{
			End: unixNano(end.Int64), Duration: duration.Int64, ExitCode: int(code.Int64), Signal: signal.String,
			Error: text.String, Stack: stack.String,
		}
	}
	if run.Status == recording.StatusRecording && !alive(writer, unixNano(heartbeat), r.now()) {
		run.Status = recording.StatusInterrupted
	}
	return &run, nil
}

// Runs returns a page of the runs, the one that began last first.
func (r *Reader) Runs(ctx context.Context, query RunsQuery) ([]RunInfo, error) {
	where, args := visible, []any{}
	if query.Failed {
		where += ` AND (error != '' OR signal != '' OR exit_code > 0)` // as RunInfo.Failed: one of an attach is not known
	}
	if query.Before != (recording.RunID{}) {
		where += ` AND (start_ns, key) < (SELECT start_ns, key FROM runs WHERE id = ?)`
		args = append(args, query.Before.String())
	}
	args = append(args, limit(query.Limit))
	var page []RunInfo
	err := each(ctx, r.db, func(rows *sql.Rows) error {
		run, err := r.scanRun(rows)
		if err == nil {
			page = append(page, run.RunInfo)
		}
		return err
	}, `SELECT `+runColumns+` FROM runs WHERE `+where+` ORDER BY start_ns DESC, key DESC LIMIT (?+0)`, args...)
	return page, wrap(r.file, err)
}

// Run returns what is known of a run. Errors: CodeNotFound.
func (r *Reader) Run(ctx context.Context, id recording.RunID) (*RunInfo, error) {
	run, err := r.runRow(ctx, r.db, id)
	if err != nil {
		return nil, wrap(r.file, err)
	}
	return &run.RunInfo, nil
}

func (r *Reader) runRow(ctx context.Context, q queries, id recording.RunID) (*runRow, error) {
	row := q.QueryRowContext(ctx, queryRun, id.String())
	run, err := r.scanRun(row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, unknownRun(id.String())
	}
	return run, err
}

// LastRun is the name of the run that began last, for FindRun.
const LastRun = "last"

// FindRun returns the run that a person means: "last" is the one that began last, anything else an id or the beginning
// of exactly one. Errors: CodeNotFound, CodeAmbiguous, CodeInvalid.
func (r *Reader) FindRun(ctx context.Context, name string) (recording.RunID, error) {
	id, err := r.findRun(ctx, name)
	return id, wrap(r.file, err)
}

func (r *Reader) findRun(ctx context.Context, name string) (recording.RunID, error) {
	query, args := `SELECT id FROM runs WHERE `+visible+` ORDER BY start_ns DESC, key DESC LIMIT 1`, []any{}
	if name != LastRun {
		prefix, err := runPrefix(name)
		if err != nil {
			return recording.RunID{}, err
		}
		query = `SELECT id FROM runs WHERE id >= ? AND id < ? AND ` + visible + ` ORDER BY id LIMIT 4`
		args = []any{prefix, prefix + "~"}
	}
	var ids []string
	err := each(ctx, r.db, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, query, args...)
	switch {
	case err != nil:
		return recording.RunID{}, err
	case len(ids) == 0 && name == LastRun:
		return recording.RunID{}, failure(recording.CodeNotFound, nil, "no recordings yet in "+r.file,
			"record a program with: smiley run ./your/program")
	case len(ids) == 0:
		return recording.RunID{}, unknownRun(name)
	case len(ids) > 1:
		return recording.RunID{}, ambiguousRun(name, ids)
	}
	return uuid.Parse(ids[0])
}

// runPrefix brings the beginning of an id to the form it is stored in.
func runPrefix(name string) (string, error) {
	prefix := strings.ToLower(name)
	if prefix == "" || strings.Trim(prefix, "0123456789abcdef-") != "" || len(prefix) > len(uuid.Nil.String()) {
		return "", failure(recording.CodeInvalid, nil, fmt.Sprintf("%q is not the id of a run", name),
			"an id, its beginning, or \"last\"; smiley list shows them")
	}
	return prefix, nil
}

func unknownRun(name string) error {
	return failure(recording.CodeNotFound, nil, "no run "+name, "smiley list shows the runs")
}

func ambiguousRun(name string, ids []string) error {
	const shown = 3
	list := strings.Join(ids[:min(len(ids), shown)], ", ")
	if len(ids) > shown {
		list += ", …"
	}
	return failure(recording.CodeAmbiguous, nil, fmt.Sprintf("several runs begin with %s: %s", name, list),
		"give more of the id")
}

func busyRun(id recording.RunID, state string) error {
	doing := map[string]string{stateImporting: "imported", stateDeleting: "deleted"}[state]
	return failure(recording.CodeLocked, nil, fmt.Sprintf("run %s is just being %s", id, doing), "wait until that is done")
}
