package transport

import (
	"context"
	"time"

	"smiley/recording"
	"smiley/transport/protocol"
	"smiley/transport/spool"
)

// Spooled returns the runs that have blocks in the spool directory, the oldest first; some may belong to programs that
// are still running.
func Spooled(dir string) ([]recording.RunID, error) { return spool.List(dir) }

// SpooledInfo opens the spool of a run for a moment and says where it was to be recorded and how many blocks it has.
// Errors are those of [Push].
func SpooledInfo(dir string, run recording.RunID) (recorder, program string, blocks int, err error) {
	sp, entries, err := spool.Open(dir, run)
	if err != nil {
		return "", "", 0, err
	}
	info := sp.Info()
	if len(entries) == 0 {
		return info.Recorder, info.Program, 0, sp.Close(^uint32(0))
	}
	return info.Recorder, info.Program, len(entries), sp.Close(0)
}

// Push delivers the spool of a run whose sender is gone, and removes it when the recorder has acknowledged everything.
// Until then it retries, until ctx ends or, with a Patience, nothing was acknowledged for that long; what was not acknowledged
// stays in the spool. It returns how many blocks the recorder did not have before. o.Run is ignored; SpoolDir is needed. Errors:
// CodeLocked (the sender lives), CodeNotFound, CodeCanceled, and why the recorder refuses.
func Push(ctx context.Context, run recording.RunID, o RemoteOptions) (delivered int, err error) {
	sp, entries, err := spool.Open(o.SpoolDir, run)
	if err != nil {
		return 0, err
	}
	if len(entries) == 0 {
		return 0, sp.Close(^uint32(0))
	}
	o.Run, o.pushing = run, true
	cfg := senderConfig(&o)
	cfg.Secret = sp.Info().Secret
	cfg.Program = sp.Info().Program
	cfg.Resumed = true
	core := protocol.NewSender(cfg)
	for _, e := range entries {
		core.Restore(e.Number, e.Size)
	}
	r, err := dial(ctx, o, core, sp)
	if err != nil {
		return 0, joinClose(err, sp)
	}
	return r.push(ctx)
}

func joinClose(err error, sp *spool.Spool) error {
	if cerr := sp.Close(0); cerr != nil && err == nil {
		return cerr
	}
	return err
}

// push waits until everything is delivered.
func (r *Remote) push(ctx context.Context) (int, error) {
	var failure error
	var patience *time.Timer
	var impatient <-chan time.Time // never, without a limit
	if r.options.Patience > 0 {
		patience = time.NewTimer(r.options.Patience)
		defer patience.Stop()
		impatient = patience.C
	}
	acked := uint64(0)
	for failure == nil {
		st := r.Stats()
		if patience != nil && st.Acked != acked {
			patience.Reset(r.options.Patience)
		}
		acked = st.Acked
		if failure = r.Failure(); st.Unacknowledged == 0 || failure != nil {
			break
		}
		select {
		case <-r.changed:
		case <-r.done:
			failure = recording.Errorf(recording.CodeInternal, "the delivery has ended early")
		case <-impatient:
			failure = r.undelivered(&st)
		case <-ctx.Done():
			failure = r.undelivered(&st)
		}
	}
	if failure != nil {
		r.mu.Lock()
		r.core.Stop(failure)
		r.mu.Unlock()
	}
	err := r.Close()
	st := r.Stats()
	delivered := max(int(st.Sent-st.Resent)-st.Unacknowledged, 0)
	if failure != nil {
		return delivered, failure
	}
	return delivered, err
}

// undelivered says what could not be delivered, and why.
func (r *Remote) undelivered(st *protocol.SenderStats) error {
	reason := st.LastError
	if reason == "" {
		reason = "it does not acknowledge the rest"
	}
	if st.ReceiverHolding != "" {
		reason = "it cannot keep them at the moment: " + st.ReceiverHolding
	}
	return recording.Errorf(recording.CodeCanceled, "%s not delivered to %s: %s", blocksAre(st.Unacknowledged), r.options.Recorder, reason).
		WithHint("what is not delivered stays in the spool; push again when the recorder can be reached")
}
