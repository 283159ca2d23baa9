//go:build cgo && linux && amd64

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

// What fills a sender quickly: its memory is as docs/reference/protocol.md says, its spool as the flag does.
const (
	textBytes   = 1000 // random, of each call: compression does not make them fewer
	senderBytes = 64 << 20
	spoolBytes  = 8 << 20
)

// flood runs a program that makes more than can be kept.
func (s *stage) flood(flags ...string) *sentRun {
	s.t.Helper()
	s.flags = append([]string{"--string-bytes", strconv.Itoa(textBytes), "--spool-bytes", strconv.Itoa(spoolBytes)}, flags...)
	s.arguments = []string{strconv.Itoa(textBytes)}
	return s.run(s.address)
}

// made returns how many calls the program has counted until now.
func (r *sentRun) made() uint64 {
	calls, _ := r.counted(time.Now())
	return calls
}

// makes waits until the program has made so many bytes since it had made a number of calls.
func (r *sentRun) makes(bytes, since uint64) {
	r.s.t.Helper()
	r.s.await("the program makes calls", func() bool { return (r.made()-since)*textBytes >= bytes })
}

// stands waits until the program, which never rests, makes no calls.
func (r *sentRun) stands() uint64 {
	r.s.t.Helper()
	calls, quiet := r.made(), 0
	r.s.await("the program is held", func() bool {
		before := calls
		if calls = r.made(); calls != before {
			quiet = 0
		}
		quiet++
		return quiet > 20
	})
	return calls
}

// Memory and spool are full: the program waits, and loses nothing when the recorder comes back.
func fullWaits(s *stage) string {
	s.pause = "0s"
	r := s.flood("--on-full", "wait", "--hold", "1h")
	before := s.progress(0)
	s.moment()
	s.stopRecorder(syscall.SIGKILL)
	r.makes(senderBytes, before)
	held := r.stands()
	if s.spooled() == 0 {
		s.t.Error("the program is held with an empty spool")
	}
	s.startRecorder()
	r.makes(senderBytes, held)
	n := r.finish()
	s.whole(n)
	return ""
}

// Memory and spool are full and nobody comes: the program waits as long as it is told, and then its calls are dropped and counted.
func fullWaitsAndDrops(s *stage) string { return s.fullDrops("--on-full", "wait", "--hold", "500ms") }

// Memory and spool are full: calls are dropped and counted at once.
func fullDrops(s *stage) string { return s.fullDrops("--on-full", "drop") }

func (s *stage) fullDrops(flags ...string) string {
	s.pause = "0s"
	r := s.flood(flags...)
	s.progress(0)
	s.moment()
	s.stopRecorder(syscall.SIGKILL)
	// That is twice what there is room for, or more: what was recorded before has left already.
	r.makes(2*(senderBytes+spoolBytes), r.made())
	n := r.finish()
	known := s.list()[0].Loss.Dropped // before the new recorder, which counts from here
	s.startRecorder()
	if err := s.command("push", "--wait", "1m").Run(); err != nil {
		s.t.Fatal(err)
	}
	runs := s.list()
	if len(runs) != 1 {
		s.t.Fatalf("runs %+v", runs)
	}
	loss := runs[0].Loss
	if runs[0].Status != "complete" || loss.Dropped == 0 || loss.Captured != loss.Stored+loss.Dropped {
		s.t.Errorf("run %+v", runs[0])
	}
	kept, missing := s.events(runs[0].ID)
	// Besides calls and returns there are the program's goroutines, and what it writes: to its log after each 1,000 calls.
	others := 10 + n/1000
	if all := kept + missing; missing != loss.Dropped || all < 2*n || all > 2*n+others {
		s.t.Errorf("the program counted %d calls; %d events are kept and %d are missing, of which the ledger is %+v", n, kept, missing, loss)
	}
	if got := s.metric("smiley_dropped_events_total"); got != loss.Dropped-known {
		s.t.Errorf("the recorder counts %d dropped events, %d were known before, the ledger is %+v", got, known, loss)
	}
	return fmt.Sprintf("%s of %s events dropped", export.Count(missing), export.Count(kept+missing))
}

// events returns how many events of a run there are, and how many more gaps say there were.
func (s *stage) events(id string) (kept, missing uint64) {
	s.t.Helper()
	reader, err := store.OpenReader(context.Background(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer reader.Close() //nolint:errcheck // it was only read
	run, err := reader.FindRun(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	for e, err := range reader.Events(context.Background(), run, store.EventQuery{Parts: recording.WithData}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if e.Kind == recording.KindGap {
			missing += binary.LittleEndian.Uint64(e.Data)
			continue
		}
		kept++
	}
	return kept, missing
}
