//go:build linux && amd64

package tracer

import (
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// revocableNiceness is what this process adds to its own while probes record, where it may take it back. At less, a program whose
	// collector stops the world waits for threads of its own that wait for a processor: at the 95th percentile 16 times as long as
	// alone with 5, 4 times with 10, twice with 15. At more, a program that keeps all processors busy would leave the tracer nearly nothing.
	revocableNiceness = 15
	// lastingNiceness is the same for who is not root. Where others want the processors, too, the tracer must go on.
	lastingNiceness = 10
	// shortSlice is how long a thread that gives way runs at a time. Linux lets those go first whose slice ends first, counted in time that
	// passes the more slowly the nicer a thread is; with an ordinary slice of 3 ms it may wait for seconds on a busy machine until it runs at
	// all, with this one a fraction of it (EEVDF, Linux 6.12 and later; others take no notice).
	shortSlice = 100 * time.Microsecond
)

const (
	// What passes until the tracer gives way again after it was starved; twice as long each time.
	firstAbsence   = 10 * time.Second
	longestAbsence = 5 * time.Minute
)

// precedence lets the program go first where both want a processor: when it makes more than can be kept it waits for room in its rings,
// and the tracer has the processor then. Other processes may want it, too, and would get it before the tracer; so it gives way only
// while it gets on. A nil precedence is one that never changes. It is not safe for concurrent use.
type precedence struct {
	own       int  // niceness of this process
	revocable bool // what is given away can be had again
	giving    bool
	again     time.Time     // when it gives way again
	absence   time.Duration // from the next time it is starved to when it gives way again

	looked time.Time // the last look, the processor time this process had had then, and how long the program had waited
	used   time.Duration
	waited time.Duration
}

// giveWay begins to give way. The program must have been started: it would inherit this.
func giveWay() *precedence {
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return nil
	}
	p := &precedence{own: 20 - own, absence: firstAbsence, looked: time.Now()} // as the system call has it
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.revocable = schedule(0, p.own+1, 0) == nil && schedule(0, p.own, 0) == nil
	p.give()
	return p
}

func (p *precedence) give() {
	more := lastingNiceness
	if p.revocable {
		more = revocableNiceness
	}
	scheduleAll(p.own+more, shortSlice)
	p.giving = true
}

// look takes the place before others back when the program waits for a tracer that does not get the processor. waited is how long threads of
// the program have waited for room so far, all together. Two looks must lie far enough apart to tell, as two heartbeats do.
func (p *precedence) look(now time.Time, waited time.Duration) {
	if p == nil || !p.revocable {
		return
	}
	used := processorTime()
	took := now.Sub(p.looked)
	starved := waited-p.waited > took/2 && used-p.used < took/2
	p.looked, p.used, p.waited = now, used, waited
	switch {
	case p.giving && starved:
		scheduleAll(p.own, 0)
		p.giving, p.again = false, now.Add(p.absence)
		p.absence = min(2*p.absence, longestAbsence)
	case !p.giving && now.After(p.again):
		p.give()
	}
}

// end takes back what was given, where the system allows that: else what this process starts afterwards gives way as well.
func (p *precedence) end() {
	if p != nil && p.giving {
		scheduleAll(p.own, 0)
	}
}

// processorTime returns what this process has had of the processors.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// scheduleAll sets niceness and slice of all threads: Linux has them for each, and those that it starts inherit them. The second time is for
// those that were being started the first.
func scheduleAll(niceness int, slice time.Duration) {
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, t := range threads {
			if id, err := strconv.Atoi(t.Name()); err == nil {
				_ = schedule(id, niceness, slice) // to more niceness nobody objects; to less only root can
			}
		}
	}
}

// schedule sets niceness and slice of one thread, 0 being the calling one; a slice of 0 is the system's own.
func schedule(thread, niceness int, slice time.Duration) error {
	attr, err := unix.SchedGetAttr(thread, 0)
	if err == nil {
		attr.Nice, attr.Runtime = int32(niceness), uint64(slice)
		err = unix.SchedSetAttr(thread, attr, 0)
	}
	if err != nil { // a sandbox that does not know these calls
		err = unix.Setpriority(unix.PRIO_PROCESS, thread, niceness)
	}
	return err
}
