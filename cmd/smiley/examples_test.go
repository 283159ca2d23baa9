//go:build linux && amd64

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"smiley/analysis"
)

// recordExample runs an example from the top of the clone, as the tutorial does, and returns a function that asks about it.
func recordExample(t *testing.T, name string, status int, args ...string) func(args ...string) []byte {
	t.Helper()
	database := filepath.Join(t.TempDir(), "runs.db")
	command := exec.Command("smiley", append([]string{"run", "--database", database, "./examples/" + name, "--"}, args...)...)
	command.Dir = filepath.Join("..", "..")
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || command.ProcessState.ExitCode() != status {
		t.Fatalf("%v\n%s", err, out)
	}
	return func(args ...string) []byte {
		t.Helper()
		out, err := exec.Command("smiley", append(args, "--database", database)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// jsonLines decodes one object a line.
func jsonLines[T any](t *testing.T, text []byte) []T {
	t.Helper()
	var all []T
	decoder := json.NewDecoder(bytes.NewReader(text))
	for decoder.More() {
		var object T
		if err := decoder.Decode(&object); err != nil {
			t.Fatal(err)
		}
		all = append(all, object)
	}
	return all
}

// TestShopExample finds the planted bug where the tutorial finds it.
func TestShopExample(t *testing.T) {
	ask := recordExample(t, "shop", 0)
	parsed := map[string]string{}
	for _, call := range jsonLines[analysis.Event](t, ask("replay", "last", "--tree", "--json", "--function", "price.Parse")) {
		parsed[call.Args[0].Value] = call.Results[0].Value
	}
	for text, want := range map[string]string{`"0.45"`: "price.Cents(45)", `"12.05"`: "price.Cents(1205)", `"4"`: "price.Cents(400)", `"7.5"`: "price.Cents(705)"} {
		if parsed[text] != want {
			t.Errorf("price.Parse(%s) = %s, the tutorial says %s", text, parsed[text], want)
		}
	}
}

// TestWorkersExample holds for any order in which the goroutines ran.
func TestWorkersExample(t *testing.T) {
	ask := recordExample(t, "workers", 3)
	want := map[string][3]uint64{ // calls, errors, panics
		"main.main": {1, 0, 0}, "main.newJob": {12, 0, 0}, "main.safely": {12, 4, 0}, "main.mean": {12, 3, 1}, "main.sum": {9, 0, 1},
		"main.work": {3, 0, 0}, "main.produce": {1, 0, 0},
	}
	for _, s := range jsonLines[analysis.Statistics](t, ask("stats", "show", "last", "--json")) {
		if w, ok := want[s.Function]; ok && w != [3]uint64{s.Calls, s.Errors, s.Panics} {
			t.Errorf("%s: %d calls, %d errors, %d panics; want %v", s.Function, s.Calls, s.Errors, s.Panics, w)
		}
		delete(want, s.Function)
	}
	for name := range want {
		t.Errorf("%s was not recorded", name)
	}
	recovered := 0
	for _, e := range jsonLines[analysis.Event](t, ask("replay", "last", "--json")) {
		switch e.Kind {
		case analysis.EventPanic:
			if e.Text != `"unlucky number 49"` || e.Function != "main.sum" {
				t.Errorf("panic %s in %s", e.Text, e.Function)
			}
		case analysis.EventRecovered:
			recovered++
		}
	}
	if recovered != 1 {
		t.Errorf("%d panics recovered, want 1", recovered)
	}
}

// TestWorkersExampleCrash lets the panic end the program.
func TestWorkersExampleCrash(t *testing.T) {
	ask := recordExample(t, "workers", 2, "-crash")
	runs := jsonLines[analysis.Summary](t, ask("list", "--json", "--errors"))
	if len(runs) != 1 || runs[0].Error != "panic: unlucky number 49" || runs[0].Stack == "" || runs[0].Status != "complete" {
		t.Errorf("%+v", runs)
	}
}

func TestWordsExample(t *testing.T) {
	ask := recordExample(t, "words", 0)
	want := map[string]uint64{"main.(*tree[...]).insert": 178, "main.walk[...]": 53, "main.increment": 38, "main.top": 1}
	for _, s := range jsonLines[analysis.Statistics](t, ask("stats", "show", "last", "--json")) {
		if w, ok := want[s.Function]; ok && w != s.Calls {
			t.Errorf("%s: %d calls, want %d", s.Function, s.Calls, w)
		}
		delete(want, s.Function)
	}
	for name := range want {
		t.Errorf("%s was not recorded", name)
	}
}
