package main

import (
	"fmt"
	"strings"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

// say writes a line of chatter, for people, to standard error.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stderr, "smiley: "+format+"\n", args...)
	return err
}

// again is a command that a person may give next, about the same database.
func (a *app) again(command string) string {
	if a.database != "" {
		command += " --database " + recording.ShellWord(a.database)
	}
	return command
}

// sayLosses warns a person who looks at a recording that something is missing from it; it says nothing when nothing is.
func (a *app) sayLosses(s *analysis.Summary) error {
	losses := export.Losses(s)
	if len(losses) == 0 {
		return nil
	}
	return a.say("this recording is not whole: %s; see: %s", strings.Join(losses, ", "), a.again("smiley show "+s.ID))
}
