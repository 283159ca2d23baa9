//go:build linux && amd64

package tracer

import (
	"testing"

	"smiley/recording"
)

// TestTextWithLargeBounds: when more bytes of strings are wanted than fit into a record, those that fit are copied.
func TestTextWithLargeBounds(t *testing.T) {
	types := recording.NewTypes(nil)
	types.Add(recording.Type{ID: 1, Name: "string", Kind: recording.KindString, Size: 16})
	n := newNodes(types, recording.Bounds{StringBytes: 100_000, Elements: 8, Follow: 1})
	list := n.entries(nil, &recording.Type{Name: "string", Kind: recording.KindString, Size: 16})
	if len(list) != 1 || list[0].Max < 1024 || list[0].Max+copyHead > maxCopied {
		t.Errorf("entries %+v", list)
	}
}
