package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"smiley/recording"
)

// The hidden states of a run; the others are recording.Status values.
const (
	stateImporting = "importing"
	stateDeleting  = "deleting"
)

func unixNano(ns int64) time.Time { return time.Unix(0, ns) }

// writeTx is the transaction that stores one block.
type writeTx struct {
	ctx  context.Context
	conn *sql.Conn // that the transaction is on
	tx   *sql.Tx
	s    *Store
}

// statements are the write statements, prepared when the Store opens: most run many times a second.
type statements struct {
	run, progress, end, block, body, presence *sql.Stmt
	definitions, file, hasFile, runFile       *sql.Stmt
	goroutine, goroutineRows                  *sql.Stmt
	openCall, openCallRows, closeCall         *sql.Stmt
	histogram, functionStats, edgeStats       *sql.Stmt
}

// rowsAtOnce is how many rows one statement writes of what there can be very many of: servers start a goroutine for each request, and of a
// recursion without end every call outlives its block.
const rowsAtOnce = 64

// insertGoroutines adds rows of goroutines, or what is new to those that are there.
func insertGoroutines(rows int) string {
	const row, columns = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", `
		ON CONFLICT (run, id) DO UPDATE SET end_ns = ifnull(excluded.end_ns, end_ns),
		first_ns = iif(first_seq = 0, excluded.first_ns, first_ns), first_seq = iif(first_seq = 0, excluded.first_seq, first_seq),
		last_ns = iif(excluded.last_seq = 0, last_ns, excluded.last_ns), last_seq = iif(excluded.last_seq = 0, last_seq, excluded.last_seq),
		events = events + excluded.events, calls = calls + excluded.calls, begins = begins + excluded.begins`
	return "INSERT INTO goroutines VALUES " + row + strings.Repeat(","+row, rows-1) + columns
}

func insertLongCalls(rows int) string {
	const row = "(?,?,?,?,?,?,?,?,?,?,?,?,?)"
	return "INSERT INTO long_calls VALUES " + row + strings.Repeat(","+row, rows-1)
}

func prepare(ctx context.Context, db *sql.DB) (*statements, error) {
	var st statements
	for _, p := range []struct {
		stmt  **sql.Stmt
		query string
	}{
		{&st.run, `INSERT INTO runs (id, state, program, args, cwd, host, pid, go_version, go_os, go_arch, module,
			revision, start_ns, settings, writer, heartbeat_ns) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`},
		{&st.progress, `UPDATE runs SET state = ?, blocks = ?, stored = ?, captured = ?, dropped = ?,
			truncated = truncated + ?, unreadable = unreadable + ?, untraced = untraced + ?, calls = calls + ?,
			errors = errors + ?, panics = panics + ?, goroutines = goroutines + ?, quiet = quiet + ?, functions = ?, types = ?, files = ?,
			last_ns = ?, rolled_up = ?, writer = ?, heartbeat_ns = ? WHERE key = ?`},
		{&st.end, `UPDATE runs SET end_ns = ?, duration_ns = ?, exit_code = ?, signal = ?, error = ?, stack = ?
			WHERE key = ?`},
		{&st.block, `INSERT INTO blocks VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)`},
		{&st.body, `INSERT INTO block_bodies (run, number, body) VALUES (?,?,?)`},
		{&st.presence, `INSERT INTO presence VALUES (?,?,?,?)`},
		{&st.definitions, `INSERT INTO definitions VALUES (?,?,?,?)`},
		{&st.file, `INSERT INTO files (hash, size, codec, body) VALUES (?,?,?,?) ON CONFLICT (hash) DO NOTHING`},
		{&st.hasFile, `SELECT EXISTS (SELECT 1 FROM files WHERE hash = ?)`},
		{&st.runFile, `INSERT INTO run_files VALUES (?,?,?,?,?)`},
		{&st.goroutine, insertGoroutines(1)},
		{&st.goroutineRows, insertGoroutines(rowsAtOnce)},
		{&st.openCall, insertLongCalls(1)},
		{&st.openCallRows, insertLongCalls(rowsAtOnce)},
		{&st.closeCall, `UPDATE long_calls SET end_ns = ?, end_seq = ?, self_ns = ?, outcome = ?, failed = ?
			WHERE run = ? AND seq = ?`},
		{&st.histogram, `SELECT histogram FROM function_stats WHERE run = ? AND function = ?`},
		// A sum of times that is more than an integer holds is a REAL, and the greatest integer when it is cast: see addTime.
		{&st.functionStats, `INSERT INTO function_stats VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)
			ON CONFLICT (run, function) DO UPDATE SET calls = calls + ?3, ended = ended + ?4, errors = errors + ?5,
			panics = panics + ?6, total_ns = CAST(total_ns + ?7 AS INTEGER), self_ns = CAST(self_ns + ?8 AS INTEGER),
			histogram = ?9`},
		{&st.edgeStats, `INSERT INTO edge_stats VALUES (?1,?2,?3,?4,?5)
			ON CONFLICT (run, caller, callee) DO UPDATE SET calls = calls + ?4,
			total_ns = CAST(total_ns + ?5 AS INTEGER)`},
	} {
		var err error
		if *p.stmt, err = db.PrepareContext(ctx, p.query); err != nil {
			return nil, err
		}
	}
	return &st, nil
}

func (w *writeTx) exec(stmt *sql.Stmt, args ...any) error {
	_, err := w.tx.StmtContext(w.ctx, stmt).ExecContext(w.ctx, args...)
	return err
}

func asJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func (w *writeTx) insertRun(run *liveRun, r *recording.Run) error {
	args, err := asJSON(append([]string{}, r.Args...))
	if err != nil {
		return err
	}
	settings, err := asJSON(r.Settings)
	if err != nil {
		return err
	}
	result, err := w.tx.StmtContext(w.ctx, w.s.statements.run).ExecContext(w.ctx, r.ID.String(), run.state(), r.Program,
		args, r.Cwd, r.Host, r.PID, r.GoVersion, r.GoOS, r.GoArch, r.Module, r.Revision, r.Start.UnixNano(), settings,
		w.s.writer, w.s.now().UnixNano())
	if err != nil {
		return err
	}
	run.key, err = result.LastInsertId()
	return err
}

// state is what the run's row says.
func (run *liveRun) state() string {
	switch {
	case run.importing:
		return stateImporting
	case run.final:
		return string(recording.StatusComplete)
	}
	return string(recording.StatusRecording)
}

func (w *writeTx) insertBlock(run *liveRun, b *recording.Block, encoded []byte) error {
	first, last := blockTimes(b)
	err := w.exec(w.s.statements.block, run.key, b.Number, int64(b.FirstSeq), b.Header.Events, first, last, run.high,
		b.Summary.Calls, b.Summary.Errors, b.Summary.Panics, b.Captured, b.Dropped, len(encoded))
	if err != nil {
		return err
	}
	return w.exec(w.s.statements.body, run.key, b.Number, encoded)
}

func (w *writeTx) updateRun(run *liveRun, b *recording.Block) error {
	untraced := 0
	for i := range b.Definitions.Functions {
		if b.Definitions.Functions[i].Trace == recording.TraceNot {
			untraced++
		}
	}
	sum := &b.Summary
	err := w.exec(w.s.statements.progress, run.state(), run.next, run.stored, run.captured, run.dropped, sum.Truncated,
		sum.Unreadable, untraced, sum.Calls, sum.Errors, sum.Panics, len(b.Definitions.Goroutines), sum.Quiet, run.functions,
		run.types, run.files, run.high, run.rolledUp, w.s.writer, w.s.now().UnixNano(), run.key)
	if err != nil || b.End == nil {
		return err
	}
	e := b.End
	return w.exec(w.s.statements.end, e.End.UnixNano(), e.Duration, e.ExitCode, e.Signal, e.Error, e.Stack, run.key)
}

func (w *writeTx) insertPresence(run *liveRun, b *recording.Block) error {
	list := blockPresence(b)
	for level := 0; ; level++ {
		if len(list) > 0 {
			number := b.Number / w.s.span(level)
			err := w.exec(w.s.statements.presence, run.key, level, number, appendPresence(nil, list))
			if err != nil {
				return err
			}
		}
		above := level + 1
		if above == presenceLevels {
			return nil
		}
		for id, flags := range list {
			run.groups[above].merge(id, flags)
		}
		if (b.Number+1)%w.s.span(above) != 0 {
			return nil
		}
		list, run.groups[above] = run.groups[above], presence{}
	}
}
