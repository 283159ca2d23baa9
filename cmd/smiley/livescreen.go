package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"
	"unicode/utf8"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
)

const (
	// viewFarewell is how long a monitor that ends with the program waits for its sender to say that it has ended too.
	viewFarewell = 2 * time.Second
	// screenLook is after how many events of a block the screen looks whether it is behind.
	screenLook = 64
	// maxLabel is how many characters of a program's name are shown before each line.
	maxLabel = 24
)

// liveScreen prints what a liveView takes. It belongs to one goroutine, and may wait for the terminal.
type liveScreen struct {
	app    *app
	view   *liveView
	filter analysis.Filter
	exit   bool // end when the programs have ended
	full   bool // long values are not cut

	out     *bufio.Writer
	runs    map[recording.RunID]*liveRun
	seen    int // runs, since the beginning
	width   int // of the labels
	line    bytes.Buffer
	encoder *json.Encoder
}

// liveRun is a run that is shown.
type liveRun struct {
	id    recording.RunID
	live  *analysis.Live
	text  *export.Text
	label string // name and process; "" until they are known
	at    int64  // time of the last event that was shown
	ended bool
}

func newLiveScreen(a *app, v *liveView, o monitorOptions) *liveScreen {
	s := &liveScreen{
		app: a, view: v, filter: o.filter, exit: o.exit, full: o.full, runs: map[recording.RunID]*liveRun{},
		// Of its own: when the terminal takes nothing more, it is left behind with what is in it.
		out: bufio.NewWriterSize(a.output, 64<<10),
	}
	s.encoder = json.NewEncoder(s.out)
	s.encoder.SetEscapeHTML(false)
	return s
}

// show prints what comes until ctx ends; with exit, until all runs that it saw have ended.
func (s *liveScreen) show(ctx context.Context) error {
	var patience <-chan time.Time // runs once the last block was shown: its sender has to learn that it came
	for {
		if ctx.Err() != nil {
			return s.flush()
		}
		b := s.view.pop()
		if b == nil {
			if err := s.flush(); err != nil {
				return err
			}
			if s.exit && s.seen > 0 && len(s.runs) == 0 {
				return nil
			}
			if s.over() && patience == nil {
				patience = time.After(viewFarewell)
			}
			select {
			case <-s.view.waiting:
			case <-patience:
				return nil
			case <-ctx.Done():
				return nil
			}
			continue
		}
		if err := s.one(ctx, b); err != nil {
			return err
		}
		if !s.over() {
			patience = nil
		}
	}
}

// over reports whether the programs have ended that were seen.
func (s *liveScreen) over() bool {
	if !s.exit || s.seen == 0 {
		return false
	}
	for _, r := range s.runs {
		if !r.ended {
			return false
		}
	}
	return true
}

func (s *liveScreen) flush() error {
	err := s.out.Flush()
	if n := s.view.unsaidNotes(); n > 0 && err == nil {
		err = s.say("and %s more like that", export.Count(uint64(n)))
	}
	return err
}

// say prints a line beside the events, at its place among them.
func (s *liveScreen) say(format string, args ...any) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.app.say(format, args...)
}

// one shows one thing.
func (s *liveScreen) one(ctx context.Context, b *liveBlock) error {
	switch r := s.runs[b.run]; {
	case b.say != "":
		return s.say("%s", export.Escape(b.say))
	case b.ended:
		delete(s.runs, b.run)
		return s.ended(r, b)
	case r != nil && r.ended:
		return nil
	default:
		if r == nil {
			r = s.begin(b.run)
		}
		if b.begins {
			return nil
		}
		return s.block(ctx, r, b)
	}
}

func (s *liveScreen) begin(run recording.RunID) *liveRun {
	r := &liveRun{id: run, live: analysis.NewLive(s.filter)}
	r.text = export.NewText(&s.line, styleFor(s.app.files.stdout), true)
	if !s.full {
		r.text.Shorten()
	}
	s.runs[run] = r
	s.seen++
	return r
}

// ended says what is to be said when no more blocks of a run come.
func (s *liveScreen) ended(r *liveRun, b *liveBlock) error {
	if r == nil || r.ended {
		return nil
	}
	r.live.Missed(b.events + 1)
	if err := s.skipped(r); err != nil || b.why == "" {
		return err
	}
	return s.say("run %s: %s", b.run, b.why)
}

// block shows a block of a run.
func (s *liveScreen) block(ctx context.Context, r *liveRun, b *liveBlock) error {
	var err error
	switch {
	case b.define:
		r.live.Define(b.block)
	case b.missed > 0:
		r.live.Skip(b.block)
		r.live.Missed(b.missed)
	case s.view.behind(b):
		r.live.Skip(b.block)
	default:
		err = s.events(ctx, r, b)
	}
	if err == nil {
		err = s.name(r)
	}
	if recording.CodeOf(err) == recording.CodeDamaged {
		r.ended = true
		_ = s.view.refuse(r.id, err) // which says it
		return nil
	}
	if err == nil && b.block.Final {
		r.ended = true
		err = s.skipped(r)
	}
	return err
}

// events shows the events of a block, as many as there is time for.
func (s *liveScreen) events(ctx context.Context, r *liveRun, b *liveBlock) error {
	n := 0
	for e, err := range r.live.Events(b.block) {
		if err == nil {
			err = s.name(r)
		}
		if err == nil {
			err = s.skipped(r)
		}
		if err == nil {
			r.at = e.Time
			err = s.print(r, e)
		}
		if err != nil {
			return err
		}
		if n++; n%screenLook == 0 && (ctx.Err() != nil || s.view.behind(b)) {
			break
		}
	}
	return nil
}

// name gives a run its name once it is known, and says so.
func (s *liveScreen) name(r *liveRun) error {
	start := r.live.Start()
	if r.label != "" || start == nil {
		return nil
	}
	label := fmt.Sprintf("%s[%d]", short(filepath.Base(start.Program)), start.PID)
	for _, other := range s.runs {
		if other.label == label { // that of another machine, then
			label += "@" + short(start.Host)
			break
		}
	}
	r.label = label
	s.width = max(s.width, utf8.RuneCountInString(label))
	return s.say("run %s: %s", r.id, label)
}

// short makes a name fit into a label.
func short(name string) string {
	letters := []rune(export.Escape(name))
	return string(letters[:min(len(letters), maxLabel)])
}

// skipped shows how many events of a run were left out before the next.
func (s *liveScreen) skipped(r *liveRun) error {
	n := r.live.Skipped()
	if n == 0 {
		return nil
	}
	return s.print(r, &analysis.Event{
		Time: r.at, Kind: analysis.EventSkipped, Missing: n, Text: "they came faster than they could be shown",
	})
}

func (s *liveScreen) print(r *liveRun, e *analysis.Event) error {
	if s.app.json {
		return s.encoder.Encode(struct {
			Run string `json:"run"`
			*analysis.Event
		}{r.id.String(), e})
	}
	s.line.Reset()
	if s.seen > 1 {
		fmt.Fprintf(&s.line, "%-*s", s.width, r.label)
	}
	if err := r.text.Event(e); err != nil {
		return err
	}
	_, err := s.out.Write(s.line.Bytes())
	return err
}
