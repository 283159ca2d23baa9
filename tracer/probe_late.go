//go:build linux && amd64

package tracer

import (
	"cmp"
	"slices"
	"time"

	"smiley/tracer/probe/install"
	places "smiley/tracer/probe/site"
)

// late is a function that was left out when a program was attached to, because a goroutine was in bytes of it that a jump
// replaces.
type late struct {
	traced *traced // nil for hooks
	symbol Symbol
	reason string
}

// Late functions are tried again some times, at growing distances: each time the program stands still for some milliseconds.
const (
	lateTries = 6
	lateFirst = 100 * time.Millisecond
)

// tryLate puts probes into functions that were left out, if goroutines have left their bytes. The caller holds the pipeline's
// lock: nothing of the functions is read before they are defined.
func (p *probes) tryLate() error {
	if !p.installed.Late() || p.retries >= lateTries || time.Now().Before(p.retryAt) || p.enough() {
		return nil
	}
	p.retryAt = time.Now().Add(lateFirst << p.retries)
	p.retries++
	var placed []*places.Function
	var refused []install.Skipped
	err := p.way.stopping(func() (err error) {
		placed, refused, err = p.installed.TryAgain(func(f *places.Function) bool {
			// One that an event refers to is defined already, and not as what would be recorded of it.
			l, ok := p.late[f]
			return !ok || l.traced == nil || !p.program.defines(l.symbol.Entry)
		})
		return err
	})
	for i := range refused {
		if l, ok := p.late[refused[i].Function]; ok {
			l.reason = refused[i].Reason
			p.late[refused[i].Function] = l
		}
	}
	if err != nil {
		return nil // it may be ending; nothing changed
	}
	for _, function := range placed {
		if l, ok := p.late[function]; ok {
			delete(p.late, function)
			if l.traced != nil {
				p.add(&watched{symbol: &l.symbol, traced: l.traced})
			}
		}
	}
	return p.engine.define()
}

// stillLate returns the functions that got no probes to the end, with the reason, in the order of their addresses.
func (p *probes) stillLate() (refused []Symbol) {
	for _, l := range p.late {
		l.symbol.Reason = l.reason
		refused = append(refused, l.symbol)
	}
	slices.SortFunc(refused, func(a, b Symbol) int { return cmp.Compare(a.Entry, b.Entry) })
	return refused
}

// noteLate defines the functions that got no probes to the end as untraced.
func (s *session) noteLate() error {
	refused := s.probes.stillLate()
	if len(refused) == 0 || s.out.failure() != nil {
		return nil
	}
	return s.noteUntraced(refused)
}
