package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"smiley/analysis"
	"smiley/export"
	"smiley/internal/sample"
)

var update = flag.Bool("update", false, "renew the goldens")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (renew with -update if it should); got:\n%s\nwant:\n%s", file, got, want)
	}
}

func openShop(t *testing.T) *analysis.Run {
	t.Helper()
	blocks, err := sample.Shop()
	return sample.Open(t, "last", blocks, err)
}

func text(t *testing.T, events iter.Seq2[*analysis.Event, error], style export.Style) []byte {
	t.Helper()
	var out bytes.Buffer
	w := export.NewText(&out, style, true)
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestReplay(t *testing.T) {
	run := openShop(t)
	golden(t, "replay.txt", text(t, run.Events(context.Background(), analysis.Filter{}), export.Style{}))
}

func TestReplayInColor(t *testing.T) {
	run := openShop(t)
	golden(t, "replay-color.txt", text(t, run.Events(context.Background(), analysis.Filter{}), export.Style{Color: true}))
}

func TestReplayTree(t *testing.T) {
	run := openShop(t)
	golden(t, "replay-tree.txt", text(t, run.Calls(context.Background(), analysis.Filter{}), export.Style{}))
}

func TestReplayJSON(t *testing.T) {
	run := openShop(t)
	for name, events := range map[string]iter.Seq2[*analysis.Event, error]{
		"replay.jsonl":      run.Events(context.Background(), analysis.Filter{}),
		"replay-tree.jsonl": run.Calls(context.Background(), analysis.Filter{}),
	} {
		var out bytes.Buffer
		for e, err := range events {
			if err != nil {
				t.Fatal(err)
			}
			line, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(append(line, '\n'))
		}
		golden(t, name, out.Bytes())
	}
}
