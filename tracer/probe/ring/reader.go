//go:build linux && amd64

package ring

import (
	"encoding/binary"
	"io"
	"sync/atomic"
	"unsafe"

	"smiley/recording"
)

// Record is one record as it lies in a ring. Its bytes are valid until the end of the call that hands it out.
type Record struct {
	Time      uint64 // ticks
	Goroutine int64
	Losses    uint16 // of a function's records on a goroutine: how many entries were dropped before, see SharedLosses
	Frame     uint32
	Site      uint32
	Data      []byte   // the words of the site's plan, and the copies behind them
	Words     []byte   // the first
	Items     []Item   // the copies, the nearest first
	Faults    []uint64 // addresses of what could not be read
	Unknown   []uint64 // addresses of the descriptions of types that were met and of which nothing was known
	// Template makes the record's capture record of Data, when it looks like one of the site's that came before; the copies are not
	// looked for then.
	Template *recording.Template
}

// Item is a copy of a record.
type Item struct {
	Addr uint64 // where its bytes lay in the program
	At   int32  // where they lie in Record.Data
	Len  int32  // how many there are, 1 at least
}

// Shape says what the records of a site consist of.
type Shape struct {
	Words  int  // number of words
	Copies bool // whether copies follow
}

// Reader takes records out of rings that somebody else fills. It is not safe for concurrent use, but for Beat.
type Reader struct {
	layout Layout
	memory []byte // the whole region as this process sees it
	shapes func(site uint32) (Shape, bool)
	rings  []cursor
	heap   []int  // rings with a record waiting, the earliest first
	record Record // scratch
	last   uint64
	most   uint64 // bytes that waited in the fullest ring at the last Drain

	// Known returns a template that what begins with a record of a site matches; nil when there is none, or the field is.
	Known func(site uint32, data []byte) *recording.Template

	captured *uint64 // events that were made of records so far; nil: each record is one
	naps     naps
}

// cursor is where the reader stands in a ring.
type cursor struct {
	at     uint64 // address
	stop   uint64 // address up to which this batch may read
	lap    uint64 // address where the records of this lap end; 0: the ring has not wrapped in this batch
	time   uint64 // of the record at at
	events uint64 // made of all records before at
	turn   uint64 // which account is in force: 0 or 1
	room   uint64 // bytes that the program has behind a turn
	// unfreed counts the bytes read since the program was last told that it can have them back.
	unfreed uint64
}

// turn returns where a ring's Turn is for the program to have so many bytes behind it: the last record takes up to RecordMax.
func (l Layout) turn(i int, room uint64) uint64 {
	return l.Ring(i) + ControlLen + min(room+RecordMax, l.DataSize)
}

// Init writes the shared page and the control pages of all rings. memory is the region as this process sees it.
func Init(memory []byte, l Layout, patience uint64) {
	initShared(memory, l, patience)
	for i := range l.Count {
		l.initControl(memory[l.Offset(l.Ring(i)):], i)
	}
}

// InitThrough is Init for a region that is also a part of a file, from an offset on. What is written through that need not be mapped
// here: most rings are never used.
func InitThrough(memory []byte, file io.WriterAt, at int64, l Layout, patience uint64) error {
	initShared(memory, l, patience)
	var page [controlHead]byte
	for i := range l.Count {
		l.initControl(page[:], i)
		if _, err := file.WriteAt(page[:], at+int64(l.Offset(l.Ring(i)))); err != nil {
			return recording.Errorf(recording.CodeInternal, "writing the control page of a ring: %w", err)
		}
	}
	return nil
}

func initShared(memory []byte, l Layout, patience uint64) {
	put := func(off, v uint64) { binary.LittleEndian.PutUint64(memory[off:], v) }
	put(SharedHeartbeat, Ticks())
	put(SharedPatience, patience)
	put(SharedLimit, uint64(l.Count))
	put(SharedSleep+8, shortestNap)
	for i := range l.Count {
		binary.LittleEndian.PutUint32(memory[SharedOffers+4*i:], uint32(i))
	}
}

// controlHead is how much of a control page is not zero at first.
const controlHead = DataEnd + 8

func (l Layout) initControl(page []byte, i int) {
	put := func(off, v uint64) { binary.LittleEndian.PutUint64(page[off:], v) }
	data := l.Ring(i) + ControlLen
	put(Head, data)
	put(Limit, data+min(l.DataSize, LimitStep))
	put(Tail, data)
	put(Data, data)
	put(DataEnd, data+l.DataSize)
	put(Turn, l.turn(i, firstTurn))
}

