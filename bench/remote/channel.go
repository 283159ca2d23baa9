//go:build cgo && unix

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/pebbe/zmq4"

	"smiley/bench/synthetic"
	"smiley/bench/table"
	"smiley/recording"
	"smiley/transport"
)

func removeGlob(pattern string) error {
	files, err := filepath.Glob(pattern)
	for _, file := range files {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// keepBlocks is a sink that keeps.
type keepBlocks struct{ blocks [][]byte }

func (k *keepBlocks) Send(encoded []byte) error {
	k.blocks = append(k.blocks, encoded)
	return nil
}

func (*keepBlocks) Close() error { return nil }

// numberAt is where a block's head has its number, see docs/reference/format.md.
const numberAt = 24

// channels compares what only moves blocks and forgets them: a bare PUSH/PULL pair, and smiley's channel.
func channels(ctx context.Context, s settings) error {
	run, err := synthetic.NewRun()
	if err != nil {
		return err
	}
	const calls = 4_000_000
	var made keepBlocks
	list := synthetic.Prepare(synthetic.Ints, 2*recording.BlockEvents)
	if err := feed(run, synthetic.Ints, &made, synthetic.Repeat(list, calls)); err != nil {
		return err
	}
	times := max(s.scaled(10_000_000*10)/calls, 1)
	bytes := 0
	for _, b := range made.blocks {
		bytes += len(b) * times
	}
	var took [3][]time.Duration
	for range rounds {
		for kind := range took {
			var d time.Duration
			if kind == 0 {
				d, err = throughPlain(ctx, made.blocks, times)
			} else {
				d, err = throughChannel(ctx, s, run.ID, made.blocks, times, kind == 2)
			}
			if err != nil {
				return err
			}
			took[kind] = append(took[kind], d)
		}
	}
	rows := [][]string{{"through", "calls/s", "bytes/s", "of PUSH/PULL"}}
	for kind, name := range []string{"PUSH/PULL alone, nothing acknowledged but the end", "smiley's channel", "smiley's channel, CURVE"} {
		d := median(took[kind])
		rows = append(rows, []string{
			name, table.MillionsPerSecond(calls*times, d), fmt.Sprintf("%.0f MB", float64(bytes)/d.Seconds()/1e6), share(took[kind], took[0]),
		})
	}
	table.Print(fmt.Sprintf("Blocks from process to process, %d MB", bytes/1_000_000), rows...)
	return nil
}

// throughChannel sends the blocks times over to a recorder that keeps nothing. Each copy gets its number, as if the run
// were so much longer.
func throughChannel(ctx context.Context, s settings, id recording.RunID, blocks [][]byte, times int, encrypted bool) (time.Duration, error) {
	e, err := startEnd(ctx, "discard", encrypted)
	if err != nil {
		return 0, err
	}
	r, err := e.dial(ctx, transport.RemoteOptions{Run: id, SpoolDir: filepath.Join(s.dir, "spool")})
	if err != nil {
		return 0, err
	}
	start := time.Now()
	for n := range times * len(blocks) {
		block := slices.Clone(blocks[n%len(blocks)])
		binary.LittleEndian.PutUint32(block[numberAt:], uint32(n))
		if err := r.Send(block); err != nil {
			return 0, err
		}
	}
	err = r.Close()
	took := time.Since(start)
	if n := r.Stats().Unacknowledged; n > 0 {
		err = errors.Join(err, fmt.Errorf("%d blocks are not acknowledged: %s", n, r.Stats().LastError))
	}
	return took, errors.Join(err, e.stop())
}

// throughPlain sends the blocks through a bare PUSH socket, and waits for the other end to say that it has the last.
func throughPlain(ctx context.Context, blocks [][]byte, times int) (time.Duration, error) {
	e, err := startEnd(ctx, "plain", false)
	if err != nil {
		return 0, err
	}
	push, err := zmq4.NewSocket(zmq4.PUSH)
	if err != nil {
		return 0, err
	}
	done, err := zmq4.NewSocket(zmq4.PULL)
	if err != nil {
		return 0, err
	}
	port, err := strconv.Atoi(e.address)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(push.Connect(loopback(port)), done.Connect(loopback(port+1))); err != nil {
		return 0, err
	}
	start := time.Now()
	for range times {
		for _, b := range blocks {
			if _, err := push.SendBytes(slices.Clone(b), 0); err != nil {
				return 0, err
			}
		}
	}
	if _, err := push.SendBytes(nil, 0); err != nil { // the end
		return 0, err
	}
	_, err = done.RecvBytes(0)
	took := time.Since(start)
	return took, errors.Join(err, push.Close(), done.Close(), e.stop())
}

func loopback(port int) string { return "tcp://127.0.0.1:" + strconv.Itoa(port) }

// servePlain is the other end of throughPlain.
func servePlain(ctx context.Context) error {
	pull, err := zmq4.NewSocket(zmq4.PULL)
	if err != nil {
		return err
	}
	done, err := zmq4.NewSocket(zmq4.PUSH)
	if err != nil {
		return err
	}
	port := 0
	for try := 20000 + os.Getpid()%20000; port == 0; try += 2 {
		if pull.Bind(loopback(try)) == nil {
			if err := done.Bind(loopback(try + 1)); err != nil {
				return err
			}
			port = try
		}
	}
	fmt.Println(port)
	for {
		block, err := pull.RecvBytes(0)
		if err != nil {
			return err
		}
		if len(block) == 0 {
			break
		}
	}
	if _, err := done.SendBytes(nil, 0); err != nil {
		return err
	}
	<-ctx.Done()
	return errors.Join(pull.Close(), done.Close())
}
