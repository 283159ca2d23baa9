package browsertests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"smiley/analysis"
	"smiley/recording"
	"smiley/store"
	"smiley/web/webtest"
)

// root is the folder of the project.
const root = "../.."

// examples records the example programs with smiley itself, once for all tests, and returns the file of recordings.
var examples = sync.OnceValues(func() (string, error) {
	place, err := os.MkdirTemp("", "smiley-browsertests-")
	if err != nil {
		return "", err
	}
	smiley, file := filepath.Join(place, "smiley"), filepath.Join(place, "smiley.db")
	commands := [][]string{{"go", "build", "-o", smiley, "./cmd/smiley"}}
	for _, name := range []string{"shop", "words", "workers"} {
		commands = append(commands, []string{smiley, "run", "--database", file, "./examples/" + name})
	}
	for _, c := range commands {
		command := exec.Command(c[0], c[1:]...)
		command.Dir = root
		out, err := command.CombinedOutput()
		// Programs may fail as they like; what matters is that there is a recording.
		if err != nil && (c[0] == "go" || !strings.Contains(string(out), "smiley: run ")) {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(c, " "), err, out)
		}
	}
	return file, nil
})

// subject is a run whose pages are looked at, with things in it that pages are about.
type subject struct {
	Kind                 string
	Run                  recording.RunID
	Call, Function, File uint64
}

// newSubjects returns a file with recorded examples and a hostile run, and what to look at in it.
func newSubjects(t *testing.T) (file string, example, hostile subject) {
	t.Helper()
	recorded, err := examples()
	check(t, err)
	body, err := os.ReadFile(recorded)
	check(t, err)
	file = filepath.Join(t.TempDir(), "smiley.db")
	check(t, os.WriteFile(file, body, 0o600))
	s, err := store.Open(t.Context(), file)
	check(t, err)
	bad := webtest.Record(t, s, &webtest.Endless, 1, 40, true)
	check(t, s.Close())
	r, err := store.OpenReader(t.Context(), file)
	check(t, err)
	defer func() { check(t, r.Close()) }()
	runs, err := r.Runs(t.Context(), store.RunsQuery{Limit: 10})
	check(t, err)
	for i := range runs {
		if strings.HasSuffix(runs[i].Program, "workers") {
			example = newSubject(t, r, "example", runs[i].ID)
		}
	}
	return file, example, newSubject(t, r, "hostile", bad.ID)
}

// newSubject chooses the first call that has a caller, arguments, and a call of its own.
func newSubject(t *testing.T, r *store.Reader, kind string, id recording.RunID) subject {
	t.Helper()
	run, err := analysis.Open(t.Context(), r, id.String())
	check(t, err)
	functions, err := r.Functions(t.Context(), id)
	check(t, err)
	parents := map[uint64]bool{}
	for c, err := range run.Calls(t.Context(), analysis.Filter{}) {
		check(t, err)
		parents[c.Parent] = true
	}
	for c, err := range run.Calls(t.Context(), analysis.Filter{}) {
		check(t, err)
		if c.Parent == 0 || len(c.Args) == 0 || !parents[c.Seq] {
			continue
		}
		for i := range functions {
			if f := &functions[i]; f.Name == c.Function && f.Trace != recording.TraceReferenced {
				return subject{kind, id, c.Seq, uint64(f.ID), uint64(f.File)}
			}
		}
	}
	t.Fatalf("%s: no call to look at", id)
	return subject{}
}

// address fills a path in: {run}, {call}, {function} and {file}.
func (s *subject) address(path string) string {
	return strings.NewReplacer("{run}", s.Run.String(), "{call}", fmt.Sprint(s.Call), "{function}", fmt.Sprint(s.Function),
		"{file}", fmt.Sprint(s.File)).Replace(path)
}
