//go:build linux && amd64

package install

import (
	"debug/buildinfo"
	"strings"

	"smiley/recording"
	"smiley/tracer/debuginfo"
	"smiley/tracer/elffile"
	"smiley/tracer/probe/routine"
)

// Runtime says where the Go runtime of a program keeps what probes and their installation need.
type Runtime struct {
	routine.Offsets
	SchedSP uint64 // runtime.g.sched.sp; 0: not known, and the program cannot be attached to
	AllLink uint64 // runtime.m.alllink
}

var runtimeFields = []debuginfo.Field{
	{Structure: "runtime.g", Path: "m"},
	{Structure: "runtime.g", Path: "goid"},
	{Structure: "runtime.g", Path: "stack.hi"},
	{Structure: "runtime.m", Path: "tls"},
	{Structure: "runtime.m", Path: "procid"},
	{Structure: "runtime.m", Path: "isextra"},
	{Structure: "runtime.g", Path: "sched.sp"},
	{Structure: "runtime.m", Path: "alllink"},
}

// RuntimeOf reads the places of the runtime's fields from a program's debug information. For a program without any, info is
// nil, it knows some of them for some versions of Go.
func RuntimeOf(info *debuginfo.Data, goVersion string) (*Runtime, error) {
	if info == nil {
		if o, ok := knownOffsets(goVersion); ok {
			return &Runtime{Offsets: o}, nil
		}
		return nil, recording.Errorf(recording.CodeUnsupported, "the program has no debug information, and the runtime of %s is not known", goVersion).
			WithHint("build it without -ldflags=-s or -w")
	}
	at, missing := info.FieldOffsets(runtimeFields)
	if missing != nil {
		if o, ok := knownOffsets(goVersion); ok {
			return &Runtime{Offsets: o}, nil
		}
		return nil, recording.Errorf(recording.CodeUnsupported, "the program does not describe %s.%s", missing.Structure, missing.Path).
			WithHint("probes need debug information: build it without -ldflags=-w")
	}
	const slot = 2 * 8 // m.tls[2]
	return &Runtime{
		Offsets: routine.Offsets{
			GoroutineM: int32(at[0]), GoroutineID: int32(at[1]), StackHi: int32(at[2]),
			ThreadSlot: int32(at[3]) + slot, ThreadID: int32(at[4]), ThreadExtra: int32(at[5]),
		},
		SchedSP: at[6], AllLink: at[7],
	}, nil
}

// readRuntime does RuntimeOf for the program in a file.
func readRuntime(path string) (*Runtime, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, recording.Errorf(recording.CodeUnsupported, "reading %s: %w", path, err)
	}
	f, err := elffile.Open(path)
	if err != nil {
		return nil, recording.Errorf(recording.CodeUnsupported, "reading %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	data, _ := debuginfo.Open(f)
	return RuntimeOf(data, info.GoVersion)
}

// offsetsOf holds what RuntimeOf found in programs with debug information, for those without. A test compares the
// entry of the Go that builds us.
var offsetsOf = map[string]routine.Offsets{
	"go1.25": {GoroutineM: 48, GoroutineID: 152, StackHi: 8, ThreadSlot: 144, ThreadID: 64, ThreadExtra: 273},
	"go1.26": {GoroutineM: 48, GoroutineID: 152, StackHi: 8, ThreadSlot: 144, ThreadID: 64, ThreadExtra: 281},
	"go1.27": {GoroutineM: 48, GoroutineID: 152, StackHi: 8, ThreadSlot: 144, ThreadID: 64, ThreadExtra: 281},
}

func knownOffsets(goVersion string) (routine.Offsets, bool) {
	parts := strings.SplitN(goVersion, ".", 3)
	if len(parts) < 2 {
		return routine.Offsets{}, false
	}
	o, ok := offsetsOf[parts[0]+"."+parts[1]]
	return o, ok
}
