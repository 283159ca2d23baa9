package tracer

import (
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

var runtimeFields = []struct {
	debuginfo.Field
	to func(*Offsets) *uint64
}{
	{debuginfo.Field{Structure: "runtime.g", Path: "stack.lo"}, func(o *Offsets) *uint64 { return &o.StackLo }},
	{debuginfo.Field{Structure: "runtime.g", Path: "stack.hi"}, func(o *Offsets) *uint64 { return &o.StackHi }},
	{debuginfo.Field{Structure: "runtime.g", Path: "goid"}, func(o *Offsets) *uint64 { return &o.GoID }},
	{debuginfo.Field{Structure: "runtime.g", Path: "parentGoid"}, func(o *Offsets) *uint64 { return &o.ParentGoID }},
	{debuginfo.Field{Structure: "runtime.g", Path: "gopc"}, func(o *Offsets) *uint64 { return &o.GoPC }},
	{debuginfo.Field{Structure: "runtime.g", Path: "startpc"}, func(o *Offsets) *uint64 { return &o.StartPC }},
	{debuginfo.Field{Structure: "runtime.g", Path: "m"}, func(o *Offsets) *uint64 { return &o.M }},
	{debuginfo.Field{Structure: "runtime.g", Path: "_panic"}, func(o *Offsets) *uint64 { return &o.Panic }},
	{debuginfo.Field{Structure: "runtime.m", Path: "tls"}, func(o *Offsets) *uint64 { return &o.MTLS }},
	{debuginfo.Field{Structure: "runtime.m", Path: "procid"}, func(o *Offsets) *uint64 { return &o.MProcID }},
	{debuginfo.Field{Structure: "runtime.m", Path: "curg"}, func(o *Offsets) *uint64 { return &o.MCurG }},
}

// offsets reads the structures of the runtime; false when one of the fields is not there.
func (d *debugInfo) offsets() (Offsets, bool) {
	fields := make([]debuginfo.Field, len(runtimeFields))
	for i := range runtimeFields {
		fields[i] = runtimeFields[i].Field
	}
	var o Offsets
	at, missing := d.data.FieldOffsets(fields)
	for i := range at {
		*runtimeFields[i].to(&o) = at[i]
	}
	return o, missing == nil
}

// knownOffsets are those of Go versions whose stripped binaries were tried: of released ones.
func knownOffsets(version string) (Offsets, bool) {
	if !strings.HasPrefix(version, "go1.") {
		return Offsets{}, false
	}
	o, ok := offsetsByMinor[goMinor(version)]
	return o, ok
}

// goMinor returns 26 for "go1.26.8", 0 for what it does not understand.
func goMinor(version string) int {
	_, rest, ok := strings.Cut(version, "go1.")
	if !ok {
		return 0
	}
	digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if digits >= 0 {
		rest = rest[:digits]
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return 0
	}
	return n
}
