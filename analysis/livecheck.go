package analysis

import (
	"bytes"
	"fmt"

	"smiley/recording"
)

const (
	// maxLiveDefinitions is how many bytes the tables of one run may take. A program with ten thousand functions and all its
	// sources takes some 30 MB.
	maxLiveDefinitions = 128 << 20
	// maxLiveName bounds a name, maxLiveParams the parameters of a function: no compiler makes such, and each event would show
	// them again.
	maxLiveName   = 64 << 10
	maxLiveParams = 4096
)

// LiveCheck checks that the blocks of a run, which come from whoever sends them, fit each other as far as their events need it
// to be named: numbers and seqs are dense, ids are defined in order and before functions use them, and tables stay within
// bounds. What events say is checked when they are decoded. The zero value expects the first block. It is not safe for
// concurrent use.
type LiveCheck struct {
	next                    uint32
	events                  uint64
	captured, dropped       uint64
	types, functions, files uint64
	size                    int64
	final                   bool
	again                   bool // what is defined already may be defined again
}

// Next returns the number of the block that is expected.
func (c *LiveCheck) Next() uint32 { return c.next }

// Size returns about how many bytes the run's tables take.
func (c *LiveCheck) Size() int64 { return c.size }

// Block checks the next block. The error is CodeDamaged and says what is wrong with it; the check must not be used after it.
func (c *LiveCheck) Block(b *recording.Block) error {
	if c.again && b.Number >= c.next && b.FirstSeq > c.events {
		c.next, c.events = b.Number, b.FirstSeq-1 // what lies between was left out
	}
	c.again = false
	for _, part := range []func(*recording.Block) string{c.head, c.definitions} {
		if reason := part(b); reason != "" {
			return recording.Errorf(recording.CodeDamaged, "block %d of run %s is damaged: %s", b.Number, b.Run, reason)
		}
	}
	c.next++
	c.events += uint64(b.Header.Events)
	c.captured, c.dropped, c.final = b.Captured, b.Dropped, b.Final
	return nil
}

// Define checks a block that is there for what it defines: after it, blocks may be missing. What is defined already may be
// defined again. The error is CodeDamaged; the check must not be used after it.
func (c *LiveCheck) Define(b *recording.Block) error {
	c.again = true
	if reason := c.definitions(b); reason != "" {
		return recording.Errorf(recording.CodeDamaged, "the definitions of run %s are damaged: %s", b.Run, reason)
	}
	return nil
}

// numbered reports whether id is one that may come next, and whether it is new.
func (c *LiveCheck) numbered(id uint64, last *uint64) (isNew, ok bool) {
	if id == *last+1 {
		*last = id
		return true, true
	}
	return false, c.again && id > 0 && id <= *last
}

func (c *LiveCheck) head(b *recording.Block) string {
	switch {
	case c.final:
		return "it follows the run's last"
	case b.Number != c.next:
		return fmt.Sprintf("block %d is expected", c.next)
	case b.Start != nil && b.Start.ID != b.Run:
		return "its metadata is that of another run"
	case b.FirstSeq != c.events+1:
		return fmt.Sprintf("its first event is %d instead of %d", b.FirstSeq, c.events+1)
	case b.Captured < c.captured || b.Dropped < c.dropped || b.Captured != c.events+uint64(b.Header.Events)+b.Dropped:
		return fmt.Sprintf("its ledger does not balance: %d captured, %d dropped", b.Captured, b.Dropped)
	}
	return ""
}

func (c *LiveCheck) definitions(b *recording.Block) string {
	d := &b.Definitions
	for i := range d.Types {
		t := &d.Types[i]
		isNew, ok := c.numbered(uint64(t.ID), &c.types)
		if !ok {
			return "its types are not numbered in order"
		}
		if !isNew {
			continue
		}
		c.size += 96 + int64(len(t.Name)+len(t.Package)+32*len(t.Fields))
		if len(t.Name) > maxLiveName {
			return "the name of a type is too long"
		}
	}
	for i := range d.Files {
		f := &d.Files[i]
		isNew, ok := c.numbered(uint64(f.ID), &c.files)
		if !ok {
			return "its files are not numbered in order"
		}
		if !isNew {
			continue
		}
		c.size += 128 + int64(len(f.Name)+len(f.Body)+len(f.Missing)+24*bytes.Count(f.Body, []byte("\n")))
		if len(f.Name) > maxLiveName {
			return "the name of a file is too long"
		}
	}
	for i := range d.Functions {
		if reason := c.function(&d.Functions[i]); reason != "" {
			return reason
		}
	}
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if g.ID <= 0 {
			return "a goroutine has no number"
		}
		if uint64(g.StartFunction) > c.functions || uint64(g.CreatedIn) > c.functions {
			return fmt.Sprintf("goroutine %d names a function that is not defined", g.ID)
		}
	}
	if c.size > maxLiveDefinitions {
		return "it defines more than a program has"
	}
	return ""
}

func (c *LiveCheck) function(f *recording.Function) string {
	isNew, ok := c.numbered(uint64(f.ID), &c.functions)
	if !ok {
		return "its functions are not numbered in order"
	}
	if !isNew {
		return ""
	}
	c.size += 256 + int64(len(f.Name)+len(f.Package)+len(f.Reason)+48*(len(f.Params)+len(f.Results)))
	switch {
	case len(f.Name) > maxLiveName || len(f.Package) > maxLiveName:
		return "the name of a function is too long"
	case len(f.Params) > maxLiveParams || len(f.Results) > maxLiveParams:
		return fmt.Sprintf("function %d has too many parameters", f.ID)
	case uint64(f.File) > c.files:
		return fmt.Sprintf("function %d lies in a file that is not defined", f.ID)
	}
	for _, params := range [][]recording.Param{f.Params, f.Results} {
		for i := range params {
			p := &params[i]
			c.size += int64(len(p.Name) + len(p.Unreadable))
			if len(p.Name) > maxLiveName || len(p.Unreadable) > maxLiveName {
				return fmt.Sprintf("a parameter of function %d has a name that is too long", f.ID)
			}
		}
	}
	return ""
}
