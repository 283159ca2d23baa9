package web

import "smiley/recording"

// sums are what the calls of a run come to, by function and by caller and callee. A server reads them for each page that wants them. A
// report keeps them: it has a page for each of thousands of functions, and reading the figures of all for every one takes longer than
// the pages themselves.
type sums struct {
	run       recording.RunID
	blocks    uint32
	functions map[recording.FunctionID]*recording.FunctionDelta
	edges     []recording.EdgeDelta
}

// summed returns where the sums of the run are, or belong when they are not there yet.
func (q *request) summed() *sums {
	if !q.server.patient { // else it makes one page after the other
		return &sums{}
	}
	if s := q.server.sums; s == nil || s.run != q.info.ID || s.blocks != q.info.Blocks {
		q.server.sums = &sums{run: q.info.ID, blocks: q.info.Blocks}
	}
	return q.server.sums
}

// statsByFunction returns the statistics of the functions that were called. The caller must not change them.
func (q *request) statsByFunction() (map[recording.FunctionID]*recording.FunctionDelta, error) {
	s := q.summed()
	if s.functions != nil {
		return s.functions, nil
	}
	stats, err := q.reader.FunctionStats(q.Context(), q.info.ID)
	if err != nil {
		return nil, err
	}
	s.functions = make(map[recording.FunctionID]*recording.FunctionDelta, len(stats))
	for i := range stats {
		s.functions[stats[i].Function] = &stats[i]
	}
	return s.functions, nil
}

// edgeStats returns the call graph. The caller must not change it.
func (q *request) edgeStats() ([]recording.EdgeDelta, error) {
	s := q.summed()
	if s.edges != nil {
		return s.edges, nil
	}
	var err error
	s.edges, err = q.reader.EdgeStats(q.Context(), q.info.ID)
	return s.edges, err
}
