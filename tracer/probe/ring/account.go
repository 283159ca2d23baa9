//go:build linux && amd64

package ring

// A tracer can die at any moment. What it read until then was not all stored, and the program goes on writing until its rings are
// full. Whoever comes next can say to the last one how many events are missing: those that the dead tracer made of what it read,
// which it notes with each tail, the records that it did not read, and those that the program dropped.

// Account makes the reader note, with what it frees, how many events were made of it: captured counts those that were made of all records
// so far, and changes only while Drain hands out records. Without it each record is one event. Call it before the first Drain.
func (r *Reader) Account(captured *uint64) { r.captured = captured }

// Other notes that captured events are there in all, of which the program itself dropped so many: what is neither that nor made of a
// record, is something else. Call it on the goroutine that drains.
func (r *Reader) Other(captured, dropped uint64) {
	other := captured - dropped
	for i := range r.Used() {
		other -= r.rings[i].events
	}
	r.word(r.layout.Base + SharedOther).Store(other)
	r.word(r.layout.Base + SharedReported).Store(dropped)
}

// Reported returns what Other was told last of what the program dropped.
func (r *Reader) Reported() uint64 { return r.word(r.layout.Base + SharedReported).Load() }

// Leave says where the tracer has written down what its successor needs to know.
func (r *Reader) Leave(addr, size uint64) {
	r.word(r.layout.Base + SharedEstateLen).Store(size)
	r.word(r.layout.Base + SharedEstate).Store(addr)
}

// Settle says that nothing needs to be accounted for any more.
func (r *Reader) Settle() { r.word(r.layout.Base + SharedSettled).Store(1) }

// Resume makes a reader of what a tracer that died has not read. memory is a copy of the region, of which the shared page, the
// control pages of used rings and what waits in them must be there: see Waiting. It returns how many events the tracer made of
// what it did read, or that were made without a record; what the program dropped is not among them.
func Resume(memory []byte, l Layout, shapes func(site uint32) (Shape, bool)) (r *Reader, events uint64, err error) {
	r = NewReader(memory, l, shapes)
	events = r.word(l.Base + SharedOther).Load()
	for i := range r.Used() {
		base := l.Ring(i)
		tail := r.word(base + Tail).Load()
		if tail < base+ControlLen || tail > base+l.Stride() || tail%8 != 0 {
			return nil, 0, astray(i, tail)
		}
		c := &r.rings[i]
		c.at = tail
		for turn := range uint64(2) {
			if account := base + Accounts + turn*AccountLen; r.word(account).Load() == tail {
				if n := r.word(account + 8).Load(); n >= c.events {
					c.events, c.turn = n, turn
				}
			}
		}
		events += c.events
	}
	return r, events, nil
}

// Waiting returns which addresses hold what waits in a ring, as pairs of from and to, by its control page in memory.
func (r *Reader) Waiting(i int) ([][2]uint64, error) {
	base := r.layout.Ring(i)
	data := base + ControlLen
	end := base + r.layout.Stride()
	tail, head, lap := r.word(base+Tail).Load(), r.word(base+Head).Load(), r.word(base+WrapEnd).Load()
	switch {
	case tail < data || tail > end:
		return nil, astray(i, tail)
	case head < data || head > end:
		return nil, astray(i, head)
	case head >= tail:
		return [][2]uint64{{tail, head}}, nil
	case lap < tail || lap > end:
		return nil, astray(i, lap)
	}
	return [][2]uint64{{tail, lap}, {data, head}}, nil
}
