package main

import (
	"fmt"
	"strings"

	"smiley/analysis"
	"smiley/export"
)

// say writes a line of chatter, for people, to standard error.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stderr, "smiley: "+format+"\n", args...)
	return err
}

// sayLosses warns a person who looks at a recording that something is missing from it; it says nothing when nothing is.
func (a *app) sayLosses(s *analysis.Summary) error {
	losses := export.Losses(s)
	if len(losses) == 0 {
		return nil
	}
	return a.say("this recording is not whole: %s; see: smiley show %s", strings.Join(losses, ", "), s.ID)
}
