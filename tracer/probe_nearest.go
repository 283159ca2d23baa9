//go:build linux && amd64

package tracer

import "smiley/tracer/probe/routine"

// A record has room for so many copies. When the values of a call could need more than that, what is near comes first: what the
// values refer to themselves, then what that refers to, and so on. Without that the first slice of large elements would take all of
// the room, though it is empty in most calls, and what lies beside it would have none.

// nearest is what a capture knows of that while it is compiled.
type nearest struct {
	share   int  // bytes that the elements of one slice take at most
	level   int  // how far away from the values what is being looked at lies
	end     int  // nothing is copied from this level on; 0: there is no such level
	granted int  // up to this level all has its room
	kept    cost // what of the granted levels is yet to come
	refused bool // something had no room
	asking  bool // whether all has room is all that is asked
}

// cost is what copies take.
type cost struct{ copies, bytes, held int }

// Of the elements of a slice the first come before those behind them, so many bytes a level, up to so many levels. What is
// copied of an interface for types that nobody knew comes behind what is copied for those that somebody did.
const (
	levelBytes    = 64
	elementLevels = 4
	unknownLevels = 2
	levelsMost    = 32
	sharedLevels  = 2 // what values refer to, and what lies behind a pointer
)

// leastShare bounds how little of a slice's elements is left for others' sake, in bytes.
const leastShare = 256

// nearestFirst has copies added. add is called again when not all have room.
func (c *probeCapture) nearestFirst(add func()) {
	try := func(n nearest) {
		c.nearest = n
		c.Copies, c.wants = c.Copies[:0], nil
		c.size, c.held, c.reserved, c.reservedCopies = 0, 0, 0, 0
		add()
	}
	share := c.most()
	if try(nearest{share: share, asking: true}); !c.refused {
		return
	}
	last := nearest{share: share, end: 1}
	for last.end <= levelsMost {
		try(nearest{share: share, end: last.end, asking: true})
		if c.refused && last.end <= sharedLevels { // large elements make room for what lies beside them
			for s := share / 2; c.refused && s >= leastShare; s /= 2 {
				if try(nearest{share: s, end: last.end, asking: true}); !c.refused {
					share = s
				}
			}
		}
		if c.refused {
			break
		}
		last = nearest{share: share, end: last.end + 1, granted: last.end, kept: cost{len(c.Copies), c.size, c.held}}
	}
	try(last)
}

// farther has copies added that lie farther away by so many levels.
func (c *probeCapture) farther(by int, add func()) {
	c.level += by
	add()
	c.level -= by
}

// beyond reports whether nothing is copied here.
func (c *probeCapture) beyond() bool { return c.end > 0 && c.level >= c.end || c.answered() }

// answered reports whether what is asked is known, so that nobody wants the rest.
func (c *probeCapture) answered() bool { return c.asking && c.refused }

// room returns the copies and bytes that may still be added here.
func (c *probeCapture) room() (copies, bytes int) {
	if c.granted > 0 { // what comes later in the same call has its share
		return maxCopies - len(c.Copies) - c.kept.copies, c.most() - c.size - c.kept.bytes
	}
	return maxCopies - len(c.Copies) - c.reservedCopies, c.most() - c.size - c.reserved
}

// fits reports whether there is room for so many copies, with so many bytes, and for so many interfaces of limit that are copied by
// what they hold.
func (c *probeCapture) fits(copies, bytes, held, limit int) bool {
	if c.beyond() {
		return false
	}
	if c.level < c.granted {
		return true
	}
	n, size := c.room()
	ok := copies <= n && bytes <= size && (held == 0 || c.held+c.kept.held+held <= limit)
	c.refused = c.refused || !ok
	return ok
}

// atMost returns how many elements of a size there is room for, n at most, and no more than one when they are larger than what a slice may
// take.
func (c *probeCapture) atMost(n, size int) int {
	n = min(n, max(1, c.share/size))
	if c.level < c.granted {
		return n
	}
	_, bytes := c.room()
	if most := (bytes - copyHead) / size; most < n {
		c.refused = true
		return most
	}
	return n
}

// add adds a copy that fits.
func (c *probeCapture) add(k routine.Copy, bytes, held int) {
	c.Copies = append(c.Copies, k)
	c.size += bytes
	c.held += held
	if c.level < c.granted {
		c.kept.copies--
		c.kept.bytes -= bytes
		c.kept.held -= held
	}
}
