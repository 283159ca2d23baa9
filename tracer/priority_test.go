//go:build linux && amd64

package tracer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smiley/internal/stress"
)

// scheduled says how the system schedules a thread, 0 being the calling one.
func scheduled(t *testing.T, thread int) string {
	t.Helper()
	attr, err := unix.SchedGetAttr(thread, 0)
	if err != nil {
		t.Skipf("this system does not say how threads are scheduled: %v", err)
	}
	if attr.Policy == unix.SCHED_IDLE {
		return "behind all"
	}
	return fmt.Sprintf("policy %d, niceness %d", attr.Policy, attr.Nice)
}

// niceBy is what scheduled returns of a thread whose niceness is that much more than this one's.
func niceBy(t *testing.T, more int) string {
	t.Helper()
	own, err := ownScheduling()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("policy %d, niceness %d", own.policy, min(own.niceness+more, mostNiceness))
}

// takesBack is how this process is scheduled. The test is skipped where it may not be had again.
func takesBack(t *testing.T) scheduling {
	t.Helper()
	own, err := ownScheduling()
	if err != nil {
		t.Fatal(err)
	}
	if !own.mayTakeBack() {
		t.Skip("this user may not take back what it gives away")
	}
	return own
}

// TestPrecedence gives way, is starved, takes it back, and gives way again, behind all last.
func TestPrecedence(t *testing.T) {
	takesBack(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, nicer, last := niceBy(t, 0), niceBy(t, revocableNiceness), "behind all"
	way := giveWay(true, false)
	busy := false
	way.crowded = func() bool { return busy }
	way.take(behindAll)
	now, waited, turns := way.looked, time.Duration(0), uint64(0)
	for _, step := range []struct {
		what           string
		passes, waited time.Duration
		turns          uint64
		busy           bool
		want           string
	}{
		{"nobody waits", time.Hour, 0, 20, false, last},
		{"the program waits, and the tracer hardly ran", time.Hour, time.Hour, 20, false, nicer},
		{"it still does", time.Hour, time.Hour, 20, false, own},
		{"too early to give way again", firstAbsence, 0, 20, false, own},
		{"later", firstAbsence * 3 / 2, 0, 20, false, nicer},
		{"others want the processors", firstAbsence * 3 / 2, 0, 20, true, nicer},
		{"nobody does any more", firstAbsence * 3 / 2, 0, 20, false, last},
		{"the tracer hardly came round", time.Second, 0, 2, false, last},
		{"once more", time.Second, 0, 2, false, nicer},
		{"not as early as the first time", firstAbsence * 3, 0, 20, false, nicer},
		{"much later", time.Hour, 0, 20, false, last},
		{"the tracer did not come round at all", time.Second, 0, 0, false, nicer},
		{"much later", time.Hour, 0, 20, false, last},
	} {
		now, waited, turns, busy = now.Add(step.passes), waited+step.waited, turns+step.turns, step.busy
		way.look(now, waited, turns)
		if got := scheduled(t, 0); got != step.want {
			t.Fatalf("%s: %s, want %s", step.what, got, step.want)
		}
	}
	err := way.stopping(func() error {
		way.look(now.Add(2*time.Hour), waited+time.Hour, turns) // starved, but for a reason
		if got := scheduled(t, 0); got != own {
			t.Errorf("while the program is stopped: %s", got)
		}
		return io.EOF
	})
	if got := scheduled(t, 0); !errors.Is(err, io.EOF) || got != last {
		t.Errorf("after the program was stopped: %s, %v", got, err)
	}
	way.end()
	way.look(now.Add(3*time.Hour), waited, turns+20)
	if err := way.stopping(func() error { return nil }); err != nil || scheduled(t, 0) != own {
		t.Errorf("%s in the end, and %s before; %v", scheduled(t, 0), own, err)
	}
}

// TestPrecedenceOfAll gives way with all threads but the one that looks, and goes no further than it may.
func TestPrecedenceOfAll(t *testing.T) {
	if own := takesBack(t); own.niceness+lastingNiceness > mostNiceness {
		t.Skipf("this process is nice already: %d", own.niceness)
	}
	own := niceBy(t, 0)
	for _, waits := range []bool{true, false} {
		way := giveWay(waits, true)
		if way.take(way.most); (way.most == behindAll) != waits {
			t.Errorf("where the program waits (%t) this process goes as far as %d", waits, way.most)
		}
		runtime.LockOSThread()
		way.spare()
		want := map[bool]string{true: "behind all", false: niceBy(t, revocableNiceness)}[waits]
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		others := 0
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				t.Fatal(err)
			}
			got := scheduled(t, id)
			switch {
			case id == unix.Gettid() && got != own:
				t.Errorf("who looks: %s, want %s", got, own)
			case id != unix.Gettid() && got != want:
				t.Errorf("another thread: %s, want %s", got, want)
			case id != unix.Gettid():
				others++
			}
		}
		if others == 0 {
			t.Error("there is no other thread")
		}
		runtime.UnlockOSThread()
		way.end()
	}
}

