//go:build linux && amd64

package ring

import "runtime"

// How long a thread sleeps before it looks again whether its full ring has room, in ns.
const (
	shortestNap = 20_000
	longestNap  = 2_000_000
)

// naps is what decides how long threads sleep that have no room.
type naps struct {
	last    uint64 // ticks when threads were last looked at
	waiting int    // how many waited lately
}

// setNap says how long threads sleep that have no room, with as many of them as waited lately. Were it short for many, they would keep the
// processors busy with waking up and falling asleep, and the tracer, which makes the room, would find none.
func (r *Reader) setNap(now uint64) {
	waiting := 0
	for i := range r.Used() {
		if r.word(r.layout.Ring(i)+Asleep).Load() > r.naps.last { // a thread notes when it falls asleep
			waiting++
		}
	}
	// Who sleeps for longer than the tracer takes is not seen each time.
	r.naps = naps{last: now, waiting: max(waiting, r.naps.waiting*7/8)}
	r.word(r.layout.Base + SharedSleep + 8).Store(nap(r.naps.waiting, runtime.NumCPU()))
}

// nap returns how long each of a number of threads is to sleep.
func nap(waiting, processors int) uint64 {
	return min(shortestNap*uint64(max(1, waiting/processors)), longestNap)
}
