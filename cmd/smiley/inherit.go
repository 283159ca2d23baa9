package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"smiley/export"
	"smiley/recording"
	"smiley/store"
	"smiley/tracer"
)

// heir returns what settles the run of a smiley that was killed while it was attached: what it had captured and not stored is entered
// in the run's ledger. Which run that is comes from the program's memory, so that only a run of the person's own database is touched,
// and only one of that process that nobody is recording.
func (a *app) heir(ctx context.Context, recordings *store.Store) func(*tracer.Inheritance) error {
	return func(i *tracer.Inheritance) error {
		if !filepath.IsAbs(i.Store) { // it was being sent elsewhere
			return a.laterHeir(ctx)(i)
		}
		id := i.Run.ID.String()
		known, err := recordings.Run(ctx, i.Run.ID)
		var at recording.Position
		switch code := recording.CodeOf(err); {
		case err == nil && known.Status == recording.StatusComplete:
			return nil
		case err == nil && (known.PID != i.Run.PID || known.Status != recording.StatusInterrupted):
			return recording.Errorf(recording.CodeDamaged, "the program says that it was recorded as run %s, which is another one", id)
		case err == nil:
			at = known.Position()
			i.Run = known.Run
		case code != recording.CodeNotFound:
			return err
		case i.Store != recordings.File():
			return elsewhere(i, recordings.File())
		}
		s, err := i.Settle(at, appending{ctx, recordings}, appending{ctx, recordings})
		if err := errors.Join(err, recordings.Interrupt(ctx, i.Run.ID)); err != nil {
			return err
		}
		words := fmt.Sprintf("run %s: its smiley was killed; %s", id, export.Plural(at.Events, "event")+" had been stored")
		if s.Recovered > 0 {
			words += fmt.Sprintf(", %s still in the program and are run %s", was(s.Recovered), s.Rest)
		}
		if s.Lost > 0 {
			words += fmt.Sprintf(", %s lost, which is noted in the run", was(s.Lost))
		}
		return a.say("%s", words)
	}
}

// laterHeir is heir with a database that is opened when it is needed.
func (a *app) laterHeir(ctx context.Context) func(*tracer.Inheritance) error {
	return func(i *tracer.Inheritance) error {
		if !filepath.IsAbs(i.Store) {
			events, err := i.Captured()
			if err != nil {
				return err
			}
			return a.say("run %s was being sent to %s when its smiley was killed; of %s, those that did not get there are lost",
				i.Run.ID, export.Escape(i.Store), export.Plural(events, "event"))
		}
		file, err := a.databaseFile()
		if err == nil {
			file, err = filepath.Abs(file)
		}
		if err != nil {
			return err
		}
		if _, err := os.Stat(file); err != nil && file != i.Store {
			return elsewhere(i, file)
		}
		return a.withStore(ctx, func(recordings *store.Store) error { return a.heir(ctx, recordings)(i) })
	}
}

func was(n uint64) string {
	if n == 1 {
		return "1 was"
	}
	return export.Count(n) + " were"
}

func elsewhere(i *tracer.Inheritance, file string) error {
	return recording.Errorf(recording.CodeNotFound, "run %s, which a smiley that was killed had begun, is not in %s", i.Run.ID, file).
		WithHint("smiley detach %d with --database %s notes how much of it is missing", i.Run.PID, recording.ShellWord(i.Store))
}

// appending is a sink of a store.
type appending struct {
	ctx context.Context
	*store.Store
}

func (s appending) Send(encoded []byte) error {
	_, err := s.Append(s.ctx, encoded)
	return err
}

func (appending) Close() error { return nil }
