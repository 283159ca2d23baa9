package tracer

import (
	"debug/dwarf"
	"slices"
	"strconv"
	"strings"

	"smiley/recording"
	"smiley/tracer/debuginfo"
)

// Offsets are byte offsets of fields in the runtime's structures.
type Offsets struct {
	StackLo    uint64 // g.stack.lo
	StackHi    uint64 // g.stack.hi
	GoID       uint64 // g.goid
	ParentGoID uint64 // g.parentGoid
	GoPC       uint64 // g.gopc: return address behind the go statement
	StartPC    uint64 // g.startpc
	M          uint64 // g.m
	Panic      uint64 // g._panic
	MTLS       uint64 // m.tls
	MProcID    uint64 // m.procid
	MCurG      uint64 // m.curg
}

// Offsets returns where the runtime keeps what a tracer needs to know: from DWARF, or from what is known of the Go version
// when the binary is stripped.
func (p *Program) Offsets() (Offsets, error) {
	if p.debug != nil {
		if o, ok := p.debug.offsets(); ok {
			return o, nil
		}
	}
	if o, ok := knownOffsets(p.info.GoVersion); ok {
		return o, nil
	}
	return Offsets{}, recording.Errorf(recording.CodeUnsupported,
		"the binary has no debug information, and the runtime of %s is not known", p.info.GoVersion).
		WithHint("build it without -ldflags=-s or -w")
}

// field names a field by the structure that holds it.
type field struct {
	structure, name string
	to              func(*Offsets) *uint64
}

var runtimeFields = []field{
	{"runtime.g", "stack.lo", func(o *Offsets) *uint64 { return &o.StackLo }},
	{"runtime.g", "stack.hi", func(o *Offsets) *uint64 { return &o.StackHi }},
	{"runtime.g", "goid", func(o *Offsets) *uint64 { return &o.GoID }},
	{"runtime.g", "parentGoid", func(o *Offsets) *uint64 { return &o.ParentGoID }},
	{"runtime.g", "gopc", func(o *Offsets) *uint64 { return &o.GoPC }},
	{"runtime.g", "startpc", func(o *Offsets) *uint64 { return &o.StartPC }},
	{"runtime.g", "m", func(o *Offsets) *uint64 { return &o.M }},
	{"runtime.g", "_panic", func(o *Offsets) *uint64 { return &o.Panic }},
	{"runtime.m", "tls", func(o *Offsets) *uint64 { return &o.MTLS }},
	{"runtime.m", "procid", func(o *Offsets) *uint64 { return &o.MProcID }},
	{"runtime.m", "curg", func(o *Offsets) *uint64 { return &o.MCurG }},
}

// offsets reads the structures of the runtime; false when one of the fields is not there.
func (d *debugInfo) offsets() (Offsets, bool) {
	structures := d.structures("runtime.g", "runtime.m")
	var o Offsets
	for _, f := range runtimeFields {
		at, ok := d.fieldOffset(structures[f.structure], f.name)
		if !ok {
			return o, false
		}
		*f.to(&o) = at
	}
	return o, true
}

// structures finds structures of the runtime by name.
func (d *debugInfo) structures(names ...string) map[string]debuginfo.Offset {
	found := map[string]debuginfo.Offset{}
	for _, u := range d.units {
		if u.Path != "runtime" {
			continue
		}
		e, ok := d.data.Entry(u.Offset)
		if !ok {
			continue
		}
		for c := range d.data.Children(&e) {
			if c.Tag != dwarf.TagStructType {
				continue
			}
			if name := c.Name(); slices.Contains(names, name) {
				found[name] = c.Offset
			}
			if len(found) == len(names) {
				return found
			}
		}
	}
	return found
}

// fieldOffset returns the offset of a field of the structure at an entry; name may go into structures in it.
func (d *debugInfo) fieldOffset(structure debuginfo.Offset, name string) (uint64, bool) {
	first, rest, nested := strings.Cut(name, ".")
	e, ok := d.data.Entry(structure)
	if !ok {
		return 0, false
	}
	for c := range d.data.Children(&e) {
		if c.Tag != dwarf.TagMember || c.Name() != first {
			continue
		}
		if !nested {
			return uint64(c.Location), true
		}
		typ := c.Type
		if e, ok := d.data.Entry(typ); ok && e.Tag == dwarf.TagTypedef {
			typ = e.Type
		}
		inner, ok := d.fieldOffset(typ, rest)
		return uint64(c.Location) + inner, ok
	}
	return 0, false
}

// knownOffsets are those of Go versions whose stripped binaries were tried.
func knownOffsets(version string) (Offsets, bool) {
	minor, ok := minorVersion(version)
	if !ok {
		return Offsets{}, false
	}
	o, ok := offsetsByMinor[minor]
	return o, ok
}

// minorVersion returns the 26 of "go1.26.8".
func minorVersion(version string) (int, bool) {
	rest, ok := strings.CutPrefix(version, "go1.")
	if !ok {
		return 0, false
	}
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	minor, err := strconv.Atoi(rest[:end])
	return minor, err == nil
}
