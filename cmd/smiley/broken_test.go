package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"smiley/recording"
	"smiley/store"
	"smiley/tracer"
)

// TestBrokenRecording says what there is of a recording that failed: only a run that is kept is named.
func TestBrokenRecording(t *testing.T) {
	file := sampleDatabase(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // who gave up the recording is told all the same
	reader, err := store.OpenReader(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := reader.FindRun(context.Background(), store.LastRun)
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := recording.NewRunID()
	if err != nil {
		t.Fatal(err)
	}
	say := func(run recording.RunID) string {
		var stderr bytes.Buffer
		a := &app{stderr: &stderr, database: file}
		a.sayBroken(ctx, reader, tracer.Result{Run: run, ExitCode: 3})
		return stderr.String()
	}
	if said := say(kept); !strings.Contains(said, "status 3") || !strings.Contains(said, "smiley replay "+kept.String()) {
		t.Errorf("of a run that is kept: %q", said)
	}
	if said := say(unknown); said != "smiley: the program ended with status 3; nothing of it was recorded\n" {
		t.Errorf("of a run that is not there: %q", said)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if said := say(kept); said != "smiley: the program ended with status 3\n" {
		t.Errorf("of a database that cannot be read: %q", said)
	}
}
