package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"smiley/bench/synthetic"
	"smiley/bench/table"
	"smiley/recording"
	"smiley/store"
)

// measured is what recording some calls cost.
type measured struct {
	calls  int
	took   time.Duration
	cpu    time.Duration
	allocs uint64
	peak   int64
	disk   int64
}

func (m measured) row(name string) []string {
	return []string{
		name, table.MillionsPerSecond(m.calls, m.took), fmt.Sprintf("%.0f ns", float64(m.cpu)/float64(m.calls)), fmt.Sprintf("%.2f", float64(m.allocs)/float64(m.calls)),
		table.Mebibytes(m.peak), fmt.Sprintf("%.1f B", float64(m.disk)/float64(m.calls)),
	}
}

// measure times what record does with a file that is not there yet.
func measure(file string, calls int, record func() error) (measured, error) {
	debug.FreeOSMemory()
	resetPeak()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, used := time.Now(), cpu()
	err := record()
	took, burnt := time.Since(start), cpu()-used
	runtime.ReadMemStats(&after)
	if err != nil {
		return measured{}, err
	}
	disk, err := diskUse(file)
	return measured{calls, took, burnt, after.Mallocs - before.Mallocs, peak(), disk}, errors.Join(err, removeAll(file))
}

func diskUse(file string) (int64, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func removeAll(file string) error {
	matches, err := filepath.Glob(file + "*")
	for _, m := range matches {
		err = errors.Join(err, os.Remove(m))
	}
	return err
}

// throughput measures raw events → blocks → SQLite, beside one row for every call.
func throughput(ctx context.Context, s settings) error {
	rows := [][]string{{"what", "calls/s", "processor/call", "allocations/call", "peak memory", "disk/call"}}
	for _, m := range []synthetic.Mix{synthetic.None, synthetic.Ints, synthetic.Values} {
		list := synthetic.Prepare(m, 2*recording.BlockEvents)
		file := filepath.Join(s.dir, "throughput.db")
		got, err := measure(file, s.scaled(30_000_000), func() error {
			return recordFile(ctx, file, m, synthetic.Repeat(list, s.scaled(30_000_000)))
		})
		if err != nil {
			return err
		}
		rows = append(rows, got.row("smiley, "+m.Name))
	}
	file := filepath.Join(s.dir, "plain.db")
	calls := s.scaled(2_000_000)
	got, err := measure(file, calls, func() error { return plain(file, synthetic.Prepare(synthetic.Ints, 2*recording.BlockEvents), calls) })
	if err != nil {
		return err
	}
	rows = append(rows, got.row("a row for every call, "+synthetic.Ints.Name))
	table.Print("Raw events to SQLite", rows...)
	return nil
}

// recordFile records into a new file.
func recordFile(ctx context.Context, file string, m synthetic.Mix, events func(*recording.Builder) error) error {
	s, err := store.Open(ctx, file)
	if err != nil {
		return err
	}
	_, err = synthetic.Record(ctx, s, m, events)
	return errors.Join(err, s.Close())
}

// plainRows is how many rows a transaction of the peer holds.
const plainRows = 10_000

// plain is the peer: a table with a row for every call, its values in columns, by a prepared statement. It pairs nothing
// and keeps no index but the key.
func plain(file string, list []recording.Raw, calls int) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`CREATE TABLE calls (id INTEGER PRIMARY KEY, goroutine, function, frame, start, a, b)`)
	for n := 0; n < calls && err == nil; n += plainRows {
		err = plainBatch(db, list, n, min(plainRows, calls-n))
	}
	return errors.Join(err, db.Close())
}

func plainBatch(db *sql.DB, list []recording.Raw, first, n int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit
	stmt, err := tx.Prepare(`INSERT INTO calls VALUES (?,?,?,?,?,?,?)`)
	if err != nil {
		return err
	}
	for i := first; i < first+n; i++ {
		r := &list[i%len(list)]
		var a, b byte
		if len(r.Data) > 9 {
			a, b = r.Data[1], r.Data[9]
		}
		if _, err := stmt.Exec(i, r.Goroutine, r.Function, int64(r.Frame), r.Time, a, b); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// size measures the disk a call takes, by what was captured of it.
func size(ctx context.Context, s settings) error {
	rows := [][]string{{"values", "blocks", "database"}}
	for _, m := range []synthetic.Mix{synthetic.None, synthetic.Ints, synthetic.Values} {
		calls := s.scaled(4_000_000)
		file := filepath.Join(s.dir, "size.db")
		if err := recordFile(ctx, file, m, generate(m, calls)); err != nil {
			return err
		}
		blocks, err := blockBytes(ctx, file)
		if err != nil {
			return err
		}
		disk, err := diskUse(file)
		if err := errors.Join(err, removeAll(file)); err != nil {
			return err
		}
		rows = append(rows, []string{
			m.Name, fmt.Sprintf("%.2f B/call", float64(blocks)/float64(calls)), fmt.Sprintf("%.2f B/call", float64(disk)/float64(calls)),
		})
	}
	table.Print("Size on disk", rows...)
	return nil
}

// generate appends fresh events until calls of them were calls.
func generate(m synthetic.Mix, calls int) func(*recording.Builder) error {
	return func(b *recording.Builder) error {
		p := synthetic.NewProgram(m)
		var r recording.Raw
		for calls > 0 {
			p.Next(&r)
			if err := b.Append(&r); err != nil {
				return err
			}
			if r.Kind == recording.KindCall {
				calls--
			}
		}
		return nil
	}
}

func blockBytes(ctx context.Context, file string) (int64, error) {
	r, err := store.OpenReader(ctx, file)
	if err != nil {
		return 0, err
	}
	defer r.Close() //nolint:errcheck // only read
	id, err := r.FindRun(ctx, store.LastRun)
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	for from := uint32(0); ; {
		page, err := r.BlockTimeline(ctx, id, from, 1000)
		if err != nil || len(page) == 0 {
			return sum, err
		}
		for i := range page {
			sum += page[i].Bytes
		}
		from = page[len(page)-1].Number + 1
	}
}
