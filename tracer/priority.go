//go:build linux && amd64

package tracer

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// standing is where this process stands among those that want a processor.
type standing int

const (
	asStarted standing = iota
	nice               // at a higher niceness
	behindAll          // Linux's SCHED_IDLE: whoever else wakes has the processor at once
)

const (
	// revocableNiceness is what this process adds to its own where it is nice, and may take it back. At less, a program whose
	// collector stops the world waits for threads of its own that wait for a processor: at the 95th percentile 16 times as long as
	// alone with 5, 4 times with 10, two to four times with 15. At more, a program that keeps all processors busy would leave the tracer nearly
	// nothing.
	revocableNiceness = 15
	// lastingNiceness is the same for who may not take it back. Where others want the processors, too, the tracer must go on.
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

// fewTurns is how often the rings are read between two looks by who hardly gets a processor: others rest for 10 ms at most between two times, and
// who takes longer has more to read, and the processor for it. Once it says little: a program that begins to work has many firsts in store.
const fewTurns = 3

// precedence lets the program go first where both want a processor: when it makes more than can be kept it waits for room in its rings,
// and the tracer has the processor then. Other processes may want it, too, and would get it before the tracer; so it gives way only
// while it gets on. A nil precedence is one that never changes.
type precedence struct {
	own       scheduling
	revocable bool // what is given away can be had again
	crowded   func() bool

	mu      sync.Mutex
	now     standing
	most    standing      // how far it gives way where it gets on
	again   time.Time     // when it gives way further
	absence time.Duration // from the next time it is starved to when it gives way again
	spared  int           // the thread that stays as it was started
	stops   bool          // the program is being stopped

	looked time.Time // the last look, the processor time this process had had then, how long the program had waited, and the turns
	used   time.Duration
	waited time.Duration
	turns  uint64
	few    bool // there were few turns between the last look and the one before
}

// giveWay begins to give way. The program must have been started: it would inherit this. waits says that it waits for room in its rings: what
// is dropped instead lets nobody see in time that the tracer is starved. lasting says that this process may give way for good, where it cannot
// take it back.
func giveWay(waits, lasting bool) *precedence {
	own, err := ownScheduling()
	if err != nil || own.policy != unix.SCHED_NORMAL && own.policy != unix.SCHED_BATCH {
		return nil // whoever started it has given it a place, the last of all or one of the first
	}
	return giveWayFrom(own, waits, lasting, own.mayTakeBack())
}

// giveWayFrom is giveWay of a process that is scheduled so, which can have again what it gives away, or not.
func giveWayFrom(own scheduling, waits, lasting, revocable bool) *precedence {
	if !revocable && !lasting {
		return nil
	}
	now := time.Now()
	p := &precedence{
		own: own, revocable: revocable, crowded: crowded, most: nice, again: now, absence: firstAbsence, looked: now,
	}
	if revocable && waits {
		p.most = behindAll
	}
	if p.crowded() {
		p.take(nice)
	} else {
		p.take(p.most)
	}
	return p
}

// mayTakeBack tries whether this process may have again what it gives away.
func (s scheduling) mayTakeBack() (may bool) {
	other := s.nicer(1)
	if other == s {
		other.niceness--
	}
	onThread(func() {
		may = other.set(0, 0) == nil && s.set(0, 0) == nil
	})
	return may
}

// crowded reports whether others have more to do than there are processors, beside what the program and this process may have. Who comes
// behind all hardly gets a processor then, and it takes a second and more until that is seen.
func crowded() bool {
	processors := runtime.NumCPU()
	ours := processors + 2
	var load [3]float64
	var want int
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return true
	}
	if n, _ := fmt.Sscanf(string(text), "%g %g %g %d/", &load[0], &load[1], &load[2], &want); n < 4 {
		return true
	}
	return want-ours > processors
}

// take takes a place.
func (p *precedence) take(now standing) {
	p.now = now
	switch {
	case now == asStarted:
		p.scheduleAll(p.own, 0)
	case now == behindAll:
		p.scheduleAll(scheduling{unix.SCHED_IDLE, 0}, shortSlice)
	case p.revocable:
		p.scheduleAll(p.own.nicer(revocableNiceness), shortSlice)
	default:
		p.scheduleAll(p.own.nicer(lastingNiceness), shortSlice)
	}
}

