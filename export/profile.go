package export

import (
	"context"

	"github.com/google/pprof/profile"

	"smiley/analysis"
	"smiley/recording"
)

// maxFrames bounds the frames of one sample: of a deeper stack the outermost and the innermost half are kept, so that the
// size of a profile does not grow with the square of a recursion's depth.
const maxFrames = 512

// Profile sums up a run by call stack as a profile for pprof, with two values a sample: calls, and nanoseconds spent in the
// innermost function. It reads the whole run.
func Profile(ctx context.Context, run *analysis.Run) (*profile.Profile, error) {
	root, err := run.Stacks(ctx)
	if err != nil {
		return nil, err
	}
	functions, err := run.Functions(ctx)
	if err != nil {
		return nil, err
	}
	files, err := run.Files(ctx)
	if err != nil {
		return nil, err
	}
	s := run.Summary()
	p := &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "calls", Unit: "count"}, {Type: "time", Unit: "nanoseconds"}},
		DefaultSampleType: "time",
		PeriodType:        &profile.ValueType{Type: "calls", Unit: "count"},
		Period:            1,
		TimeNanos:         s.Start.UnixNano(),
		Comments:          append([]string{"smiley run " + s.ID}, Losses(&s)...),
	}
	if s.Duration != nil {
		p.DurationNanos = *s.Duration
	}
	mapping := &profile.Mapping{ID: 1, File: s.Program, HasFunctions: true, HasFilenames: true, HasLineNumbers: true}
	p.Mapping = []*profile.Mapping{mapping}
	t := locations{profile: p, mapping: mapping, functions: functions, files: files, byID: map[recording.FunctionID]*profile.Location{}}
	root.Each(func(stack *analysis.Stack) {
		p.Sample = append(p.Sample, &profile.Sample{
			Location: t.stack(stack), Value: []int64{int64(stack.Calls), stack.Self},
		})
	})
	return p, p.CheckValid()
}

// locations makes the places of a profile, one a function.
type locations struct {
	profile   *profile.Profile
	mapping   *profile.Mapping
	functions []recording.Function
	files     []analysis.File
	byID      map[recording.FunctionID]*profile.Location
}

// stack returns the places of a stack, the innermost first.
func (t *locations) stack(s *analysis.Stack) []*profile.Location {
	var all []*profile.Location
	for ; s.Parent != nil; s = s.Parent {
		all = append(all, t.of(s.Function))
	}
	if len(all) > maxFrames {
		all = append(all[:maxFrames/2], all[len(all)-maxFrames/2:]...)
	}
	return all
}

func (t *locations) of(id recording.FunctionID) *profile.Location {
	if l := t.byID[id]; l != nil {
		return l
	}
	f := &profile.Function{ID: uint64(id), Name: "unknown"}
	if id > 0 && int(id) <= len(t.functions) {
		known := &t.functions[id-1]
		f.Name, f.SystemName, f.StartLine = known.Name, known.Name, int64(known.Line)
		if n := int(known.File); n > 0 && n <= len(t.files) {
			f.Filename = t.files[n-1].Name
		}
	}
	// pprof wants addresses to tell places apart; they need not be those of the program.
	l := &profile.Location{ID: uint64(id), Mapping: t.mapping, Address: uint64(id), Line: []profile.Line{{Function: f, Line: f.StartLine}}}
	t.profile.Function = append(t.profile.Function, f)
	t.profile.Location = append(t.profile.Location, l)
	t.byID[id] = l
	return l
}
