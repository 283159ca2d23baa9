package store

import (
	"container/list"
	"context"
	"database/sql"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"smiley/recording"
)

const (
	// digestBlocks is how many blocks are read before the digest is written to the file.
	digestBlocks = 256
	// digestPatience is how long writing a digest waits for another process.
	digestPatience = 2 * time.Second
	// digestRuns is how many digests are kept in memory: a few megabytes each.
	digestRuns = 4
)

// digesters makes the digests of runs, each on a goroutine of its own for as long as there are blocks to read, one at a
// time.
type digesters struct {
	mu     sync.Mutex
	byRun  map[int64]*list.Element
	order  *list.List // of *digester, most recent first
	stop   context.CancelFunc
	ctx    context.Context
	active sync.WaitGroup
	turn   chan struct{} // holds one token
	closed bool
}

func newDigesters() *digesters {
	ctx, stop := context.WithCancel(context.Background())
	return &digesters{byRun: map[int64]*list.Element{}, order: list.New(), ctx: ctx, stop: stop, turn: make(chan struct{}, 1)}
}

// close ends the work and waits for it.
func (s *digesters) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.active.Wait()
}

// digester makes the digest of one run.
type digester struct {
	r   *Reader
	key int64

	working atomic.Bool // written with mu held

	mu      sync.Mutex
	target  uint32        // the number of blocks that was wanted last
	step    chan struct{} // closed when what follows has changed, and replaced
	digest  *digest       // nil until it was looked for in the file
	stored  uint32        // what the file covers
	replace bool          // what the file has is damaged
	view    *stackView    // of the digest as it was at some number of blocks
	err     error         // of the last work
}

// of returns the digester of a run.
func (s *digesters) of(r *Reader, key int64) *digester {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byRun[key]; ok {
		s.order.MoveToFront(e)
		return e.Value.(*digester)
	}
	d := &digester{r: r, key: key, step: make(chan struct{})}
	s.byRun[key] = s.order.PushFront(d)
	for e := s.order.Back(); e != nil && s.order.Len() > digestRuns; {
		before := e.Prev()
		if old := e.Value.(*digester); !old.working.Load() {
			delete(s.byRun, old.key)
			s.order.Remove(e)
		}
		e = before
	}
	return d
}

// begin starts a goroutine that reads what is missing, unless one does already. d.mu is held.
func (s *digesters) begin(d *digester) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		d.err = errClosed
		return
	}
	d.err = nil
	d.working.Store(true)
	s.active.Add(1)
	go func() {
		defer s.active.Done()
		var err error
		select {
		case s.turn <- struct{}{}:
			err = d.work(s.ctx)
			<-s.turn
		case <-s.ctx.Done():
			err = s.ctx.Err()
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.working.Store(false)
		if err != nil {
			d.err, d.digest, d.view = err, nil, nil // the next question begins with what the file has
		}
		d.changed()
	}()
}

// changed wakes whoever waits. d.mu is held.
func (d *digester) changed() {
	close(d.step)
	d.step = make(chan struct{})
}

// wait waits until the digest covers a number of blocks, at most for the time that patience gives (0: without end), and
// calls read with what there is then. The digest does not change while read has it.
func (d *digester) wait(ctx context.Context, blocks uint32, patience time.Duration, read func(*digest) error) error {
	var over <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		over = timer.C
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	started := false
	for {
		if d.digest != nil && d.digest.blocks >= blocks {
			return read(d.digest)
		}
		if !d.working.Load() {
			if started && d.err != nil {
				return d.err
			}
			d.target = max(d.target, blocks)
			d.r.digests.begin(d)
			started = true
			if d.err != nil {
				return d.err
			}
		}
		d.target = max(d.target, blocks)
		step := d.step
		d.mu.Unlock()
		expired := false
		select {
		case <-step:
		case <-over:
			expired = true
		case <-ctx.Done():
		}
		d.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
		if expired {
			now := d.digest
			if now == nil {
				now = newDigest(d.r.tuning, d.key)
			}
			return read(now)
		}
	}
}

