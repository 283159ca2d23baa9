package recording

// DefinitionBlocks encodes definitions without events, for one who joins a run in the middle: blocks numbered from 0, as many as
// the definitions need, the first with the run's metadata. They have no place among the blocks of the run. d may begin with any
// id.
func DefinitionBlocks(run *Run, d Definitions) ([][]byte, error) {
	var blocks [][]byte
	part := newDefinitionDraft(run, 0)
	part.start = run
	emit := func() error {
		encoded, err := (&Draft{part}).Encode(nil)
		blocks = append(blocks, encoded)
		part = newDefinitionDraft(run, uint32(len(blocks)))
		return err
	}
	room := func(size int) error {
		if part.definitionBytes > 0 && part.definitionBytes+size > cutDefinitions {
			if err := emit(); err != nil {
				return err
			}
		}
		part.definitionBytes += size
		return nil
	}
	for i := range d.Files {
		if err := room(d.Files[i].encodedSize()); err != nil {
			return nil, err
		}
		part.definitions.Files = append(part.definitions.Files, d.Files[i])
	}
	for i := range d.Types {
		if err := room(d.Types[i].encodedSize()); err != nil {
			return nil, err
		}
		part.definitions.Types = append(part.definitions.Types, d.Types[i])
	}
	for i := range d.Functions {
		if err := room(d.Functions[i].encodedSize()); err != nil {
			return nil, err
		}
		part.definitions.Functions = append(part.definitions.Functions, d.Functions[i])
	}
	part.definitions.Goroutines = d.Goroutines
	return blocks, emit()
}

func newDefinitionDraft(run *Run, number uint32) *draftState {
	return &draftState{header: Header{Run: run.ID, Number: number, FirstSeq: 1}, slots: []slot{{}}}
}
