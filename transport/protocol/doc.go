// Package protocol is the reliable channel as bytes and clocks: what the two ends say to each other, what a sender keeps,
// sends and sends again, and what a receiver takes, refuses and acknowledges. It does no I/O and starts no goroutine.
//
// Start with [Sender] and [Receiver]. Both take events (a message came, time has passed, a block was committed) and hand
// out what to do next with Poll. Neither is safe for concurrent use. docs/reference/protocol.md states the messages as a
// table.
//
// The promise: a block that a Sender took is in the receiver's store exactly once, or is still in the sender's memory or
// spool, or became a tombstone whose events count as dropped. Loss, duplication and reordering of messages, and the
// death of either end at any moment, cost time and no more.
package protocol
