// Package spool keeps blocks that a recorder has not acknowledged in files, until they are delivered: by the sender that
// wrote them, or, when that is dead, by whoever opens the spool next.
//
// Start with [Create] for a new run, and with [List] and [Open] for what dead senders left. The package must not know
// what a block holds. docs/reference/protocol.md states the format as a table.
//
// A spool survives the death of its process at any moment: a record that was written in part is cut off when the spool
// is opened. It does not promise to survive the machine; files are synced when the spool closes.
package spool