// NewReader reads the rings of a region that Init has prepared. shapes tells what the records of a site consist of.
func NewReader(memory []byte, l Layout, shapes func(site uint32) (Shape, bool)) *Reader {
	r := &Reader{layout: l, memory: memory, shapes: shapes, rings: make([]cursor, l.Count)}
	for i := range r.rings {
		r.rings[i].at, r.rings[i].room = l.Ring(i)+ControlLen, firstTurn
	}
	return r
}

func (r *Reader) word(addr uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&r.memory[r.layout.Offset(addr)]))
}

// Beat tells the program that its tracer is alive. A program that took it for dead, since it was stopped or found no processor for
// longer than the program's patience, waits for room again from then on.
func (r *Reader) Beat() {
	r.word(r.layout.Base + SharedHeartbeat).Store(Ticks())
	if abandoned := r.word(r.layout.Base + SharedAbandoned); abandoned.Load() == AbandonedByProgram {
		abandoned.CompareAndSwap(AbandonedByProgram, 0)
	}
}

// Abandon makes the program drop, from now on and whether or not the heart beats, what finds no room, instead of waiting. It uses all
// the room that there is before.
func (r *Reader) Abandon() {
	for i := range r.rings {
		r.giveRoom(i, r.layout.DataSize)
	}
	r.StopWaiting()
}

// StopWaiting makes the program drop, from now on, what finds no room where it looks for it. Nobody is about to read what it writes, so that
// rings that were never used are left alone: to touch them all takes long.
func (r *Reader) StopWaiting() { r.word(r.layout.Base + SharedAbandoned).Store(AbandonedByTracer) }

// giveRoom sets how many bytes of a ring the program has for itself behind every turn.
func (r *Reader) giveRoom(i int, room uint64) {
	r.rings[i].room = room
	r.word(r.layout.Ring(i) + Turn).Store(r.layout.turn(i, room))
}

// Dropped returns how many records the program gave up so far.
func (r *Reader) Dropped() uint64 {
	n := r.Unplaced()
	for i := range r.Used() {
		n += r.word(r.layout.Ring(i) + Drops).Load()
	}
	return n
}

// Unplaced returns how many of these it gave up because there was no ring for their thread.
func (r *Reader) Unplaced() uint64 { return r.word(r.layout.Base + SharedUnplaced).Load() }

// Lost reports whether the program gave up any record of a goroutine, or perhaps of another one that has the same place among SharedLosses.
func (r *Reader) Lost(goroutine int64) bool {
	if r.word(r.layout.Base+SharedLosing).Load() == 0 {
		return false
	}
	place := (uint64(goroutine) + LossFactor) % LossPlaces
	four := r.word(r.layout.Base + SharedLosses + 2*(place&^3)).Load()
	return uint16(four>>(16*(place&3))) != 0
}

// Rings returns how many rings there are.
func (r *Reader) Rings() int { return r.layout.Count }

// Waited returns how many ticks all threads together have waited for room so far.
func (r *Reader) Waited() uint64 {
	var n uint64
	for i := range r.Used() {
		n += r.word(r.layout.Ring(i) + Waited).Load()
	}
	return n
}

// Signals says how often signals found threads in routines, and what was done.
type Signals struct{ RolledBack, Shown, Refused, Faults, Recovered uint64 }

// Signals returns the counts so far.
func (r *Reader) Signals() Signals {
	at := func(off uint64) uint64 { return r.word(r.layout.Base + off).Load() }
	return Signals{at(SharedRolledBack), at(SharedShown), at(SharedRefused), at(SharedFaults), at(SharedRecovered)}
}

// Taken returns how often threads have taken rings.
func (r *Reader) Taken() int {
	return int(r.word(r.layout.Base + SharedNext).Load())
}

// Used returns how many rings may hold something: all that were ever taken.
func (r *Reader) Used() int { return min(r.Taken(), r.layout.Count) }

// TakeBack offers the rings of threads that have ended to others. alive reports whether a thread of the program lives. Call it
// on the goroutine that drains.
func (r *Reader) TakeBack(alive func(thread int) bool) int {
	n := 0
	for i := range r.Used() {
		base := r.layout.Ring(i)
		owner := r.word(base + Owner).Load()
		if owner == 0 || r.word(base+Shares).Load() != 0 || alive(int(owner)) {
			continue
		}
		c := &r.rings[i]
		if r.word(base+Head).Load() != c.at || r.word(base+Tail).Load() != c.at {
			continue // there is something left to read
		}
		r.word(base + Owner).Store(0)
		offers := r.word(r.layout.Base + SharedLimit).Load()
		at := r.layout.Base + SharedOffers + 4*(offers%OfferedMax)
		atomic.StoreUint32((*uint32)(unsafe.Pointer(&r.memory[r.layout.Offset(at)])), uint32(i))
		r.word(r.layout.Base + SharedLimit).Store(offers + 1)
		n++
	}
	return n
}

