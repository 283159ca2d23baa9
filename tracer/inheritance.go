package tracer

import (
	"encoding/json"

	"smiley/recording"
)

// Inheritance is what a tracer that was killed while it was attached has left: the run that it had begun, and how much of it there is.
// What of that its store has not got is lost, and can be counted.
type Inheritance struct {
	Run   recording.Run
	Store string // what Options.Store was

	// Events is how many events the tracer and the program had captured in all: those that the tracer had read, stored or not, those
	// that were waiting to be read, and those that found no room.
	Events uint64
}

// legacy is what a tracer writes down for its successor.
type legacy struct {
	Run   recording.Run
	Store string
}

// testament makes the note for a tracer's successor.
func testament(run *recording.Run, store string) ([]byte, error) {
	note, err := json.Marshal(legacy{*run, store})
	if err != nil {
		return nil, recording.Errorf(recording.CodeInternal, "writing down which run this is: %w", err)
	}
	return note, nil
}

// Missing returns how many events a store lacks that has a run up to at.
func (i *Inheritance) Missing(at recording.Position) uint64 {
	if i.Events <= at.Captured {
		return 0
	}
	return i.Events - at.Captured
}

// Count adds to the run, of which sink's store has everything up to at, that the rest was lost. It closes the sink.
func (i *Inheritance) Count(at recording.Position, sink recording.Sink) error {
	lost := i.Missing(at)
	builder := recording.Continue(i.Run, at, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		if err != nil {
			return err
		}
		return sink.Send(encoded)
	})
	err := builder.Drop(lost, 0, at.Last, "smiley was killed before they were stored")
	if err == nil {
		err = builder.Cut(at.Last)
	}
	if closed := sink.Close(); err == nil {
		err = closed
	}
	return err
}
