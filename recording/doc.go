// Package recording is the vocabulary of smiley: what a recording is and how its bytes are laid out.
//
// Start with [Run] (what was recorded), [Function] and [Type] (what the bytes of an event mean), [Raw] (what a capture
// engine sees) and [Event] (what a reader sees). A [Builder] turns Raws into numbered, self-checking blocks: it pairs
// returns with calls and sums up. [Decode] turns a block back into Events, [Capturer] copies Go values out of memory
// and [ValueDecoder] turns the copied bytes into typed trees again.
//
// The package does no I/O, starts no goroutine and imports no other package of this module: it must not know where
// events come from, how blocks travel, or who keeps them.
package recording
