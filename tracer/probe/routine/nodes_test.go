package routine

import "testing"

// TestEqualRootsAreOne: a root is there once, and is none that begins like it, or is as long, or is followed otherwise.
func TestEqualRootsAreOne(t *testing.T) {
	var n Nodes
	text := Entry{Kind: Text, At: 0, Count: 8, Max: 64, Error: 256}
	other := Entry{Kind: Text, At: 8, Count: 16, Max: 64, Error: 256}
	depth := Depth{Pointers: 1, Nesting: 3, Errors: 4}
	add := []func() uint32{
		func() uint32 { return n.AddRoot([]Entry{text, other}, depth, 1024) },
		func() uint32 { return n.AddRoot([]Entry{text}, depth, 1024) },
		func() uint32 { return n.AddRoot([]Entry{other}, depth, 1024) },
		func() uint32 { return n.AddRoot([]Entry{text}, Depth{Nesting: 3}, 1024) },
		func() uint32 { return n.AddRoot([]Entry{text}, depth, 2048) },
		func() uint32 { return n.AddRoot(nil, depth, 1024) },
	}
	known := map[uint32]int{}
	for i, root := range add {
		node := root()
		if first, ok := known[node]; ok || node == 0 {
			t.Errorf("root %d is that of %d: %d", i, first, node)
		}
		known[node] = i
	}
	for i, root := range add {
		if node := root(); known[node] != i {
			t.Errorf("root %d is %d the second time", i, node)
		}
	}
	for hash := range n.roots { // as if all had one hash
		n.roots[hash] = 2
	}
	for i, root := range add[1:] {
		if node := root(); known[node] == 0 && node == 2 {
			t.Errorf("root %d is taken for another one of the same hash", i+1)
		}
	}
}
