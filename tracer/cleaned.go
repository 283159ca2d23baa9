package tracer

import (
	"errors"

	"smiley/recording"
)

// Cleaned says what was taken out of a program.
type Cleaned struct {
	Bytes int  // of code that were put back
	Whole bool // all of the code is what its file says; if not, see StillLeaving

	// Inherited says why the loss of runs that tracers that died had begun could not be settled; nil when it was, or there was none.
	Inherited error
}

// StillLeaving says that the head of a program's signal handler could not be put back yet. The program loses nothing by that.
func StillLeaving(pid int) *recording.Error {
	return recording.Errorf(recording.CodeLocked,
		"a thread of process %d is still on its way out of a probe, so that the head of its signal handler was left as it is; it changes nothing", pid).
		WithHint("smiley detach %d puts it back later", pid)
}

// asWarning is the first error of ours in err.
func asWarning(err error) *recording.Error {
	var known *recording.Error
	if errors.As(err, &known) {
		return known
	}
	return recording.Errorf(recording.CodeInternal, "%w", err)
}
