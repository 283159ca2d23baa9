package web

import (
	"context"
	"crypto/rand"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// Options change how a Server behaves. The zero value serves people on this machine.
type Options struct {
	// Hosts are names and addresses, without ports, that the server is known by besides those of this machine's
	// loopback. Requests for any other are refused: they come from a page that gave its own name our address.
	Hosts []string
	// Token, when it is not "", is asked of everybody: once as ?token=, afterwards in a cookie.
	Token string
	// ReadOnly takes the buttons away that delete runs.
	ReadOnly bool
	// SearchTime is how long a search goes on in one request, which answers with what was found until then and where to go on; 0: a
	// tenth of a second. A block of the run is looked at in any case.
	SearchTime time.Duration
	// Undo is how long a deleted run can be restored before it is gone; 0: one minute.
	Undo time.Duration
	// Versions are shown on the help page: smiley's own and those of what it is made of, as name and version.
	Versions [][2]string
	// Log gets the causes of failures, which pages do not show; nil: nobody does.
	Log *slog.Logger
}

// Bounds of a request.
const (
	requestTime    = 10 * time.Second // to compute an answer
	headerTime     = 5 * time.Second  // to send the head of a request
	readTime       = 10 * time.Second // to send all of it
	writeTime      = 60 * time.Second // to compute and take the answer
	idleTime       = 2 * time.Minute
	requestBytes   = 64 << 10
	headerBytes    = 32 << 10
	defaultUndo    = time.Minute
	shutdownPeriod = 2 * time.Second
	pagesAtOnce    = 3 // pages of runs that are made at a time, or as many as there are processors
)

// Server answers requests about the recordings in one file. It is an http.Handler, safe for concurrent use.
type Server struct {
	Options
	database  database
	trash     trash
	watchers  watchers
	tables    tableCache
	templates map[string]*template.Template
	assets    map[string]asset
	mux       *http.ServeMux
	origins   *http.CrossOriginProtection
	patient   bool          // pages wait for all of an answer, because nobody will ask for them again
	sums      *sums         // of the run that a patient server was asked for last
	turns     chan struct{} // holds a token for each page that is being made
	formToken string        // every form that changes something carries it

	windowEvents uint64 // most events that a time line looks at, 0: the store's own bound
	fewBlocks    uint32 // runs with no more are read at once
}

// New returns a Server over a file of recordings, which need not exist yet. The caller closes it.
func New(file string, options Options) *Server {
	s := &Server{
		Options: options, database: database{file: file, patience: lockPatience}, templates: parseTemplates(), assets: readAssets(),
		mux: http.NewServeMux(), origins: http.NewCrossOriginProtection(), formToken: rand.Text(),
		turns: make(chan struct{}, max(pagesAtOnce, runtime.GOMAXPROCS(0))), fewBlocks: activityRead,
	}
	if s.Undo == 0 {
		s.Undo = defaultUndo
	}
	if s.SearchTime == 0 {
		s.SearchTime = searchTime
	}
	if s.Log == nil {
		s.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s.routes()
	return s
}

// answers counts the requests that are being answered, so that a server that ends can wait for them.
type answers struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n comes to 0; nil while nobody waits
}

func (a *answers) enter() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
}

func (a *answers) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n--; a.n == 0 && a.idle != nil {
		close(a.idle)
		a.idle = nil
	}
}

// wait waits until nobody is being answered.
func (a *answers) wait() {
	a.mu.Lock()
	if a.n == 0 {
		a.mu.Unlock()
		return
	}
	if a.idle == nil {
		a.idle = make(chan struct{})
	}
	idle := a.idle
	a.mu.Unlock()
	<-idle
}

// Serve answers requests that come in on the listener until ctx ends, closes the listener, and waits for the requests that are
// being answered: they know that ctx has ended.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	var all answers
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.enter()
		defer all.leave()
		s.ServeHTTP(w, r)
	})
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: headerBytes, BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownPeriod)
	defer cancel()
	err := server.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // whoever still reads has had time
	}
	<-ended
	all.wait()
	return err
}

// Close removes the runs that were deleted and not restored, and closes the file. Requests must have ended.
func (s *Server) Close() error {
	return errors.Join(s.trash.empty(), s.database.close())
}
