//go:build linux && amd64

package install

// HeldType is what AddType takes.
type HeldType struct {
	Word uint64
	List uint32
}

// AddType has the running program copy what interfaces hold when that is of the type that is described at word, as the list of nodes says that
// begins at list. It is false when there is no room for the type. Call it on the goroutine that drains.
func (p *Process) AddType(word uint64, list uint32) bool {
	return p.shared != nil && list != 0 && p.Reader.AddType(word, p.layout.Base-uint64(p.sharedAt)+p.nodesAt+p.nodes.Offset(list))
}

// HasRoomFor reports whether AddType has a place for the type that is described at word.
func (p *Process) HasRoomFor(word uint64) bool { return p.shared != nil && p.Reader.HasRoomFor(word) }
