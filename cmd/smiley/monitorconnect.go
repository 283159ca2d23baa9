package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"smiley/export"
	"smiley/recording"
	"smiley/transport"
	"smiley/transport/protocol"
)

const (
	// watchRetry and watchRetryCap are how long it takes until a recorder that stopped is looked for again.
	watchRetry    = 250 * time.Millisecond
	watchRetryCap = 5 * time.Second
)

// monitorConnect asks a recorder to be shown its runs, and returns what takes them.
func (a *app) monitorConnect(ctx context.Context, o monitorOptions, view *liveView) (func(context.Context) error, error) {
	w := transport.WatchOptions{
		Software: currentVersions().Smiley, Insecure: o.insecure, Warn: func(text string) { _ = a.say("warning: %s", text) },
	}
	err := transport.Available()
	if err != nil {
		return nil, err
	}
	if w.Recorder, err = transport.ParseEndpoint(o.connect); err != nil {
		return nil, err
	}
	if o.run != "" && o.run != lastRun {
		if w.Prefix, w.Bits, err = runPrefix(o.run); err != nil {
			return nil, err
		}
	}
	if w.Keys, err = clientKeys(w.Recorder, o.insecure); err != nil {
		return nil, err
	}
	if o.run == lastRun {
		if w.Prefix, err = newestRun(ctx, w); err != nil {
			return nil, err
		}
		o.run, w.Bits = w.Prefix.String(), 128
	}
	watcher, err := transport.Watch(ctx, w)
	if err != nil {
		return nil, err
	}
	if o.run != "" {
		if w.Prefix, err = onlyRun(ctx, watcher, w.Recorder, o.run, view); err != nil {
			watcher.Close()
			return nil, err
		}
		w.Bits = 128
	}
	all, _ := watcher.Live()
	text := fmt.Sprintf("watching %s", w.Recorder)
	if all == 0 {
		text += "; nothing is being recorded, waiting"
	}
	if err := a.say("%s", text); err != nil {
		watcher.Close()
		return nil, err
	}
	return func(ctx context.Context) error { return a.follow(ctx, w, watcher, view) }, nil
}

// follow shows what a watcher sees, and looks for the recorder again when it is gone, until ctx ends.
func (a *app) follow(ctx context.Context, o transport.WatchOptions, watcher *transport.Watcher, view *liveView) error {
	o.Warn = nil // it was said
	for {
		err := takeAll(ctx, watcher, view)
		watcher.Close()
		for pause := watchRetry; ctx.Err() == nil; pause = min(2*pause, watchRetryCap) {
			if pause == watchRetry {
				view.tell(err.Error() + "; looking for it again")
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause/2 + rand.N(pause)):
			}
			again, tried := transport.Watch(ctx, o)
			if tried == nil {
				watcher = again
				view.tell("watching " + o.Recorder.String() + " again")
				break
			}
			if code := recording.CodeOf(tried); code == recording.CodePermission || code == recording.CodeUnsupported {
				return tried
			}
		}
		if ctx.Err() != nil {
			watcher.Close()
			return nil
		}
	}
}

// takeAll gives the view what comes, until nothing more does, and returns why.
func takeAll(ctx context.Context, watcher *transport.Watcher, view *liveView) error {
	for {
		e, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		switch { // of a run that is refused nothing more is shown, which the view says; the others go on
		case e.Defines:
			_ = view.define(e.Block)
		case e.Block != nil:
			_ = view.take(e.Block)
		case e.State == protocol.RunRecording:
			view.begin(e.Run)
		case e.State == protocol.RunGone:
			view.end(e.Run, e.Events, "its sender is gone")
		default:
			view.end(e.Run, e.Events, "")
		}
	}
}

// lastRun is what people say for the run that began last.
const lastRun = "last"

// newestRun returns the run that began last of those that are being recorded. Ids of runs ascend with the time of their beginning.
func newestRun(ctx context.Context, o transport.WatchOptions) (newest recording.RunID, err error) {
	o.Warn = nil // the one that stays says it
	watcher, err := transport.Watch(ctx, o)
	if err != nil {
		return newest, err
	}
	defer watcher.Close()
	_, matching := watcher.Live()
	if matching == 0 {
		return newest, recording.Errorf(recording.CodeNotFound, "nothing is being recorded at %s", o.Recorder).
			WithHint("without 'last' the monitor waits until something is")
	}
	for told := 0; told < matching; {
		e, err := watcher.Next(ctx)
		if err != nil {
			return newest, err
		}
		if e.Block != nil || e.State != protocol.RunRecording {
			continue
		}
		told++
		if bytes.Compare(e.Run[:], newest[:]) > 0 {
			newest = e.Run
		}
	}
	return newest, nil
}

// onlyRun returns the one run that a person meant and that is being recorded.
func onlyRun(ctx context.Context, watcher *transport.Watcher, recorder transport.Endpoint, name string, view *liveView) (recording.RunID, error) {
	all, matching := watcher.Live()
	if matching == 0 {
		count := "nothing is being recorded"
		if all > 0 {
			count = export.Plural(uint64(all), "run") + " of other names"
		}
		return recording.RunID{}, recording.Errorf(recording.CodeNotFound, "no run %s is being recorded at %s: %s", name, recorder, count).
			WithHint("without a name all are shown; 'smiley replay %s' shows it when it is over", name)
	}
	var ids []string
	for len(ids) < min(matching, 4) {
		e, err := watcher.Next(ctx)
		if err != nil {
			return recording.RunID{}, err
		}
		if e.Block != nil || e.State != protocol.RunRecording {
			continue
		}
		if matching == 1 {
			view.begin(e.Run)
			return e.Run, nil
		}
		ids = append(ids, e.Run.String())
	}
	return recording.RunID{}, recording.Errorf(recording.CodeAmbiguous, "%s stands for several runs: %s", name, strings.Join(ids, ", ")).
		WithHint("give more of its id")
}

// runPrefix reads the beginning of an id, and returns it with how many bits it has.
func runPrefix(name string) (prefix recording.RunID, bits int, err error) {
	digits := strings.ReplaceAll(strings.ToLower(name), "-", "")
	raw, err := hex.DecodeString(digits + strings.Repeat("0", len(digits)%2))
	if err != nil || len(raw) > len(prefix) || len(raw) == 0 {
		return prefix, 0, recording.Errorf(recording.CodeInvalid, "%q is not the id of a run", name).
			WithHint("an id or its beginning; smiley monitor says the ids of the runs that it shows")
	}
	copy(prefix[:], raw)
	return prefix, 4 * len(digits), nil
}
