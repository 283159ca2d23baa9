package web

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"smiley/recording"
	"smiley/store"
)

// Pages of runs that are being recorded watch for changes by server-sent events: one event says that there is something
// new, and the page asks for itself again.
const (
	liveInterval  = 500 * time.Millisecond // between looks at the recordings
	liveKeepalive = 15 * time.Second       // after which a watcher that hears nothing is told that all is well
	livePatience  = 5 * time.Second        // for a watcher to take an event
	liveWatchers  = 64                     // at once; each looks at the database twice a second
	liveRuns      = 50                     // newest runs that a list watches
)

// liveViews are the views that show a run as it grows. What an island has drawn there the island brings up to date.
var liveViews = map[string]bool{
	"": true, "events": true, "statistics": true, "goroutines": true, "graph": true, "files": true, "tree": true, "timeline": true, "flame": true,
}

// watchers counts who watches.
type watchers struct{ n atomic.Int64 }

func (w *watchers) enter() bool {
	if w.n.Add(1) > liveWatchers {
		w.n.Add(-1)
		return false
	}
	return true
}

func (w *watchers) leave() { w.n.Add(-1) }

// live tells a page about changes of a run, or of the newest runs: an event "change" for each, and "end" when there will be
// no more. It ends with its request or with the server.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	if !s.watchers.enter() {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Too many pages watch recordings already.", http.StatusServiceUnavailable)
		return
	}
	defer s.watchers.leave()
	look := s.newestRuns
	if name := r.URL.Query().Get("run"); name != "" {
		id, err := parseRunID(name)
		if err != nil {
			s.fail(w, r, nil, err)
			return
		}
		look = func(ctx context.Context) (uint64, bool, error) { return s.oneRun(ctx, id) }
	}
	stream := liveStream{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	last, over, err := look(r.Context())
	if err == nil {
		err = stream.send(": watching\n\n")
	}
	ticker := time.NewTicker(liveInterval)
	defer ticker.Stop()
	for err == nil {
		if over {
			_ = stream.send("event: end\ndata:\n\n") // a page that has gone need not be told
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
		}
		var now uint64
		if now, over, err = look(r.Context()); err != nil {
			return
		}
		if now != last {
			last = now
			err = stream.send("event: change\ndata:\n\n")
		} else if time.Since(stream.sent) > liveKeepalive {
			err = stream.send(": still watching\n\n")
		}
	}
}

// liveStream writes events to a page that may be slow or gone.
type liveStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	sent    time.Time
}

func (l *liveStream) send(text string) error {
	l.sent = time.Now()
	if err := l.control.SetWriteDeadline(l.sent.Add(livePatience)); err != nil {
		return err
	}
	if _, err := io.WriteString(l.w, text); err != nil {
		return err
	}
	return l.control.Flush()
}

var liveSeed = maphash.MakeSeed()

// newestRuns is a fingerprint of the head of the list of runs, which never ends.
func (s *Server) newestRuns(ctx context.Context) (uint64, bool, error) {
	var h maphash.Hash
	h.SetSeed(liveSeed)
	reader, done, err := s.database.acquire(ctx)
	if recording.CodeOf(err) == recording.CodeNotFound {
		return h.Sum64(), false, nil // there may be one soon
	}
	if err != nil {
		return 0, false, err
	}
	defer done()
	runs, err := reader.Runs(ctx, store.RunsQuery{Limit: liveRuns})
	for i := range runs {
		fmt.Fprintf(&h, "%s %s %d %t\n", runs[i].ID, runs[i].Status, runs[i].Events, s.trash.holds(runs[i].ID))
	}
	return h.Sum64(), false, err
}

// oneRun is a fingerprint of a run, and whether it is over.
func (s *Server) oneRun(ctx context.Context, id recording.RunID) (uint64, bool, error) {
	reader, done, err := s.database.acquire(ctx)
	if err != nil {
		return 0, false, err
	}
	defer done()
	info, err := reader.Run(ctx, id)
	if recording.CodeOf(err) == recording.CodeNotFound {
		return 0, true, nil
	}
	if err != nil {
		return 0, false, err
	}
	return maphash.String(liveSeed, fmt.Sprint(info.Status, info.Events)), info.Status != recording.StatusRecording, nil
}
