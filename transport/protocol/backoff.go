package protocol

import "time"

// Backoff says when to try again: exponential with full jitter, so that many senders that lost the same receiver do not
// come back at the same moment. After Trip failures in a row the circuit is open: then it waits between Cap/2 and Cap, one
// try at a time, until one succeeds.
type Backoff struct {
	Base time.Duration // bound of the first wait
	Cap  time.Duration // bound of every wait
	Trip int           // failures in a row that open the circuit

	failures int
}

// Failed counts a failure and returns how long to wait. random returns numbers in [0, 1).
func (b *Backoff) Failed(random func() float64) time.Duration {
	b.failures++
	if b.Open() {
		return b.Cap/2 + time.Duration(random()*float64(b.Cap/2))
	}
	bound := b.Base
	for i := 1; i < b.failures && bound < b.Cap; i++ {
		bound *= 2
	}
	return time.Duration(random() * float64(min(bound, b.Cap)))
}

// Succeeded closes the circuit.
func (b *Backoff) Succeeded() { b.failures = 0 }

// Failures returns how many failures there were since the last success.
func (b *Backoff) Failures() int { return b.failures }

// Open reports whether the circuit is open.
func (b *Backoff) Open() bool { return b.failures >= b.Trip }