// spare keeps the calling thread, to which its goroutine must be bound, as the process was started: it is who looks whether others are starved.
func (p *precedence) spare() {
	if p == nil || !p.revocable {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spared = unix.Gettid()
	_ = p.own.set(p.spared, 0)
}

// look takes the place before others back when the tracer does not get the processor: the program waits for it, or it hardly comes round.
// waited is how long threads of the program have waited for room so far, all together, and turns how often the rings were read. Two looks
// must lie far enough apart to tell, as two heartbeats do.
func (p *precedence) look(now time.Time, waited time.Duration, turns uint64) {
	if p == nil || !p.revocable {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	used := processorTime()
	took := now.Sub(p.looked)
	few := turns-p.turns < fewTurns
	starved := used-p.used < took/2 && (waited-p.waited > took/2 || turns == p.turns || few && p.few)
	p.looked, p.used, p.waited, p.turns, p.few = now, used, waited, turns, few
	switch {
	case p.most == asStarted || p.stops:
	case p.now > asStarted && starved:
		p.take(p.now - 1)
		p.again = now.Add(p.absence)
		p.absence = min(2*p.absence, longestAbsence)
	case p.now < p.most && now.After(p.again):
		p.again = now.Add(firstAbsence)
		if p.now == asStarted || !p.crowded() {
			p.take(p.now + 1)
		}
	}
}

// stopping has this process be as it was started while f stops the program, which stands still until f gets the processor it wants.
func (p *precedence) stopping(f func() error) error {
	if p == nil || !p.revocable {
		return f()
	}
	p.mu.Lock()
	before := p.now
	p.stops = true
	p.take(asStarted)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stops = false
		p.take(min(before, p.most))
	}()
	return f()
}

// end takes back what was given, where the system allows that: else what this process starts afterwards gives way as well.
func (p *precedence) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = asStarted
	if p.now > asStarted {
		p.take(asStarted)
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

// scheduleAll has all threads scheduled so but the one that is spared: Linux has that for each, and those that it starts inherit
// it. The second time is for those that were being started the first.
func (p *precedence) scheduleAll(as scheduling, slice time.Duration) {
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, t := range threads {
			if id, err := strconv.Atoi(t.Name()); err == nil && id != p.spared {
				_ = as.set(id, slice) // to more niceness nobody objects; to less only root can
			}
		}
	}
}

// scheduling is how Linux schedules a thread.
type scheduling struct {
	policy   uint32
	niceness int
}

const mostNiceness = 19

// ownScheduling is that of the calling thread, which this process was started with as long as it gives nothing away.
func ownScheduling() (scheduling, error) {
	if attr, err := unix.SchedGetAttr(0, 0); err == nil {
		return scheduling{attr.Policy, int(attr.Nice)}, nil
	}
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // a sandbox that does not know the other call
	return scheduling{unix.SCHED_NORMAL, 20 - own}, err
}

// nicer is the same with more niceness, as far as there is more.
func (s scheduling) nicer(by int) scheduling {
	return scheduling{s.policy, min(s.niceness+by, mostNiceness)}
}

// set has a thread scheduled so, 0 being the calling one; a slice of 0 is the system's own.
func (s scheduling) set(thread int, slice time.Duration) error {
	attr, err := unix.SchedGetAttr(thread, 0)
	if err == nil {
		attr.Policy, attr.Nice, attr.Runtime = s.policy, int32(s.niceness), uint64(slice)
		err = unix.SchedSetAttr(thread, attr, 0)
	}
	if err != nil { // a sandbox that does not know these calls
		niceness := s.niceness
		if s.policy == unix.SCHED_IDLE {
			niceness = mostNiceness
		}
		err = unix.Setpriority(unix.PRIO_PROCESS, thread, niceness)
	}
	return err
}

// start calls f on a thread that is scheduled so, where that may be: a process that f starts inherits it.
func (s scheduling) start(f func()) {
	onThread(func() {
		_ = s.set(0, 0)
		f()
	})
}

// onThread calls f on a thread that ends then, so that nothing else runs as f had it scheduled.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread() // to the end
		defer close(done)
		f()
	}()
	<-done
}
