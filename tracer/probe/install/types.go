//go:build linux && amd64

package install

import (
	"debug/buildinfo"
	"strings"

	"github.com/go-delve/delve/pkg/dwarf/godwarf"
	"github.com/go-delve/delve/pkg/proc"

	"smiley/recording"
	"smiley/tracer/probe/routine"
)

// runtimeOffsets reads the places of the runtime's fields from the program's debug information. For a program without
// any, it knows them for some versions of Go.
func runtimeOffsets(bi *proc.BinaryInfo) (routine.Offsets, error) {
	var o routine.Offsets
	for _, f := range []struct {
		dst  *int32
		typ  string
		path string
	}{
		{&o.GoroutineM, "runtime.g", "m"},
		{&o.GoroutineID, "runtime.g", "goid"},
		{&o.StackHi, "runtime.g", "stack.hi"},
		{&o.ThreadSlot, "runtime.m", "tls"},
		{&o.ThreadID, "runtime.m", "procid"},
		{&o.ThreadExtra, "runtime.m", "isextra"},
	} {
		off, err := fieldOffset(bi, f.typ, strings.Split(f.path, "."))
		if err != nil {
			if known, ok := knownOffsets(bi.Images[0].Path); ok {
				return known, nil
			}
			return o, err
		}
		*f.dst = int32(off)
	}
	o.ThreadSlot += 2 * 8
	return o, nil
}

// offsetsOf holds what runtimeOffsets found in programs with debug information, for those without. A test compares the
// entry of the Go that builds us.
var offsetsOf = map[string]routine.Offsets{
	"go1.26": {GoroutineM: 48, GoroutineID: 152, StackHi: 8, ThreadSlot: 144, ThreadID: 64, ThreadExtra: 281},
}

func knownOffsets(path string) (routine.Offsets, bool) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return routine.Offsets{}, false
	}
	parts := strings.SplitN(info.GoVersion, ".", 3)
	if len(parts) < 2 {
		return routine.Offsets{}, false
	}
	o, ok := offsetsOf[parts[0]+"."+parts[1]]
	return o, ok
}

// fieldOffset returns the offset of a field, reached through a path of fields, in a type of the program.
func fieldOffset(bi *proc.BinaryInfo, name string, path []string) (int64, error) {
	t, err := bi.FindType(name)
	if err != nil {
		return 0, recording.Errorf(recording.CodeUnsupported, "the program does not describe %s: %w", name, err).
			WithHint("probes need debug information: build it without -ldflags=-w")
	}
	off := int64(0)
next:
	for _, part := range path {
		s, ok := godwarf.ResolveTypedef(t).(*godwarf.StructType)
		if !ok {
			break
		}
		for _, f := range s.Field {
			if f.Name == part {
				off += f.ByteOffset
				t = f.Type
				continue next
			}
		}
		return 0, recording.Errorf(recording.CodeUnsupported, "%s has no field %s", name, part)
	}
	return off, nil
}
