//go:build cgo && linux && amd64

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smiley/internal/stress"
)

// TestStressRemote is what can happen between a program and its recorder: real processes and real sockets.
func TestStressRemote(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	if testing.Short() {
		t.Skip("real processes, several seconds each: not with -short")
	}
	smiley, program := buildStage(t)
	for _, fault := range []struct {
		name    string
		prepare func(*stage)
		cause   func(*stage) string
		found   string
	}{
		{"recorder killed three times", nil, recorderKilled, "runs complete, every call once"},
		{"recorder stays away", nil, recorderStaysAway, "program ends as always; complete after push, every call once"},
		{"sender killed", nil, senderKilled, "after push complete up to the last quarter second"},
		{"link cut and restored", cuttable, linkCut, "runs complete, every call once"},
		{"recorder stopped with SIGSTOP", nil, recorderStopped, "runs complete, every call once"},
		{"recorder's disk full and freed", smallDisk, diskFull, "runs complete, every call once"},
		{"many programs at once, recorder killed", nil, manyPrograms, "all runs complete, every call once"},
		{"two recorders on one database", nil, twoRecorders, "the second refuses, the first loses nothing"},
		{"a run sent twice", nil, sentTwice, "stored once"},
		{"what waits is sent by the next run", nil, sentByNextRun, "delivered while the next program runs, every call once"},
		{"memory and spool full, recorder comes back", nil, fullWaits, "program held, then runs complete, every call once"},
		{"memory and spool full, wait", nil, fullWaitsAndDrops, "program held for the time named, then every event stored or counted as dropped"},
		{"memory and spool full, drop", nil, fullDrops, "every event stored or counted as dropped"},
	} {
		t.Run(strings.ReplaceAll(fault.name, " ", "-"), func(t *testing.T) {
			times := stress.Times(1, 20)
			found := ""
			for n := range times {
				t.Run(strconv.Itoa(n+1), func(t *testing.T) {
					if text := fault.cause(newStage(t, smiley, program, fault.prepare)); text > found {
						found = text
					}
				})
			}
			if found != "" {
				fault.found += "; " + found
			}
			stress.Row(t, "remote: "+fault.name, times, fault.found)
		})
	}
}

// The recorder is killed, and another takes its place: nothing is lost and nothing is there twice.
func recorderKilled(s *stage) string {
	r := s.run(s.address)
	calls := s.progress(0)
	for range stress.Times(2, 3) {
		s.moment()
		s.stopRecorder(syscall.SIGKILL)
		s.moment()
		s.startRecorder()
		calls = s.progress(calls)
	}
	s.whole(r.finish())
	return ""
}

// The recorder is gone for good: the program runs to its end as if nothing were wrong, and push delivers the rest.
func recorderStaysAway(s *stage) string {
	n := s.leavesBehind()
	s.startRecorder()
	s.whole(n)
	return ""
}

// leavesBehind runs a program whose recorder dies, which leaves the rest of its blocks in the spool, and returns the program's calls.
func (s *stage) leavesBehind() uint64 {
	s.t.Helper()
	r := s.run(s.address)
	s.progress(0)
	s.moment()
	s.stopRecorder(syscall.SIGKILL)
	s.spools()
	return r.finish()
}

// spools waits until more is in the spool than there was.
func (s *stage) spools() {
	s.t.Helper()
	before := s.spooled()
	s.await("blocks are spooled", func() bool { return s.spooled() > before })
}

// smiley is killed while the recorder is there or away: after push everything is there but the last quarter second, and the run
// is marked. The program, which smiley had started, has ended with it.
func senderKilled(s *stage) string {
	r := s.run(s.address)
	s.progress(0)
	away := rand.N(2) == 0
	s.moment()
	if away {
		s.stopRecorder(syscall.SIGKILL)
		s.spools()
		s.moment()
	}
	least := s.list()[0].Calls
	killed := time.Now()
	s.signal(r.cmd, syscall.SIGKILL)
	if _, err := r.cmd.Process.Wait(); err != nil {
		s.t.Fatal(err)
	}
	if away {
		s.startRecorder()
	}
	push := s.command("push", "--wait", "1m")
	push.Stderr = nil
	if out, err := push.CombinedOutput(); err != nil && !bytes.Contains(out, []byte("nothing waits")) {
		s.t.Fatalf("%v, %s", err, out)
	}
	_ = r.cmd.Wait() // for the end of the program, which has its output open; smiley has been waited for
	before, lost := r.counted(killed)
	s.stopRecorder(syscall.SIGTERM) // which then knows that the run does not go on; else it learns that after a minute of silence
	s.await("the run is marked as interrupted", func() bool {
		runs := s.list()
		return len(runs) == 1 && runs[0].Status == "interrupted"
	})
	run := s.list()[0]
	if run.Calls < least || run.Loss.Dropped != 0 || run.Loss.Captured != run.Loss.Stored {
		s.t.Errorf("at least %d of the %d calls until the kill must be there; stored is %+v", least, before, run)
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, spoolPath)); err == nil && len(left) != 0 {
		s.t.Errorf("%v is left in the spool", left)
	}
	return fmt.Sprintf("at most %3d ms were missing", lost(run.Calls).Milliseconds())
}

// counted returns how many calls the program had counted at a time, and a function that says how long before that time it had
// counted so many.
func (r *sentRun) counted(at time.Time) (calls uint64, since func(calls uint64) time.Duration) {
	r.s.t.Helper()
	data, err := os.ReadFile(r.log)
	if err != nil {
		r.s.t.Fatal(err)
	}
	type line struct {
		at    int64
		calls uint64
	}
	var list []line
	for text := range strings.Lines(string(data)) {
		var l line
		if _, err := fmt.Sscan(text, &l.at, &l.calls); err != nil {
			break // being written
		}
		if l.at > at.UnixNano() {
			break
		}
		list = append(list, l)
		calls = l.calls
	}
	return calls, func(calls uint64) time.Duration {
		for _, l := range list {
			if l.calls > calls {
				return time.Duration(at.UnixNano() - l.at)
			}
		}
		return 0
	}
}

