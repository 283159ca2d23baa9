package analysis

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"smiley/recording"
	"smiley/store"
)

// FailedTest is a test, or a subtest, that the run of a test binary says has failed.
type FailedTest struct {
	Name      string
	Goroutine int64 // the one that it ran in; of a subtest that was not found, that of the test around it
}

const (
	// failuresWithin is how many of the last events of a run are looked at for failed tests: who repeats a test until it fails
	// has the failure at the end.
	failuresWithin = 4 << 20
	// subtestsWithin is how many goroutines are looked at for those of one test's subtests.
	subtestsWithin = 20_000
)

// What a test says that failed, and what the goroutine of a test begins with.
var (
	failedTest  = regexp.MustCompile(`(?m)^\x16?( *)--- FAIL: (\S+) \(`)
	testStarter = "testing.(*T).Run.gowrap1"
)

// FailedTests returns the tests of which the run's output says that they failed, in the order in which it does, limit at most: not those
// that only failed because subtests of theirs did. The output of the last events is looked at, some millions.
func (r *Run) FailedTests(ctx context.Context, limit int) ([]FailedTest, error) {
	s := stream{run: r, ctx: ctx}
	query := store.EventQuery{Kinds: map[recording.Kind]bool{recording.KindOutput: true}, Parts: recording.WithData}
	var from Moment
	if r.info.Events > failuresWithin {
		from = Moment{Set: true, Seq: r.info.Events - failuresWithin}
	}
	var failed []FailedTest
	for e, err := range s.raw(Filter{From: from}, query) {
		if err != nil {
			return nil, err
		}
		if len(e.Data) == 0 {
			continue
		}
		for _, name := range failedLeaves(string(e.Data[1:])) {
			if slices.ContainsFunc(failed, func(f FailedTest) bool { return f.Name == name }) {
				continue // it was repeated, or is said again
			}
			f := FailedTest{Name: name, Goroutine: e.Goroutine}
			if strings.Contains(name, "/") {
				if f.Goroutine, err = s.subtest(name, &e); err != nil {
					return nil, err
				}
			}
			if failed = append(failed, f); len(failed) == limit {
				return failed, nil
			}
		}
	}
	return failed, nil
}

// failedLeaves returns the tests that a text says failed, without those around others of them.
func failedLeaves(text string) []string {
	var names []string
	for _, m := range failedTest.FindAllStringSubmatch(text, -1) {
		names = append(names, m[2])
	}
	all := slices.Clone(names)
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(all, func(other string) bool { return strings.HasPrefix(other, name+"/") })
	})
}

// subtest returns the goroutine in which a subtest ran last before a test said that it failed; that of the test when none is known.
func (s *stream) subtest(name string, said *recording.Event) (int64, error) {
	starters := map[recording.FunctionID]bool{}
	for i := range s.tables.functions {
		if s.tables.functions[i].Name == testStarter {
			starters[s.tables.functions[i].ID] = true
		}
	}
	found, foundAt := said.Goroutine, int64(-1)
	var after int64
	for looked := 0; looked < subtestsWithin && len(starters) > 0; {
		page, next, err := s.run.reader.GoroutinesWithin(s.ctx, s.run.info.ID, store.GoroutineQuery{
			To: said.Time + 1, After: after, Functions: starters, Limit: goroutinesPage,
		})
		if err != nil {
			return 0, err
		}
		for i := range page {
			if page[i].Start < foundAt {
				continue
			}
			switch named, err := s.runsTest(page[i].ID, name); {
			case err != nil:
				return 0, err
			case named:
				found, foundAt = page[i].ID, page[i].Start
			}
		}
		if looked, after = looked+len(page), next; next == 0 {
			break
		}
	}
	return found, nil
}

// runsTest reports whether the first call of a goroutine is that of a test of this name.
func (s *stream) runsTest(goroutine int64, name string) (bool, error) {
	query := store.EventQuery{Goroutine: goroutine, Kinds: map[recording.Kind]bool{recording.KindCall: true}, Limit: 1, Parts: recording.WithData}
	for e, err := range s.run.reader.Events(s.ctx, s.run.info.ID, query) {
		if err != nil {
			return false, err
		}
		f, known := s.tables.function(e.Function)
		if !known {
			return false, nil
		}
		for _, v := range s.tables.decoder.Values(f.Params, e.Data) {
			if v.TypeName == "*testing.T" && testNamed(&v, name) {
				return true, nil
			}
		}
	}
	return false, nil
}

// testNamed reports whether a *testing.T has this name, as much of it as is recorded.
func testNamed(t *recording.Value, name string) bool {
	for _, of := range []string{"", "common", "name"} {
		at := slices.IndexFunc(t.Children, func(v recording.Value) bool { return of == "" || v.Name == of })
		if at < 0 {
			return false
		}
		t = &t.Children[at]
	}
	return t.Text == name || t.Truncated && strings.HasPrefix(name, t.Text)
}
