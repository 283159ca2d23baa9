package tracer

import (
	"encoding/json"

	"smiley/recording"
)

// Inheritance is what a tracer that was killed while it was attached has left: the run that it had begun, and in the program's memory
// what nobody had read. What of the run its store has not got, and is not there either, is lost, and can be counted.
type Inheritance struct {
	Run   recording.Run
	Store string // what Options.Store was

	left remains
}

// remains is what a tracer left in a program. It can be read once.
type remains interface {
	// count returns how many events a store lacks that has the first ones: of those that the tracer had read, those that were waiting to
	// be read, and those that found no room.
	count(stored uint64) (lost uint64, err error)
	// recover makes a run of its own of what was waiting, but those that are among the first stored events, and returns how many events are
	// then still lost.
	recover(of recording.Run, stored uint64, sink recording.Sink) (id recording.RunID, recovered, lost uint64, err error)
}

// Settled says what became of a run whose tracer died.
type Settled struct {
	Recovered uint64          // events that were still in the program
	Rest      recording.RunID // the run that they make; the zero id when there are none
	Lost      uint64          // events that are nowhere; the run's ledger says so
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

// Captured returns how many events had been captured of the run in all, when its store is not at hand.
func (i *Inheritance) Captured() (uint64, error) { return i.left.count(0) }

// Settle makes what was left in the program a run of its own, which it sends to rest, and adds to the run, of which old's store has
// everything up to at, that all else was lost. It closes both sinks.
func (i *Inheritance) Settle(at recording.Position, rest, old recording.Sink) (Settled, error) {
	id, recovered, lost, err := i.left.recover(i.Run, at.Captured, rest)
	settled := Settled{Recovered: recovered, Rest: id, Lost: lost}
	if err == nil && settled.Lost+settled.Recovered > 0 {
		err = i.note(at, &settled, old)
	}
	if closed := old.Close(); err == nil {
		err = closed
	}
	return settled, err
}

// note puts a gap where the stored part of the run ends.
func (i *Inheritance) note(at recording.Position, settled *Settled, sink recording.Sink) error {
	builder := recording.Continue(i.Run, at, func(d *recording.Draft) error {
		encoded, err := d.Encode(nil)
		if err != nil {
			return err
		}
		return sink.Send(encoded)
	})
	reason := "smiley was killed before they were stored"
	if settled.Recovered > 0 {
		reason += "; what was left in the program is run " + settled.Rest.String()
	}
	if err := builder.Drop(settled.Lost, 0, at.Last, reason); err != nil {
		return err
	}
	return builder.Cut(at.Last)
}
