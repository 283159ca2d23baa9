package store

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// taskLinger is how long a task goes on when nobody waits for it any more: pages ask again after a second.
const taskLinger = 5 * time.Second

// tasks owns the goroutines of tasks.
type tasks struct {
	mu     sync.Mutex
	stop   context.CancelFunc
	ctx    context.Context
	active sync.WaitGroup
	closed bool
}

func newTasks() *tasks {
	ctx, stop := context.WithCancel(context.Background())
	return &tasks{ctx: ctx, stop: stop}
}

// close ends all work and waits for it.
func (s *tasks) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.active.Wait()
}

// task is work on a goroutine of its own, for as long as somebody wants what it comes to. mu guards all that it makes.
type task struct {
	tasks  *tasks
	linger time.Duration
	turn   chan struct{} // holds one token: tasks with the same work one after the other
	work   func(ctx context.Context) error
	failed func() // forgets what was made; mu is held

	working atomic.Bool // written with mu held

	mu      sync.Mutex
	step    chan struct{}      // closed when something has changed, and replaced
	halt    context.CancelFunc // ends the work that is under way
	waiting int                // questions
	idle    *time.Timer        // ends the work that nobody waits for
	err     error              // of the last work
}

func (t *task) busy() bool { return t.working.Load() }

// changed wakes whoever waits. t.mu is held.
func (t *task) changed() {
	close(t.step)
	t.step = make(chan struct{})
}

// begin starts the work. t.mu is held.
func (t *task) begin() {
	t.tasks.mu.Lock()
	defer t.tasks.mu.Unlock()
	if t.tasks.closed {
		t.err = errClosed
		return
	}
	t.err = nil
	t.working.Store(true)
	t.tasks.active.Add(1)
	var ctx context.Context
	ctx, t.halt = context.WithCancel(t.tasks.ctx)
	go func() {
		defer t.tasks.active.Done()
		var err error
		select {
		case t.turn <- struct{}{}:
			err = t.work(ctx)
			<-t.turn
		case <-ctx.Done():
			err = ctx.Err()
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		halted := ctx.Err() != nil && t.tasks.ctx.Err() == nil // nobody wanted it any more; what there is stays
		t.halt()
		t.working.Store(false)
		if err != nil && !halted {
			t.err = err
			t.failed()
		}
		t.changed()
	}()
}

// OnlyRead as a Wait answers from what was read before. It begins no reading, and does not end what is under way.
const OnlyRead time.Duration = math.MinInt64

// wait waits until ready, at most for the time that patience gives (0: without end), and calls read with what there is then.
// ready and read are called with t.mu held. A patience below 0 begins no work, and ends the one that nobody else waits for unless
// it is OnlyRead.
func (t *task) wait(ctx context.Context, patience time.Duration, ready func() bool, read func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if patience < 0 || ready() {
		if patience < 0 && patience != OnlyRead && t.waiting == 0 && t.working.Load() {
			t.halt()
		}
		return read()
	}
	var over <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		over = timer.C
	}
	t.enter()
	defer t.leave()
	started := false
	for !ready() {
		if !t.working.Load() {
			if started && t.err != nil {
				return t.err
			}
			t.begin()
			started = true
			if t.err != nil {
				return t.err
			}
		}
		step := t.step
		t.mu.Unlock()
		expired := false
		select {
		case <-step:
		case <-over:
			expired = true
		case <-ctx.Done():
		}
		t.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
		if expired {
			break
		}
	}
	return read()
}

// enter counts a question that waits. t.mu is held.
func (t *task) enter() {
	t.waiting++
	if t.idle != nil {
		t.idle.Stop()
		t.idle = nil
	}
}

// leave ends the work after a while, unless somebody else waits then. t.mu is held.
func (t *task) leave() {
	if t.waiting--; t.waiting > 0 || !t.working.Load() {
		return
	}
	t.idle = time.AfterFunc(t.linger, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.waiting == 0 && t.working.Load() {
			t.halt()
		}
	})
}
