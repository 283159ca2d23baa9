package main

import (
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"smiley/recording"
	"smiley/tracer"
)

// captureFlags are the flags of the commands that record: what of a program, and how much of it.
type captureFlags struct {
	options tracer.Options
	onFull  string
	budget  string
}

func newCaptureFlags() *captureFlags {
	return &captureFlags{options: tracer.Options{Bounds: recording.DefaultBounds(), RingBytes: defaultRingBytes}}
}

// defaultRingBytes holds some tens of thousands of calls of a thread.
const defaultRingBytes = 4 << 20

func (f *captureFlags) register(command *cobra.Command) {
	flags, options := command.Flags(), &f.options
	flags.StringArrayVar(&options.Include, "include", nil, "record what this pattern names, and nothing else (repeatable)")
	flags.StringArrayVar(&options.Exclude, "exclude", nil, "do not record what this pattern names (repeatable)")
	flags.BoolVar(&options.IncludeDeps, "include-deps", false, "record the functions of other modules too")
	flags.BoolVar(&options.IncludeStdlib, "include-stdlib", false, "record the functions of the standard library too")
	flags.IntVar(&options.MaxDepth, "max-depth", 0, "record calls down to this depth only; 0 is no limit")
	flags.IntVar(&options.Bounds.StringBytes, "string-bytes", options.Bounds.StringBytes, "bytes to keep of a string")
	flags.IntVar(&options.Bounds.Elements, "elements", options.Bounds.Elements, "elements to keep of a slice or array")
	flags.IntVar(&options.Bounds.Follow, "follow", options.Bounds.Follow, "pointers to follow, one behind the other")
	flags.StringVar(&f.onFull, "on-full", "wait", "when events come faster than they can be kept: wait holds the program (for a remote recorder up to the time of --hold, then drop), drop gives them up and counts them")
	flags.StringVar(&f.budget, "max-overhead", "", "switch off the functions whose probes cost most while all cost more than this share of the program's own time, such as 30%")
	flags.Int64Var(&options.RingBytes, "ring-bytes", options.RingBytes, "bytes of events that each thread of the program may be ahead")
}

// traceOptions checks the flags and returns what they say.
func (f *captureFlags) traceOptions() (tracer.Options, error) {
	for _, bound := range []struct {
		name  string
		value int
	}{
		{"max-depth", f.options.MaxDepth},
		{"string-bytes", f.options.Bounds.StringBytes},
		{"elements", f.options.Bounds.Elements},
		{"follow", f.options.Bounds.Follow},
	} {
		switch {
		case bound.value < 0:
			return f.options, recording.Errorf(recording.CodeInvalid, "--%s cannot be %d", bound.name, bound.value).WithHint("give 0 or more")
		case bound.value > math.MaxInt32: // a recording has no room for it
			return f.options, recording.Errorf(recording.CodeInvalid, "--%s cannot be %d", bound.name, bound.value).WithHint("give %d or less", math.MaxInt32)
		}
	}
	if f.options.RingBytes < tracer.MinRingBytes || f.options.RingBytes > tracer.MaxRingBytes {
		return f.options, recording.Errorf(recording.CodeInvalid, "--ring-bytes cannot be %d", f.options.RingBytes).
			WithHint("give %d to %d", tracer.MinRingBytes, tracer.MaxRingBytes)
	}
	var err error
	if f.options.MaxOverhead, err = parseShare(f.budget); err != nil {
		return f.options, err
	}
	switch f.onFull {
	case "wait":
	case "drop":
		f.options.DropWhenFull = true
	default:
		return f.options, recording.Errorf(recording.CodeInvalid, "--on-full cannot be %q", f.onFull).WithHint("--on-full wait or drop")
	}
	return f.options, nil
}

// parseShare reads "30%" or "0.3"; "" is no limit.
func parseShare(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share > 0) || math.IsInf(share, 1) {
		return 0, recording.Errorf(recording.CodeInvalid, "--max-overhead cannot be %q", text).WithHint("give a share of the program's own time, such as 30%%")
	}
	return share, nil
}
