// Package store keeps recordings in a SQLite file and answers questions about them.
//
// Start with [Open] to record, or [OpenReader] to look at what was recorded. [Store.Append] takes encoded blocks and
// returns when they are committed; [Reader.FindRun] finds a run, and [Reader.Events], [Reader.Children], [Reader.Call]
// and [Reader.FunctionStats] read it, while it is written or long after.
//
// The block is the unit: it is kept whole as one row, and there is no row for an event anywhere. What a question needs
// besides, the store rolls up at write time from each block's summary: totals, statistics, the goroutines with the
// blocks they appear in, and the calls that outlive their block. The roll-ups may lag behind by [rollUpBlocks] blocks;
// readers add the summaries of those blocks, so that every answer is exact as of the last committed block. Functions and
// types are read from the blocks that define them.
//
// The package must not know how events are captured or how blocks travel, and never formats a value.
package store