// cuttable puts the programs into a network of their own where the system allows it.
func cuttable(s *stage) {
	c, err := s.network()
	if err != nil {
		s.t.Logf("no network namespace, a forwarder instead: %v", err)
		return
	}
	s.cable = c
	// Another address than loopback needs keys, on both ends; here they share a directory.
	key, err := s.command("keys", "generate").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	s.key = strings.TrimSpace(string(key))
	if err := s.command("keys", "authorize", s.key, "test").Run(); err != nil {
		s.t.Fatal(err)
	}
}

// The link is cut, and comes back.
func linkCut(s *stage) string {
	address, link := s.address, cutter(s.cable)
	if s.cable == nil {
		p := s.link()
		address, link = p.address, p
	} else if err := s.command("keys", "authorize", "--recorder", address, s.key).Run(); err != nil {
		s.t.Fatal(err)
	}
	r := s.run(address)
	calls := s.progress(0)
	s.moment()
	link.set(true)
	s.spools()
	time.Sleep(stress.For(500*time.Millisecond, 5*time.Second)) // this long it is cut
	link.set(false)
	s.progress(calls)
	s.whole(r.finish())
	if s.cable == nil {
		return "through a forwarder: network namespaces are not allowed"
	}
	return "through a cable between two network namespaces"
}

// The recorder stands still.
func recorderStopped(s *stage) string {
	r := s.run(s.address)
	calls := s.progress(0)
	s.moment()
	s.signal(s.recorder, syscall.SIGSTOP)
	s.spools()
	time.Sleep(stress.For(500*time.Millisecond, 10*time.Second)) // this long it stands still
	s.signal(s.recorder, syscall.SIGCONT)
	s.progress(calls)
	s.whole(r.finish())
	return ""
}

// smallDisk puts the database on a disk of its own.
func smallDisk(s *stage) {
	if os.Geteuid() != 0 {
		s.t.Skip("skipped: a disk of its own for the database needs root")
	}
	disk := filepath.Join(s.dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if text, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=192m", "smiley-test", disk).CombinedOutput(); err != nil {
		s.t.Skipf("skipped: no disk of its own for the database: %v, %s", err, text)
	}
	s.t.Cleanup(func() { s.must("umount", "-l", disk) })
	s.database = filepath.Join(disk, "runs.db")
}

// The recorder's disk is full: the sender keeps what cannot be committed, and delivers it when there is room again.
func diskFull(s *stage) string {
	r := s.run(s.address)
	s.progress(0)
	s.moment()
	filler, err := os.Create(filepath.Join(filepath.Dir(s.database), "filler"))
	if err != nil {
		s.t.Fatal(err)
	}
	zeros := make([]byte, 64<<10)
	for err == nil {
		_, err = filler.Write(zeros)
	}
	if err := filler.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.spools()
	calls := s.list()[0].Calls
	s.moment()
	if err := os.Remove(filler.Name()); err != nil {
		s.t.Fatal(err)
	}
	s.progress(calls)
	s.whole(r.finish())
	return ""
}

// Many programs at once, with a recorder that is killed among them.
func manyPrograms(s *stage) string {
	s.pause = "50ms"
	var programs []*sentRun
	for range stress.Times(5, 50) {
		programs = append(programs, s.run(s.address))
	}
	s.await("all runs have begun", func() bool { return len(s.list()) == len(programs) })
	s.moment()
	s.stopRecorder(syscall.SIGKILL)
	s.startRecorder()
	counts := make([]uint64, len(programs))
	var all sync.WaitGroup
	for i, p := range programs {
		all.Go(func() { counts[i] = p.finish() })
	}
	all.Wait()
	s.whole(counts...)
	return fmt.Sprintf("%d programs", len(programs))
}

// A second recorder on a database says that there is one, and does not disturb it.
func twoRecorders(s *stage) string {
	r := s.run(s.address)
	s.progress(0)
	s.moment()
	c := s.command("record", "--listen", "tcp://127.0.0.1:0")
	c.Stderr = nil
	if out, err := c.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("another recorder writes to")) {
		s.t.Errorf("a second recorder: %v, %s", err, out)
	}
	s.whole(r.finish())
	return ""
}

// A spool that comes back after it was delivered, from a backup perhaps, changes nothing.
func sentTwice(s *stage) string {
	n := s.leavesBehind()
	spool, kept := filepath.Join(s.dir, spoolPath), filepath.Join(s.dir, "kept")
	if err := os.CopyFS(kept, os.DirFS(spool)); err != nil {
		s.t.Fatal(err)
	}
	s.startRecorder()
	s.whole(n)
	if err := os.CopyFS(spool, os.DirFS(kept)); err != nil {
		s.t.Fatal(err)
	}
	if s.spooled() == 0 {
		s.t.Error("nothing is sent twice")
	}
	s.whole(n)
	return ""
}

// What one run left in the spool is delivered by the next, while its program runs.
func sentByNextRun(s *stage) string {
	n := s.leavesBehind()
	s.startRecorder()
	next := s.run(s.address)
	s.await("the earlier run is complete", func() bool {
		for _, run := range s.list() {
			if run.Status == "complete" {
				return run.Calls == n
			}
		}
		return false
	})
	s.whole(n, next.finish())
	return ""
}
