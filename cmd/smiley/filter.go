package main

import (
	"time"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/recording"
)

// filterFlags are the flags that choose events of a run.
type filterFlags struct {
	goroutine          int64
	function, from, to string
	maxDepth           int
	errors, panics     bool
	over               time.Duration
}

// add declares the flags for a command.
func (f *filterFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.Int64Var(&f.goroutine, "goroutine", 0, "only this goroutine")
	flags.StringVar(&f.function, "function", "", `only calls of these functions: a name, the last part of one, a type (of its methods), or a package, "..." standing for any text`)
	flags.StringVar(&f.from, "from", "", "begin at this moment of the run")
	flags.StringVar(&f.to, "to", "", "end at this moment of the run")
	flags.IntVar(&f.maxDepth, "max-depth", 0, "only calls down to this depth; 0 is no limit")
	flags.BoolVar(&f.errors, "errors", false, "only calls that returned an error")
	flags.BoolVar(&f.panics, "panics", false, "only panics, and what recovered from them")
	flags.DurationVar(&f.over, "over", 0, "only calls that took at least so long, such as 10ms")
	command.MarkFlagsMutuallyExclusive("errors", "panics")
	command.MarkFlagsMutuallyExclusive("over", "panics")
}

// filter is what the flags say.
func (f *filterFlags) filter() (analysis.Filter, error) {
	filter, err := analysis.ParseFilter(f.goroutine, f.function, f.from, f.to)
	switch {
	case err != nil:
	case f.over < 0:
		err = recording.Errorf(recording.CodeInvalid, "bad duration %s: nothing takes less than no time", f.over)
	case f.maxDepth < 0:
		err = recording.Errorf(recording.CodeInvalid, "bad depth %d: a goroutine's outermost calls are at depth 1", f.maxDepth)
	}
	filter.MaxDepth = f.maxDepth
	filter.Failed, filter.Panics, filter.Over = f.errors, f.panics, f.over
	return filter, err
}

// addFull declares --full.
func addFull(command *cobra.Command, full *bool) {
	command.Flags().BoolVar(full, "full", false, "show long values whole, as --json does; without it they are cut, and end in …")
}
