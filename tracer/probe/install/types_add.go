//go:build linux && amd64

package install

import (
	"smiley/tracer/probe/routine"
)

// AddType has the running program copy what interfaces hold when that is of the type with a key, as c says; the number of
// that type is how many were added before and one. It is false when there is no room for it. Call it on the goroutine that
// drains.
func (p *Process) AddType(key uint64, c routine.Capture) (bool, error) {
	if p.shared == nil || !p.Reader.HasRoomFor(key) {
		return false, nil
	}
	_, class := routine.TypeOf(key)
	number, addr, parts, err := p.types.Add(class, c)
	if err != nil {
		return false, err
	}
	for _, part := range parts {
		copy(p.region[part.Offset:], part.Bytes)
	}
	p.held = append(p.held[:number-1], shape(c))
	if !p.holdEstate(key, p.held[number-1]) {
		return false, nil
	}
	return p.Reader.AddType(key, addr), nil
}

// HasTypeRoom reports whether there is still much room for the routines of types.
func (p *Process) HasTypeRoom() bool { return p.types != nil && p.types.HasRoom() }
