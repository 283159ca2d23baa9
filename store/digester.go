package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"smiley/recording"
)

const (
	// digestBlocks is how many blocks are read before the digest is written to the file.
	digestBlocks = 256
	// digestRuns is how many digests are kept in memory: a few megabytes each while they are made, next to nothing later.
	digestRuns = 4
)

// digesters makes the digests of runs, one at a time.
type digesters struct {
	*tasks
	*recent[int64, *digester]
	turn chan struct{}
}

func newDigesters(t *tasks) *digesters {
	return &digesters{tasks: t, recent: newRecent[int64, *digester](digestRuns), turn: make(chan struct{}, 1)}
}

// digester makes the digest of one run.
type digester struct {
	task
	r   *Reader
	key int64

	target  uint32  // the number of blocks that was wanted last
	digest  *digest // nil until it was looked for in the file
	stored  uint32  // what the file covers
	replace bool    // what the file has is damaged
}

// of returns the digester of a run.
func (s *digesters) of(r *Reader, key int64) *digester {
	return s.recent.of(key, func() *digester {
		d := &digester{r: r, key: key}
		d.task = task{tasks: s.tasks, linger: r.linger, turn: s.turn, work: d.read, failed: func() { d.digest = nil }, step: make(chan struct{})}
		return d
	})
}

// await waits until the digest covers a number of blocks, as task.wait, and calls use with what there is then. The digest does
// not change while use has it.
func (d *digester) await(ctx context.Context, blocks uint32, patience time.Duration, use func(*digest) error) error {
	ready := func() bool {
		d.target = max(d.target, blocks)
		return d.digest != nil && d.digest.blocks >= blocks
	}
	return d.wait(ctx, patience, ready, func() error {
		if d.digest == nil && patience < 0 {
			if err := d.load(ctx, false); err != nil {
				return err
			}
		}
		now := d.digest
		if now == nil {
			now = newDigest(d.r.tuning, d.key)
		}
		return use(now)
	})
}

// errMoved says that another process has made the digest that the file has by now.
var errMoved = errors.New("the digest in the file has changed")

// read reads blocks until all that is wanted is covered, and writes the digest to the file now and then.
func (d *digester) read(ctx context.Context) error {
	k := &digestKeeper{r: d.r}
	defer k.close()
	d.mu.Lock()
	none := d.digest == nil
	var err error
	if none {
		err = d.load(ctx, false)
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		final, err := d.readOn(ctx, k)
		ending := ctx.Err() != nil // what was read until then is kept
		if err == nil && !ending && !final.more {
			err = d.keepLast(ctx, k, final.over)
		} else if ending {
			err = errors.Join(ctx.Err(), d.keepLast(ctx, k, true))
		}
		if errors.Is(err, errMoved) {
			d.mu.Lock()
			err = d.load(ctx, false)
			d.mu.Unlock()
			if err == nil {
				continue
			}
		}
		if err != nil || !final.more {
			return err
		}
	}
}

// readState is what there is to read of a run.
type readState struct {
	more bool // there is more to read
	over bool // the run does not go on
}

// readOn reads the blocks that are there and wanted.
func (d *digester) readOn(ctx context.Context, k *digestKeeper) (readState, error) {
	var state string
	var blocks uint32
	err := d.r.db.QueryRowContext(ctx, `SELECT state, blocks FROM runs WHERE key = ? AND `+visible, d.key).Scan(&state, &blocks)
	if errors.Is(err, sql.ErrNoRows) {
		return readState{}, errDeleted(err)
	}
	if err != nil {
		return readState{}, wrap(d.r.file, err)
	}
	from, to, err := d.wanted(ctx, blocks)
	s := readState{more: from < to, over: state != string(recording.StatusRecording)}
	if err != nil || !s.more {
		return s, err
	}
	return s, inOrder(ctx, from, to, d.decode, func(p *digestPart) error {
		d.mu.Lock()
		d.digest.add(p)
		err := d.addNode(context.WithoutCancel(ctx), p.number, p.node)
		d.changed()
		pending := d.digest.blocks - d.stored
		d.mu.Unlock()
		if err == nil && pending >= d.r.digestBlocks {
			err = d.keep(ctx, k)
		}
		return err
	})
}

// wanted returns which blocks are to be read, of a run that has so many, and makes the digest ready for them.
func (d *digester) wanted(ctx context.Context, blocks uint32) (from, to uint32, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.digest == nil { // a question has found another one in the file
		if err := d.load(ctx, false); err != nil {
			return 0, 0, err
		}
	}
	from, to = d.digest.blocks, min(blocks, d.target)
	if from < to && d.digest.kept { // it goes on
		err = d.load(ctx, true)
		from = d.digest.blocks
	}
	return from, to, err
}

func errDeleted(cause error) error {
	return failure(recording.CodeNotFound, cause, "the run was deleted while it was read", "smiley list shows the runs")
}

// decode reads a block.
func (d *digester) decode(ctx context.Context, number uint32) (*digestPart, error) {
	var part *digestPart
	err := d.r.snapshot(ctx, func(q queries) error {
		if err := checkVisible(ctx, q, d.key); err != nil {
			return err
		}
		block, err := readBlock(ctx, q, d.key, number)
		if err != nil {
			return err
		}
		if part, err = newDigestPart(block); err != nil {
			return err
		}
		err = q.QueryRowContext(ctx, queryBlockAt, d.key, part.node.first).Scan(&part.back)
		part.back = number - min(number, part.back)
		return err
	})
	return part, err
}

// checkVisible fails when a run was deleted meanwhile.
func checkVisible(ctx context.Context, q queries, key int64) error {
	var there int
	err := q.QueryRowContext(ctx, queryKey, key).Scan(&there)
	if errors.Is(err, sql.ErrNoRows) {
		return errDeleted(err)
	}
	return err
}

// addNode keeps the time node of a block, and makes those of the groups that it completes. d.mu is held.
func (d *digester) addNode(ctx context.Context, number uint32, n *timeNode) error {
	now := d.digest
	now.nodes[timeNodeKey{0, number}] = compress(appendNode(nil, n))
	if number%d.r.fan == 0 {
		now.recent = now.recent[:0]
	}
	now.recent = append(now.recent, n)
	for level := 1; level < presenceLevels; level++ {
		if (number+1)%d.r.span(level) != 0 {
			return nil
		}
		group := number / d.r.span(level)
		nodes := now.recent
		now.recent = nil
		if uint32(len(nodes)) != d.r.fan {
			nodes = make([]*timeNode, 0, d.r.fan)
			err := d.r.snapshot(ctx, func(q queries) error {
				for child := group * d.r.fan; child < (group+1)*d.r.fan; child++ {
					node, err := readNode(ctx, q, d.key, now.nodes, timeNodeKey{level - 1, child}, nil)
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
		}
		now.nodes[timeNodeKey{level, group}] = compress(appendNode(nil, mergeNodes(nodes)))
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
