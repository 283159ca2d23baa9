package store

import (
	"crypto/sha256"
	"fmt"
	"math"

	"smiley/recording"
)

// check says why a block that decodes cannot be the next of the run: what its sender claims must fit what came before
// and itself. The store keeps totals from summaries, so a lie in one would outlive the block.
func (run *liveRun) check(b *recording.Block) error {
	for _, part := range []func(*recording.Block) string{
		run.checkHeader, run.checkDefinitions, checkSummary, run.checkIDs, checkCalls,
	} {
		if reason := part(b); reason != "" {
			return damagedBlock(b, reason)
		}
	}
	return nil
}

func damagedBlock(b *recording.Block, reason string) error {
	return failure(recording.CodeDamaged, nil, fmt.Sprintf("block %d of run %s is damaged: %s", b.Number, b.Run, reason), "")
}

// checkSources finds source files that are not what their hashes say.
func checkSources(b *recording.Block) error {
	for i := range b.Definitions.Files {
		if f := &b.Definitions.Files[i]; f.Missing == "" && sha256.Sum256(f.Body) != f.Hash {
			return damagedBlock(b, "the content of file "+f.Name+" does not fit its checksum")
		}
	}
	return nil
}

func (run *liveRun) checkHeader(b *recording.Block) string {
	stored := run.stored + uint64(b.Header.Events)
	switch {
	case (b.Number == 0) != (b.Start != nil):
		return "the run's metadata belongs to block 0"
	case b.Start != nil && b.Start.ID != b.Run:
		return "its metadata is that of another run"
	case b.Final != (b.End != nil):
		return "the run's end belongs to the final block"
	case b.FirstSeq != run.stored+1:
		return fmt.Sprintf("its first event is %d instead of %d", b.FirstSeq, run.stored+1)
	case b.Captured < run.captured || b.Dropped < run.dropped || b.Captured > 1<<62:
		return "its ledger runs backwards"
	case b.Captured != stored+b.Dropped:
		return fmt.Sprintf("its ledger does not balance: %d captured, %d stored, %d dropped", b.Captured, stored, b.Dropped)
	}
	return ""
}

func (run *liveRun) checkDefinitions(b *recording.Block) string {
	d := &b.Definitions
	for i := range d.Types {
		if int64(d.Types[i].ID) != run.types+int64(i)+1 {
			return "its types are not numbered in order"
		}
	}
	for i := range d.Functions {
		if int64(d.Functions[i].ID) != run.functions+int64(i)+1 {
			return "its functions are not numbered in order"
		}
	}
	for i := range d.Files {
		if int64(d.Files[i].ID) != run.files+int64(i)+1 {
			return "its files are not numbered in order"
		}
	}
	for i := range d.Goroutines {
		if d.Goroutines[i].ID <= 0 {
			return "a goroutine has no number"
		}
	}
	return ""
}

func checkSummary(b *recording.Block) string {
	s := &b.Summary
	events := uint64(b.Header.Events)
	var calls, active uint64
	ended := events + uint64(len(s.Closed)) // what ends without an event of its own began before, or with one
	for i := range s.Functions {
		f := &s.Functions[i]
		calls += f.Calls
		switch {
		case i > 0 && f.Function <= s.Functions[i-1].Function:
			return "its function statistics are not in order"
		case f.Calls > events || f.Errors > events || f.Ended > ended || f.Panics > f.Ended,
			f.Duration.Count != f.Ended:
			return fmt.Sprintf("its function %d has impossible statistics", f.Function)
		}
	}
	for i := range s.Edges {
		if s.Edges[i].Calls > events {
			return "an edge of its call graph has impossible calls"
		}
	}
	for i := range s.Goroutines {
		g := &s.Goroutines[i]
		active += uint64(g.Events)
		switch {
		case g.ID < 0 || i > 0 && g.ID <= s.Goroutines[i-1].ID:
			return "its goroutines are not in order"
		case g.Calls > g.Events || g.Events == 0 || !inBlock(b, g.FirstSeq) || !inBlock(b, g.LastSeq):
			return fmt.Sprintf("its goroutine %d has impossible events", g.ID)
		}
	}
	switch {
	case calls != s.Calls, s.Calls > events, s.Errors > events, s.Panics > events, s.Calls+s.Errors+s.Panics > events, active > events,
		s.Truncated > events*math.MaxUint16, s.Unreadable > events*math.MaxUint16, s.Quiet > 1<<48:
		return "its summary does not fit its events"
	}
	return ""
}

// checkIDs finds references to what was never defined.
func (run *liveRun) checkIDs(b *recording.Block) string {
	limit := run.functions + int64(len(b.Definitions.Functions))
	known := func(id recording.FunctionID) bool { return int64(id) <= limit }
	for i := range b.Summary.Functions {
		if f := b.Summary.Functions[i].Function; f == 0 || !known(f) {
			return fmt.Sprintf("its function %d is not defined", f)
		}
	}
	for i := range b.Summary.Edges {
		if e := &b.Summary.Edges[i]; !known(e.Caller) || !known(e.Callee) || e.Callee == 0 {
			return "an edge of its call graph has no function"
		}
	}
	for i := range b.Summary.Opened {
		if !known(b.Summary.Opened[i].Function) {
			return "an open call has no function"
		}
	}
	return ""
}

func checkCalls(b *recording.Block) string {
	for i := range b.Summary.Opened {
		o := &b.Summary.Opened[i]
		if !inBlock(b, o.Seq) || o.Parent >= o.Seq || o.Depth < 0 || i > 0 && o.Seq <= b.Summary.Opened[i-1].Seq {
			return fmt.Sprintf("its open call %d is impossible", o.Seq)
		}
	}
	for i := range b.Summary.Closed {
		c := &b.Summary.Closed[i]
		if c.Seq == 0 || c.Seq >= b.FirstSeq || !inBlock(b, c.EndSeq) || c.Outcome == recording.OutcomeOpen ||
			c.Outcome > recording.OutcomeLost || c.End < c.Start {
			return fmt.Sprintf("the end of call %d is impossible", c.Seq)
		}
	}
	return ""
}

// inBlock reports whether seq is that of an event of the block.
func inBlock(b *recording.Block, seq uint64) bool {
	return seq >= b.FirstSeq && seq-b.FirstSeq < uint64(b.Header.Events)
}
