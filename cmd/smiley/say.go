package main

import (
	"fmt"

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
	for _, loss := range export.Losses(s) {
		if err := a.say("this recording is not whole: %s", loss); err != nil {
			return err
		}
	}
	return nil
}
