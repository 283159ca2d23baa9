// Package ring holds the memory that a probed program shares with its tracer, and reads it.
//
// The program's threads write records, one ring a thread, through generated code; see [Layout] for where everything lies.
// [Reader] takes the records out in the order of their time. The package touches memory only: it knows nothing of
// processes, of instructions, or of what a record means beyond its head.
package ring

// The shared page at the start of the region. Offsets in bytes; words of eight.
const (
	SharedHeartbeat = 0   // the tracer writes its time stamp counter here
	SharedPatience  = 8   // ticks after which a heartbeat that does not move means a dead tracer
	SharedAbandoned = 16  // AbandonedByProgram, AbandonedByTracer, or 0: wait for room
	SharedUnplaced  = 64  // records lost because there was no ring for their thread
	SharedNext      = 128 // how many rings were taken so far
	SharedLimit     = 136 // how many were offered so far
	SharedSleep     = 192 // a timespec: how long a thread with a full ring sleeps; see setNap

	// What the signal shim did.
	SharedRolledBack = 256 // a record was undone to show its site
	SharedShown      = 264 // displaced instructions were shown as the original ones for the time of a handler
	SharedRefused    = 272 // preemption found displaced instructions
	SharedFaults     = 280 // a displaced instruction faulted
	SharedRecovered  = 288 // a copy behind a pointer faulted

	// For who comes after a tracer that died: see [Reader.Account].
	SharedEstate    = 296 // address of what the tracer wrote down about itself; 0: nothing
	SharedEstateLen = 304 // its bytes
	SharedOther     = 320 // events that are no records of a ring: gaps, and what became of records whose calls were dropped
	SharedReported  = 336 // records that the program dropped and the tracer has told of
	SharedSettled   = 328 // not zero: everything is accounted for

	// SharedAwaited counts what was recorded and is to be followed by another record: only while there is such a thing, whatever it is, are
	// records written that could be the following ones. It has a line of the processors' caches to itself: it is looked at far more often than it changes.
	SharedAwaited = 384

	// SharedLosing is not zero from when on the first record was dropped. Who writes records looks at it, so it has a line to itself, too.
	SharedLosing = 448

	// Numbers of the rings that are offered, four bytes each, by the count of the offer modulo OfferedMax.
	SharedOffers = 4096

	// SharedTypes is a table of the types that interfaces hold, of entries of two words: the address of a type's description, and that
	// of the list of what is copied of its values. The tracer adds to it while the program runs, the list's address first. A type has
	// its own entry, or the first one behind it that was free.
	SharedTypes = SharedOffers + 4*OfferedMax

	// SharedLosses counts the dropped entries of functions, in numbers of two bytes: those of a function on a goroutine have the place that
	// LossFactor says, which they can share with others. A record carries the number of its function and goroutine, so that a return whose
	// call was dropped is not taken for that of an earlier call in the same place. Besides, all that is dropped on a goroutine is counted in a
	// place of the goroutine's own.
	SharedLosses = SharedTypes + TypeEntryLen*TypeEntries + 4096

	SharedLen = SharedLosses + 2*LossPlaces
)

// What SharedAbandoned holds while nobody waits for room, and what finds none is dropped.
const (
	// AbandonedByProgram: the heart did not beat within the program's patience. The next beat takes it back.
	AbandonedByProgram = 1
	// AbandonedByTracer: it asked for it, and means it.
	AbandonedByTracer = 2
)

// The place of a function on a goroutine among SharedLosses is the sum of the goroutine's id and of the number of the function's entry
// times LossFactor, modulo LossPlaces. That of a goroutine alone is the place of a function of the number 1, which none has.
const (
	LossPlaces = 1 << 20 // some thousand goroutines lose something of a handful of functions at once, and few share a place
	LossFactor = 40503
)

// The table of types. A type's entry follows from its address; it is in that or in one of those behind it, TypePlaces in all, and behind the last
// entry there is room for these.
const (
	TypeEntries  = 16384
	TypeEntryLen = 16
	TypePlaces   = 8
)

// TypeEntry returns the offset in the table of the own entry of the type that is described at an address. Descriptions begin at
// multiples of 32 mostly.
func TypeEntry(word uint64) uint64 { return word >> TypeShift & ((TypeEntries - 1) * TypeEntryLen) }

// TypeShift is by how many bits TypeEntry shifts.
const TypeShift = 1

// OfferedMax bounds the number of rings.
const OfferedMax = 1024

