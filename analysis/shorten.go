package analysis

import "slices"

// shorten returns for every id its shortest beginning, of shortest characters at least, that no other id shares.
func shorten(ids []string) map[string]string {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	short := make(map[string]string, len(ids))
	for i, id := range sorted {
		n := shortest
		if i > 0 {
			n = max(n, shared(id, sorted[i-1])+1)
		}
		if i+1 < len(sorted) {
			n = max(n, shared(id, sorted[i+1])+1)
		}
		short[id] = id[:min(n, len(id))]
	}
	return short
}

// shared returns how many characters two ids begin with in common.
func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
