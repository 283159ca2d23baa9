// Package analysis computes over recordings: it gives events their names, sources and values, follows call trees, and sums
// up statistics.
//
// Start with [Open], which returns a [Run]; [Run.Events] and [Run.Calls] stream it, [Run.Statistics] sums it up, and
// [Summarize] says what is known of it as a whole. The types with JSON tags are the contract of docs/reference/json.md:
// fields are added to them and never renamed or removed.
//
// The package must not know how recordings are stored beyond the questions that store answers, how they were captured, or
// what a terminal or a page looks like.
package analysis