// work reads blocks until all that is wanted is covered, and writes the digest to the file now and then.
func (d *digester) work(ctx context.Context) error {
	k := &digestKeeper{r: d.r}
	defer k.close()
	d.mu.Lock()
	have := d.digest
	d.mu.Unlock()
	if have == nil {
		if err := d.load(ctx); err != nil {
			return err
		}
	}
	for {
		done, final, err := d.next(ctx)
		ending := ctx.Err() != nil // what was read until then is kept
		if err != nil && !ending {
			return err
		}
		d.mu.Lock()
		pending := d.digest.blocks - d.stored
		d.mu.Unlock()
		if pending >= d.r.digestBlocks || pending > 0 && (ending || done && final) {
			// Writing is not cut off: it takes milliseconds, and reading again what was read would take longer.
			same, err := d.keep(context.WithoutCancel(ctx), k)
			if err == nil && !same {
				err = d.load(ctx) // another process has read on
				done = false
			}
			if err != nil {
				return err
			}
		}
		if done || ending {
			return ctx.Err()
		}
	}
}

// load takes the digest that the file has, an empty one when it has none.
func (d *digester) load(ctx context.Context) error {
	loaded, err := d.read(ctx)
	broken := recording.CodeOf(err) == recording.CodeDamaged
	if err != nil && !broken {
		return err
	}
	if broken { // it is made again
		loaded = newDigest(d.r.tuning, d.key)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.digest, d.stored, d.view, d.replace = loaded, loaded.blocks, nil, broken
	d.changed()
	return nil
}

func (d *digester) read(ctx context.Context) (*digest, error) {
	fresh := newDigest(d.r.tuning, d.key)
	err := d.r.snapshot(ctx, func(q queries) error {
		var stacks, open []byte
		var last sql.NullInt64
		err := q.QueryRowContext(ctx, `SELECT d.blocks, d.events, d.lag, d.stacks, d.open,
			(SELECT high_ns FROM blocks b WHERE b.run = d.run AND b.number = d.blocks - 1) FROM digests d WHERE run = ?`, d.key).
			Scan(&fresh.blocks, &fresh.events, &fresh.lag, &stacks, &open, &last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		fresh.last = last.Int64
		if stacks, err = decompress(stacks); err != nil {
			return err
		}
		if open, err = decompress(open); err != nil {
			return err
		}
		if fresh.tree, err = decodeStacks(stacks, d.r.stackLevels, d.r.stackNodes); err != nil {
			return err
		}
		fresh.open, err = decodeOpen(open, len(fresh.tree.nodes))
		return err
	})
	return fresh, err
}

// next reads one block into the digest. done says that there is none, or none that somebody wants; final that the run
// does not go on.
func (d *digester) next(ctx context.Context) (done, final bool, err error) {
	d.mu.Lock()
	number, target := d.digest.blocks, d.target
	d.mu.Unlock()
	var block *recording.Block
	var back uint32
	err = d.r.snapshot(ctx, func(q queries) error {
		var state string
		var blocks uint32
		err := q.QueryRowContext(ctx, `SELECT state, blocks FROM runs WHERE key = ? AND `+visible, d.key).Scan(&state, &blocks)
		if errors.Is(err, sql.ErrNoRows) {
			return failure(recording.CodeNotFound, err, "the run was deleted while it was read", "smiley list shows the runs")
		}
		if err != nil {
			return err
		}
		final = state != string(recording.StatusRecording)
		if done = number >= min(blocks, target); done {
			return nil
		}
		if block, err = readBlock(ctx, q, d.key, number); err != nil {
			return err
		}
		first, _ := blockTimes(block)
		err = q.QueryRowContext(ctx, `SELECT number FROM blocks WHERE run = ? AND high_ns >= ? ORDER BY high_ns, number LIMIT 1`,
			d.key, first).Scan(&back)
		back = number - min(number, back)
		return err
	})
	if err != nil || done {
		return done, final, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.digest.add(block)
	if err != nil {
		return false, false, err
	}
	d.digest.lag = max(d.digest.lag, back)
	if err := d.addNode(context.WithoutCancel(ctx), number, n); err != nil {
		return false, false, err
	}
	d.changed()
	return false, final, nil
}

// addNode keeps the time node of a block, and makes those of the groups that it completes.
func (d *digester) addNode(ctx context.Context, number uint32, n *timeNode) error {
	d.digest.nodes[timeNodeKey{0, number}] = compress(appendNode(nil, n))
	for level := 1; level < presenceLevels; level++ {
		if (number+1)%d.r.span(level) != 0 {
			return nil
		}
		group := number / d.r.span(level)
		nodes := make([]*timeNode, 0, d.r.fan)
		err := d.r.snapshot(ctx, func(q queries) error {
			for child := group * d.r.fan; child < (group+1)*d.r.fan; child++ {
				node, err := readNode(ctx, q, d.key, d.digest.nodes, timeNodeKey{level - 1, child}, nil)
				if err != nil {
					return err
				}
				nodes = append(nodes, node)
			}
			return nil
		})
		if err != nil {
			return err
		}
		d.digest.nodes[timeNodeKey{level, group}] = compress(appendNode(nil, mergeNodes(nodes)))
	}
	return nil
}

// readNode returns a time node, from those that are not in the file yet or from the file.
func readNode(ctx context.Context, q queries, run int64, pending map[timeNodeKey][]byte, at timeNodeKey, wanted map[int64]bool) (*timeNode, error) {
	body, ok := pending[at]
	if !ok {
		err := q.QueryRowContext(ctx, queryTimeNode, run, at.level, at.number).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, errDigest
		}
		if err != nil {
			return nil, err
		}
	}
	raw, err := decompress(body)
	if err != nil {
		return nil, err
	}
	return decodeNode(raw, wanted)
}

// digestKeeper writes digests to the file. It opens the file for writing when there is something to write.
type digestKeeper struct {
	r      *Reader
	db     *sql.DB
	failed bool // the file cannot be written; digests stay in memory
}

func (k *digestKeeper) close() {
	if k.db != nil {
		_ = k.db.Close() // what was committed is there
	}
}

// keep writes the digest to the file. That it cannot be written is no failure: it then stays in memory. It reports false
// when the file has another one by now.
func (d *digester) keep(ctx context.Context, k *digestKeeper) (bool, error) {
	d.mu.Lock()
	now, stored := d.digest, int64(d.stored)
	if now.openCalls() > maxOpen || k.failed {
		d.mu.Unlock()
		return true, nil
	}
	if d.replace {
		stored = -1
	}
	row := []any{d.key, now.blocks, now.events, now.lag, compress(appendStacks(nil, now.tree)), compress(appendOpen(nil, now.open))}
	blocks := now.blocks
	nodes := maps.Clone(now.nodes)
	d.mu.Unlock()
	if k.db == nil {
		db, _, err := target{k.r.file, min(k.r.patience, digestPatience)}.connect(ctx, accessWrite)
		if err != nil {
			k.failed = true
			return true, ctx.Err()
		}
		k.db = db
	}
	same, err := writeDigest(ctx, k.db, stored, row, nodes)
	if err != nil {
		k.failed = true
		return true, ctx.Err()
	}
	if !same {
		return false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stored, d.replace = blocks, false
	for key := range nodes {
		delete(now.nodes, key)
	}
	return true, nil
}

// writeDigest writes a digest that continues the one of stored blocks; −1 replaces any. It reports false when the file has
// another one.
func writeDigest(ctx context.Context, db *sql.DB, stored int64, row []any, nodes map[timeNodeKey][]byte) (bool, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit; before it, its failure adds nothing
	var have int64
	err = tx.QueryRowContext(ctx, `SELECT ifnull((SELECT blocks FROM digests WHERE run = ?1), 0) FROM runs WHERE key = ?1 AND `+visible, row[0]).Scan(&have)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil // the run was deleted
	}
	if err != nil || have != stored && stored >= 0 {
		return false, err
	}
	insert, err := tx.PrepareContext(ctx, `INSERT OR REPLACE INTO time_nodes VALUES (?,?,?,?)`)
	if err != nil {
		return false, err
	}
	defer insert.Close() //nolint:errcheck // the transaction ends it
	for key, body := range nodes {
		if _, err := insert.ExecContext(ctx, row[0], key.level, key.number, body); err != nil {
			return false, err
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO digests VALUES (?,?,?,?,?,?)`, row...); err != nil {
		return false, err
	}
	return true, tx.Commit()
}
