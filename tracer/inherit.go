//go:build linux && amd64

package tracer

import (
	"encoding/json"
	"errors"

	"smiley/recording"
	"smiley/tracer/probe/install"
)

// inherit hands what tracers that died left in a program to heir.
func inherit(pid int, heir func(*Inheritance) error) error {
	estates, err := install.Estates(pid)
	for _, e := range estates {
		err = errors.Join(err, inheritOne(pid, e, heir))
		e.Close()
	}
	return err
}

func inheritOne(pid int, e *install.Estate, heir func(*Inheritance) error) error {
	var l legacy
	// It lay in the program's memory, so that nothing of it is trusted.
	if err := json.Unmarshal(e.Note, &l); err != nil || l.Run.PID != pid {
		return recording.Errorf(recording.CodeDamaged, "which run a tracer that died had begun cannot be read")
	}
	unread, err := e.Count()
	if err != nil {
		return err
	}
	i := &Inheritance{Run: l.Run, Store: l.Store, Events: e.Captured + e.Dropped + unread}
	if err := heir(i); err != nil {
		return err
	}
	return e.Settle()
}
