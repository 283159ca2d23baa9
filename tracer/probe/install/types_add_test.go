//go:build linux && amd64

package install

import (
	"encoding/binary"
	"slices"
	"testing"

	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// TestTypesInEachOthersPlaces: the program finds the list for a type though others have the place in the table that would be its own, as long as
// there is one behind it.
func TestTypesInEachOthersPlaces(t *testing.T) {
	path := fixture(t, "held")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	// passed records the interface that main.takes gets, with so many other types where its type belongs.
	passed := func(word uint64, others int) (copied []byte, unknown []uint64) {
		nodes := &routine.Nodes{}
		list := nodes.AddHeld([]routine.Entry{{Kind: routine.Fixed, Max: 24}})
		held := routine.Entry{Kind: routine.Any, At: 0, Count: 8}
		root := nodes.AddRoot([]routine.Entry{held}, routine.Depth{Nesting: 1}, 1024)
		probes := []Probe{{
			Function: img.Lookup("main.takes"),
			Args:     &routine.Capture{Words: []routine.Word{{Reg: asm.RAX}, {Reg: asm.RBX}}, Node: root},
			Results:  &routine.Capture{None: true},
		}}
		placing := func(p *Process) {
			for i := range others {
				other := word + uint64(i+1)*ring.TypeEntries*ring.TypeEntryLen<<ring.TypeShift
				if !p.AddType(other, list) {
					t.Errorf("there is no room for type %d", i)
				}
			}
			if word != 0 && p.AddType(word, list) != (others < ring.TypePlaces) {
				t.Errorf("with %d types in its places another one has room: %v", others, others >= ring.TypePlaces)
			}
		}
		r := record(t, img, probes, Options{Command: []string{path}, Nodes: nodes, Placing: placing}, func(rec *ring.Record) error {
			for _, item := range rec.Items {
				copied = append(copied, rec.Data[item.At:item.At+item.Len]...)
			}
			unknown = append(unknown, rec.Unknown...)
			return nil
		})
		if r.events != 1 {
			t.Fatalf("%d records", r.events)
		}
		return copied, unknown
	}

	_, met := passed(0, 0)
	if len(met) != 1 {
		t.Fatalf("the types that nobody knows: %x", met)
	}
	want := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64([]byte{1, 7: 0}, 2), 3)
	for others := range ring.TypePlaces {
		if copied, unknown := passed(met[0], others); !slices.Equal(copied, want) || len(unknown) > 0 {
			t.Errorf("with %d other types: copied %x, unknown %x", others, copied, unknown)
		}
	}
	if copied, unknown := passed(met[0], ring.TypePlaces); len(copied) > 0 || !slices.Equal(unknown, met) {
		t.Errorf("with no place left: copied %x, unknown %x", copied, unknown)
	}
}