// Drain hands out what the rings hold, in the order of its time, and frees its room. It returns the number of records.
//
// A record is handed out only if its time lies before the call's start. That makes causes come before effects: what a
// goroutine recorded earlier, on whatever thread, was published before the later record read its time, so this call sees
// it. A record that took its time before the call and was published after it comes with the next call; it is given the
// last time handed out, so that time never runs backwards.
func (r *Reader) Drain(emit func(*Record) error) (int, error) {
	cutoff := Ticks()
	r.setNap(cutoff)
	r.heap, r.most = r.heap[:0], 0
	for i := range r.Used() {
		waiting, err := r.open(i, cutoff)
		if err != nil {
			return 0, err
		}
		if waiting {
			r.push(i)
		}
	}
	n := 0
	for len(r.heap) > 0 {
		i := r.heap[0]
		if err := r.take(i, &r.record, emit); err != nil {
			return n, err
		}
		n++
		if r.advance(i, cutoff) {
			r.down()
		} else {
			r.pop()
		}
	}
	return n, nil
}

// open looks at how far a ring has been written. What the program put there is not trusted: every address is checked.
func (r *Reader) open(i int, cutoff uint64) (bool, error) {
	c := &r.rings[i]
	base := r.layout.Ring(i)
	data := base + ControlLen
	end := data + r.layout.DataSize + RecordMax
	head := r.word(base + Head).Load()
	c.lap = 0
	if head < c.at {
		c.lap = r.word(base + WrapEnd).Load()
		if c.lap < c.at || c.lap > end {
			return false, astray(i, c.lap)
		}
	}
	if head < data || head > end || head%8 != 0 || c.lap%8 != 0 {
		return false, astray(i, head)
	}
	c.stop = head
	waiting := head - c.at
	if c.lap != 0 {
		waiting = c.lap - c.at + head - data
	}
	r.most = max(r.most, waiting)
	if room := min(2*waiting, r.layout.DataSize); room > c.room {
		r.giveRoom(i, max(room, 2*c.room))
	}
	return r.advance(i, cutoff), nil
}

// Came takes note that a record that one of the program's records had made it await has come, or never will.
func (r *Reader) Came() { r.word(r.layout.Base + SharedAwaited).Add(^uint64(0)) }

// Awaited returns how many records the program awaits.
func (r *Reader) Awaited() uint64 { return r.word(r.layout.Base + SharedAwaited).Load() }

// Fill returns how full the fullest ring was when the last Drain began, from 0 to 1.
func (r *Reader) Fill() float64 { return float64(r.most) / float64(r.layout.DataSize) }

// advance reports whether a record of this batch waits at the cursor; if not, it frees what was read.
func (r *Reader) advance(i int, cutoff uint64) bool {
	c := &r.rings[i]
	base := r.layout.Ring(i)
	if c.lap != 0 && c.at == c.lap {
		c.at, c.lap = base+ControlLen, 0
	}
	if c.at != c.stop {
		c.time = r.word(c.at + RecordTime).Load()
		if c.time < cutoff {
			return true
		}
	}
	r.free(base, c)
	return false
}

// free tells the program that it can have everything up to the cursor back.
func (r *Reader) free(base uint64, c *cursor) {
	c.turn ^= 1
	account := base + Accounts + c.turn*AccountLen
	r.word(account).Store(c.at)
	r.word(account + 8).Store(c.events)
	r.word(base + Tail).Store(c.at)
}

