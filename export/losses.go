package export

import (
	"smiley/analysis"
	"smiley/recording"
)

// Losses lists in words what the recording lacks, the gravest first; empty when it lacks nothing. Values that a bound cut
// short are no loss: the person chose the bounds, and every such value says so.
func Losses(s *analysis.Summary) []string {
	var losses []string
	if s.Status == string(recording.StatusInterrupted) {
		losses = append(losses, "interrupted: the recorder ended before the program")
	}
	if s.Loss.Dropped > 0 {
		losses = append(losses, Plural(s.Loss.Dropped, "event")+" dropped")
	}
	if !s.Loss.Balances() {
		losses = append(losses, "the ledger does not balance")
	}
	if s.Loss.Unreadable > 0 {
		losses = append(losses, Plural(s.Loss.Unreadable, "value")+" unreadable")
	}
	if s.Loss.Untraced > 0 {
		losses = append(losses, Plural(s.Loss.Untraced, "function")+" not traced")
	}
	return losses
}
