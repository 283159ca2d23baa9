// Package transport moves encoded blocks from tracers to recorders and loses none: a block stays with its sender until the
// receiver has acknowledged it, and the receiver acknowledges it when it is committed.
//
// Start with [Local], the pair of ends inside one process; [Record] is the recorder's loop over any [Receiver]. The package
// must not know what a block holds beyond its header, nor where the receiver keeps it.
package transport
