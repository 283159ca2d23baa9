package install

import (
	"github.com/go-delve/delve/pkg/dwarf/godwarf"
	"github.com/go-delve/delve/pkg/proc"

	"smiley/recording"
)

// fieldOffset returns the offset of a field, reached through a path of fields, in a type of the program.
func fieldOffset(bi *proc.BinaryInfo, name string, path []string) (int64, error) {
	t, err := bi.FindType(name)
	if err != nil {
		return 0, recording.Errorf(recording.CodeUnsupported, "the program does not describe %s: %w", name, err).
			WithHint("probes need debug information: build without -ldflags=-w")
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
