package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

type fact struct{ Name, Text, Href string }

type figure struct {
	Text, Name, Href string
	Alarm            bool
}

type runContent struct {
	Command  string
	Figures  []figure
	Facts    []fact
	Settings []fact
	Error    string
	Stack    string
	Hot      []statRow
	Failing  []statRow
	Delete   string
	Live     bool
	Losses   []string
	Ledger   recording.Ledger
	LossHref string
	Activity []activityBar
	Recorded string // how it was captured
}

// runView sums a run up.
func runView(q *request) (*page, error) {
	s := analysis.Summarize(q.info)
	p := &page{Template: "run", Title: programName(q.info), JSON: &s}
	if q.wantsJSON() {
		return p, nil
	}
	l := q.links
	c := &runContent{
		Command: shown(strings.Join(append([]string{programName(q.info)}, q.info.Args...), " "), 400),
		Error:   shown(s.Error, 2000), Stack: shownLines(s.Stack, 20_000), Delete: l.to("delete", "at", 0, "g", 0, "f", ""),
		Live: q.info.Status == recording.StatusRecording, Losses: export.Losses(&s), Ledger: s.Loss, LossHref: l.to("losses"),
	}
	number := func(n uint64, thing, more, href string) figure {
		return figure{Text: count(n), Name: noun(count(n), thing) + more, Href: href}
	}
	c.Figures = []figure{
		{Text: durationText(s.Duration), Name: "duration"},
		number(s.Calls, "call", "", l.to("tree")),
		number(s.Events, "event", "", l.to("events")),
		number(s.Goroutines, "goroutine", "", l.to("goroutines")),
		number(s.Errors, "error", " returned", l.to("events", "f", "errors")),
		number(s.Panics, "panic", "", l.to("events", "f", "panics")),
	}
	c.Figures[4].Alarm, c.Figures[5].Alarm = s.Errors > 0, s.Panics > 0
	c.Facts = q.facts(&s)
	c.Settings = settingsFacts(&s)
	if err := q.hot(c); err != nil {
		return nil, err
	}
	var err error
	c.Activity, err = q.activity()
	p.Content = c
	return p, err
}

func (q *request) facts(s *analysis.Summary) []fact {
	_, how := state(q.info)
	facts := []fact{
		{Name: "Status", Text: how},
		{Name: "Started", Text: clock(s.Start)},
		{Name: "Program", Text: shown(s.Program, 400)},
		{Name: "Arguments", Text: shown(strings.Join(s.Args, " "), 1000)},
		{Name: "Directory", Text: shown(s.Cwd, 400)},
		{Name: "Host", Text: shown(s.Host, 100)},
		{Name: "Process", Text: itoa(s.PID)},
		{Name: "Go", Text: shown(s.GoVersion+" "+s.GoOS+"/"+s.GoArch, 100)},
		{Name: "Module", Text: shown(s.Module, 200)},
		{Name: "Revision", Text: shown(s.Revision, 100)},
		{Name: "Run", Text: s.ID},
	}
	return slices.DeleteFunc(facts, func(f fact) bool { return strings.TrimSpace(f.Text) == "" })
}

func settingsFacts(s *analysis.Summary) []fact {
	set := &s.Settings
	scope := "main module"
	if set.IncludeStdlib {
		scope = "everything"
	} else if set.IncludeDeps {
		scope = "main module and dependencies"
	}
	depth := "any depth"
	if set.MaxDepth > 0 {
		depth = "depth up to " + itoa(set.MaxDepth)
	}
	facts := []fact{
		{Name: "Functions", Text: scope + ", " + depth},
		{Name: "Only", Text: shown(strings.Join(set.Include, " "), 400)},
		{Name: "Without", Text: shown(strings.Join(set.Exclude, " "), 400)},
		{Name: "Strings", Text: "up to " + export.Plural(uint64(max(0, set.StringBytes)), "byte")},
		{Name: "Slices", Text: "up to " + export.Plural(uint64(max(0, set.Elements)), "element")},
		{Name: "Pointers", Text: "followed " + itoa(set.Follow) + " deep"},
		{Name: "Line by line", Text: shown(strings.Join(set.Lines, " "), 400)},
		{Name: "Engine", Text: shown(set.Engine, 40)},
	}
	if set.MaxOverhead != nil && *set.MaxOverhead > 0 {
		facts = append(facts, fact{Name: "Overhead", Text: fmt.Sprintf("up to %.6g %% of the program's own time", 100**set.MaxOverhead)})
	}
	if set.RingBytes > 0 {
		facts = append(facts, fact{Name: "Rings", Text: export.Plural(uint64(set.RingBytes), "byte") + " a thread"})
	}
	switch set.OnFull {
	case "wait":
		facts = append(facts, fact{Name: "When full", Text: "the program waits"})
	case "drop":
		facts = append(facts, fact{Name: "When full", Text: "events are dropped and counted"})
	}
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Text == "" })
}

// hot finds the functions that took most time, and those that failed most.
func (q *request) hot(c *runContent) error {
	const most = 6
	run, err := analysis.Open(q.Context(), q.reader, q.links.run)
	if err != nil {
		return webHints(err)
	}
	list, err := run.Statistics(q.Context(), "self")
	if err != nil {
		return err
	}
	failing := slices.Clone(list)
	failing = slices.DeleteFunc(failing, func(s analysis.Statistics) bool { return s.Errors+s.Panics == 0 })
	slices.SortStableFunc(failing, func(a, b analysis.Statistics) int { return cmp.Compare(b.Errors+b.Panics, a.Errors+a.Panics) })
	if c.Hot, err = q.statRows(list[:min(most, len(list))], list); err != nil {
		return err
	}
	c.Failing, err = q.statRows(failing[:min(most, len(failing))], failing)
	return err
}