// take reads the record at a ring's cursor and steps over it.
func (r *Reader) take(i int, rec *Record, emit func(*Record) error) error {
	c := &r.rings[i]
	limit := c.stop
	if c.lap != 0 {
		limit = c.lap
	}
	start := r.layout.Offset(c.at)
	b := r.memory[start : start+limit-c.at]
	if len(b) < RecordWords {
		return damaged(i, 0)
	}
	rec.Time = max(c.time, r.last)
	r.last = rec.Time
	rec.Goroutine = int64(binary.LittleEndian.Uint64(b[RecordGo:]) & (1<<(8*(RecordLoss-RecordGo)) - 1))
	rec.Losses = binary.LittleEndian.Uint16(b[RecordLoss:])
	rec.Frame = binary.LittleEndian.Uint32(b[RecordFrame:])
	rec.Site = binary.LittleEndian.Uint32(b[RecordSite:])
	shape, ok := r.shapes(rec.Site)
	if !ok {
		return damaged(i, rec.Site)
	}
	words := 8 * shape.Words
	if rec.Data = b[RecordWords:]; words > len(rec.Data) {
		return damaged(i, rec.Site)
	}
	rec.Words, rec.Items, rec.Faults, rec.Unknown = rec.Data[:words], rec.Items[:0], rec.Faults[:0], rec.Unknown[:0]
	rec.Template = nil
	if r.Known != nil && shape.Copies {
		rec.Template = r.Known(rec.Site, rec.Data)
	}
	length := words
	switch {
	case rec.Template != nil:
		length = rec.Template.Len()
	case shape.Copies:
		if length, ok = rec.copies(words); !ok {
			return damaged(i, rec.Site)
		}
	}
	rec.Data = rec.Data[:length]
	at := RecordWords + length
	before := uint64(0)
	if r.captured != nil {
		before = *r.captured
	}
	if emit != nil {
		if err := emit(rec); err != nil {
			return err
		}
	}
	if r.captured != nil {
		c.events += *r.captured - before
	} else {
		c.events++
	}
	c.at += uint64(at)
	if c.unfreed += uint64(at); c.unfreed > r.layout.DataSize/16 {
		c.unfreed = 0
		r.free(r.layout.Ring(i), c)
	}
	return nil
}

// copies finds the copies, whose length is at an offset of rec.Data, and returns where they end; false when they cannot be what a program
// of ours has written.
func (rec *Record) copies(at int) (end int, ok bool) {
	b := rec.Data
	if at+8 > len(b) {
		return at, false
	}
	n := binary.LittleEndian.Uint64(b[at:])
	at += 8
	if n > uint64(len(b)-at) || n%8 != 0 {
		return at, false
	}
	end = at + int(n)
	for at < end {
		if end-at < CopyHead {
			return at, false
		}
		addr, word := binary.LittleEndian.Uint64(b[at:]), binary.LittleEndian.Uint64(b[at+8:])
		at += CopyHead
		length := int(word >> CopyLen & (1<<CopyLenBits - 1))
		switch {
		case length > end-at:
			return at, false
		case length > 0:
			rec.Items = append(rec.Items, Item{Addr: addr, At: int32(at), Len: int32(length)})
		case word&CopyUnknown != 0:
			rec.Unknown = append(rec.Unknown, addr)
		default:
			rec.Faults = append(rec.Faults, addr)
		}
		at += (length + 7) &^ 7
	}
	return end, true
}

// AddType tells the program where it is listed what is to be copied of what an interface holds, when that is of the type that is described
// at word. It reports false when other types have its places.
func (r *Reader) AddType(word, list uint64) bool {
	at, ok := r.typePlace(word)
	if !ok {
		return false
	}
	r.word(at + 8).Store(list)
	r.word(at).Store(word)
	return true
}

// HasRoomFor reports whether AddType has a place for the type that is described at word.
func (r *Reader) HasRoomFor(word uint64) bool {
	_, ok := r.typePlace(word)
	return ok
}

// typePlace returns the address of the entry that a type can have.
func (r *Reader) typePlace(word uint64) (addr uint64, ok bool) {
	at := r.layout.Base + SharedTypes + TypeEntry(word)
	for range TypePlaces {
		switch r.word(at).Load() {
		case 0:
			return at, true
		case word:
			return 0, false
		}
		at += TypeEntryLen
	}
	return 0, false
}

// The heap is ordered by the time of the waiting records, then by ring.

func (r *Reader) less(a, b int) bool {
	x, y := r.heap[a], r.heap[b]
	if r.rings[x].time != r.rings[y].time {
		return r.rings[x].time < r.rings[y].time
	}
	return x < y
}

func (r *Reader) push(i int) {
	r.heap = append(r.heap, i)
	for k := len(r.heap) - 1; k > 0; {
		up := (k - 1) / 2
		if !r.less(k, up) {
			return
		}
		r.heap[k], r.heap[up] = r.heap[up], r.heap[k]
		k = up
	}
}

func (r *Reader) pop() {
	last := len(r.heap) - 1
	r.heap[0] = r.heap[last]
	r.heap = r.heap[:last]
	r.down()
}

func (r *Reader) down() {
	for k := 0; ; {
		least := k
		for child := 2*k + 1; child <= 2*k+2 && child < len(r.heap); child++ {
			if r.less(child, least) {
				least = child
			}
		}
		if least == k {
			return
		}
		r.heap[k], r.heap[least] = r.heap[least], r.heap[k]
		k = least
	}
}
