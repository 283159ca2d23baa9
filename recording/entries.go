package recording

// Entry is a call that was open when a block began.
type Entry struct {
	Goroutine int64
	Seq       uint64
	Function  FunctionID
	Depth     int // open calls of the goroutine above it
}

// Entries returns the calls that were open when the block began and that its events touch, those of a goroutine together
// and the outermost first. Errors are CodeDamaged.
func (b *Block) Entries() ([]Entry, error) {
	s, err := b.loadStructure()
	if err != nil {
		return nil, err
	}
	var list []Entry
	for i := range s.threads {
		t := &s.threads[i]
		for j := range t.entries {
			e := &t.entries[j]
			list = append(list, Entry{Goroutine: t.id, Seq: e.seq, Function: e.function, Depth: t.depth - len(t.entries) + j})
		}
	}
	return list, nil
}