// TestLastingPrecedence gives way where it may not be taken back: for good, if at all.
func TestLastingPrecedence(t *testing.T) {
	started := takesBack(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, nicer := niceBy(t, 0), niceBy(t, lastingNiceness)
	if way := giveWayFrom(started, true, false, false); way != nil || scheduled(t, 0) != own {
		t.Errorf("%s, where nothing should have been given for good", scheduled(t, 0))
	}
	way := giveWayFrom(started, true, true, false)
	defer way.end()
	for range 3 {
		way.look(way.looked.Add(time.Hour), way.waited+time.Hour, way.turns)
		if got := scheduled(t, 0); got != nicer {
			t.Errorf("starved: %s, want %s", got, nicer)
		}
	}
	if err := way.stopping(func() error { return nil }); err != nil || scheduled(t, 0) != nicer {
		t.Errorf("after the program was stopped: %s, %v", scheduled(t, 0), err)
	}
}

// TestPrecedenceOfTheStarted gives way, and takes it back, where this process was started as something else than usual: who comes last, and with
// it who can never take that back, is nobody who was only to be nicer.
func TestPrecedenceOfTheStarted(t *testing.T) {
	usual := takesBack(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer new(precedence).scheduleAll(usual, 0)
	for _, started := range []scheduling{
		{unix.SCHED_NORMAL, mostNiceness + 1 - revocableNiceness}, // one more would be beyond all niceness
		{unix.SCHED_NORMAL, mostNiceness + 1 - lastingNiceness},
		{unix.SCHED_NORMAL, mostNiceness},
		{unix.SCHED_BATCH, 0},
	} {
		for _, revocable := range []bool{true, false} {
			if err := started.set(0, 0); err != nil {
				t.Fatal(err)
			}
			before := scheduled(t, 0)
			nicer := niceBy(t, map[bool]int{true: revocableNiceness, false: lastingNiceness}[revocable])
			way := giveWayFrom(started, false, true, revocable)
			if got := scheduled(t, 0); got != nicer {
				t.Errorf("started as %s: %s, want %s", before, got, nicer)
			}
			if way.end(); revocable && scheduled(t, 0) != before {
				t.Errorf("started as %s: %s in the end", before, scheduled(t, 0))
			}
		}
	}
	for _, started := range []scheduling{{unix.SCHED_IDLE, 0}, {unix.SCHED_RR, 0}} {
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if attr.Policy = started.policy; started.policy == unix.SCHED_RR {
			attr.Priority = 1
		}
		if err := unix.SchedSetAttr(0, attr, 0); err != nil {
			t.Logf("not with policy %d: %v", started.policy, err)
			continue
		}
		before := scheduled(t, 0)
		if way := giveWay(true, true); way != nil || scheduled(t, 0) != before {
			t.Errorf("started as %s: %s", before, scheduled(t, 0))
		}
		attr.Policy, attr.Priority = unix.SCHED_NORMAL, 0
		if err := unix.SchedSetAttr(0, attr, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGuardianKeepsThePlace: a guardian does not come last where the tracer that starts it gives way.
func TestGuardianKeepsThePlace(t *testing.T) {
	takesBack(t)
	own := niceBy(t, 0)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	guardian := func() (*os.File, error) {
		defer writer.Close() // the program ends
		for givesWay := false; !givesWay && t.Context().Err() == nil; runtime.Gosched() {
			threads, _ := os.ReadDir("/proc/self/task")
			for _, thread := range threads {
				id, _ := strconv.Atoi(thread.Name())
				attr, err := unix.SchedGetAttr(id, 0)
				givesWay = givesWay || err == nil && (attr.Policy == unix.SCHED_IDLE || attr.Nice > 0)
			}
		}
		status, err := exec.Command("awk", "{ print $19, $41 }", "/proc/self/stat").Output()
		if err != nil {
			t.Error(err)
		}
		var niceness, policy int
		_, _ = fmt.Sscan(string(status), &niceness, &policy)
		if got := fmt.Sprintf("policy %d, niceness %d", policy, niceness); got != own {
			t.Errorf("%s, want %s", got, own)
		}
		return nil, io.EOF
	}
	r := tally(t, Options{Target: fixture(t, "stdin"), Stdin: reader, Engine: EngineProbe, Include: []string{"main.line"}, Guardian: guardian})
	if r.result.Status() != 0 {
		t.Errorf("status %d", r.result.Status())
	}
}

// TestStressBusyMachine records a program that writes faster than anybody can read, on a machine on which others want the
// processors as much: it waits, and nothing is lost.
func TestStressBusyMachine(t *testing.T) {
	times := stress.Times(1, 20)
	path := fixture(t, installs+"count")
	others := runtime.NumCPU() * stress.Times(4, 10)
	var calls uint64
	for range times {
		var busy []*exec.Cmd
		for range others {
			other := exec.CommandContext(t.Context(), "yes") // ends with the test, however that ends
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			busy = append(busy, other)
		}
		r := tally(t, Options{Target: path, Args: []string{"400", "6"}, Engine: EngineProbe, RingBytes: MinRingBytes})
		for _, other := range busy {
			_ = other.Process.Kill()
			_ = other.Wait()
		}
		counts := countsIn(r.stderr)
		if len(counts) == 0 || r.result.Status() != 0 {
			t.Errorf("status %d, printed %q", r.result.Status(), r.stderr)
		}
		for name, n := range counts {
			if r.calls[name] != n {
				t.Errorf("%s: %d calls of %d", name, r.calls[name], n)
			}
			calls += n
		}
		if l := r.result.Ledger; !l.Balances() || l.Dropped != 0 {
			t.Errorf("%+v", l)
		}
	}
	stress.Row(t, fmt.Sprintf("a machine with %d times as much work as processors", others/runtime.NumCPU()), times,
		fmt.Sprintf("%d calls, each once, nothing lost", calls))
}
