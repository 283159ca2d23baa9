package recording

// MayHold reports whether the block can have events of one of the kinds that are also of one of the functions; nil stands for
// all. It derives no event, so it takes a small part of the time that looking at all of them takes; true means that one has to.
func (b *Block) MayHold(kinds map[Kind]bool, functions map[FunctionID]bool) (bool, error) {
	if b.Header.Events == 0 {
		return false, nil
	}
	if functions != nil {
		if may, err := b.mayHoldFunctions(functions); err != nil || !may {
			return false, err
		}
	}
	if kinds == nil {
		return true, nil
	}
	codes, err := loadColumn[uint8](b, sectionCodes, int(b.Header.Events))
	if err != nil {
		return false, err
	}
	var wanted [codeKind + 1]bool
	for code := range wanted {
		wanted[code] = kinds[kindOf(uint8(code))]
	}
	for _, code := range codes {
		if wanted[code&codeKind] {
			return true, nil
		}
	}
	return false, nil
}

// mayHoldFunctions looks for functions in the block's table of them, which has those of all its events.
func (b *Block) mayHoldFunctions(functions map[FunctionID]bool) (bool, error) {
	raw, err := b.find(sectionTables, 0)
	if err != nil {
		return false, err
	}
	s := scanner{rest: raw}
	s.byte() // flags
	found := functions[0]
	for range s.count(1) {
		found = found || functions[FunctionID(s.uint32())]
	}
	if s.failed {
		return false, b.damaged("tables")
	}
	return found, nil
}