// The control page of a ring. The first line belongs to the program, the second to the thread's own use, the third to the
// tracer, the fourth never changes.
const (
	Head    = 0  // address where the next record goes; storing it publishes the record before
	Limit   = 8  // a record may begin below this address
	Drops   = 16 // records given up because the ring was full
	WrapEnd = 24 // where the records of the last lap ended
	Owner   = 32 // thread id; 0 while no thread has the ring
	Shares  = 40 // not zero: the thread's m may go on in other threads, as those of C do, so that the ring is never free again
	Waited  = 48 // ticks that threads have waited for room, those under way not counted
	Asleep  = 56 // time stamp counter when the thread began to wait

	SavedRAX = 64
	SavedRDX = 72
	SavedRCX = 80
	SavedR11 = 88
	SavedRDI = 96
	SavedRSI = 104
	Link     = 112 // where a copy goes on when it is done
	Origin   = 120 // where the record goes on when it is done

	Tail = 128 // address up to which the tracer has read

	// Two accounts, of two words each: a tail, and how many events were made of all records before it. The tracer writes the
	// one that is not in force, and then the tail: the account with that tail is in force, at whatever moment the tracer dies.
	Accounts   = 136
	AccountLen = 16

	// Turn is an address that the tracer sets: when it has read beyond it, the program goes back to the start, although there is room
	// behind. What is written and read again and again stays in the processors' caches.
	Turn = 168

	Data    = 192 // address of the first byte for records
	DataEnd = 200 // a record begins below this address

	// What the thread keeps while it copies what values refer to.
	Copies     = 256 // address of the word that says how many bytes the copies take
	Full       = 264 // address that they may not reach beyond
	Depth      = 272 // how far is still followed behind the value that is being looked at
	HeldEntry  = 280 // where to go on behind what an interface holds
	HeldBase   = 288
	HeldDepth  = 296
	ControlLen = 4096
)

// LimitStep is by how many bytes the limit moves on, so that the program looks for the chance to turn now and then.
const LimitStep = 16 << 10

// firstTurn is how many bytes of a ring the program has for itself behind every turn, until it turns out to need more. It is little, because
// what a ring takes of the processors' caches the program, and whoever it works with, go without.
const firstTurn = 16 << 10

// RecordMax bounds a record in bytes. It is also the room behind a ring's data into which the last record may reach.
const RecordMax = 112 << 10

// The head of a record. Words in the order of the site's plan follow. Then, for a site with copies, a word with the number of bytes that
// these take, and the copies: each its address, a word of its own, and its bytes, up to a multiple of eight. That word says how many bytes
// there are; of no bytes, why.
const (
	RecordTime  = 0  // time stamp counter
	RecordGo    = 8  // six bytes: goroutine id
	RecordLoss  = 14 // two bytes: see SharedLosses
	RecordFrame = 16 // four bytes: g.stack.hi − SP
	RecordSite  = 20 // four bytes
	RecordWords = 24
)

// The word of a copy. The lowest bits are for who copies: how far is followed behind these bytes, and from CopyNode on where that is
// described.
const (
	CopyHead    = 16 // bytes before those of a copy
	CopyLen     = 20 // the bit at which the number of bytes begins, of CopyLenBits
	CopyLenBits = 20
	CopyNode    = CopyLen + CopyLenBits

	CopyFault   = 1 // instead of bytes: the memory could not be read
	CopyUnknown = 2 // the address is that of a type, of which values were met and nothing was known
)

// Layout says where the parts of the shared region lie in the program's memory. The shared page must be near the code that
// uses it; the rings can be anywhere. In the tracer's memory the rings follow the shared page.
type Layout struct {
	Base     uint64 // address of the shared page
	Rings    uint64 // address of the first ring; 0: behind the shared page
	Count    int    // rings
	DataSize uint64 // bytes for records in each ring, a multiple of 4096
}

// Stride is the distance between two control pages.
func (l Layout) Stride() uint64 { return ControlLen + l.DataSize + RecordMax }

// Ring returns the address of a ring's control page.
func (l Layout) Ring(i int) uint64 {
	first := l.Rings
	if first == 0 {
		first = l.Base + SharedLen
	}
	return first + uint64(i)*l.Stride()
}

// RingsSize returns the bytes of all rings, Size those of the shared page with them.
func (l Layout) RingsSize() uint64 { return uint64(l.Count) * l.Stride() }
func (l Layout) Size() uint64      { return SharedLen + l.RingsSize() }

// Offset returns where an address lies in the tracer's memory. It is outside of it for an address of neither part.
func (l Layout) Offset(addr uint64) uint64 {
	if in := addr - l.Ring(0); in < l.RingsSize() {
		return SharedLen + in
	}
	if in := addr - l.Base; in < SharedLen {
		return in
	}
	return ^uint64(0)
}
