package synthetic

import (
	"smiley/recording"
)

// The goroutines of the large recording: the ordinary ones, one that makes half of all calls from a single call, and
// short ones that come and go.
const (
	LoopGoroutine = Goroutines + 1
	FirstShort    = 100
	shortCalls    = 500
)

// Large appends the events of a program whose goroutine LoopGoroutine makes half of all calls from one call, while others
// do ordinary work and short goroutines come and go.
func Large(calls int) func(*recording.Builder) error {
	return func(b *recording.Builder) error {
		p := NewProgram(Ints)
		var loop, short []recording.FunctionID
		shortID, shortLeft := int64(FirstShort), shortCalls
		var r recording.Raw
		p.Enter(&r, &loop, LoopGoroutine, 1)
		for {
			if err := b.Append(&r); err != nil {
				return err
			}
			if r.Kind == recording.KindCall {
				calls--
			}
			if calls <= 0 && len(loop) == 1 {
				p.Leave(&r, &loop, LoopGoroutine)
				return b.Append(&r)
			}
			p.Tick()
			switch dice := p.Random.IntN(16); {
			case dice < 8 || calls <= 0:
				if len(loop) == 1 {
					p.Enter(&r, &loop, LoopGoroutine, 2)
				} else {
					p.Leave(&r, &loop, LoopGoroutine)
				}
			case dice == 8 && shortLeft > 0:
				shortLeft--
				p.Step(&r, &short, shortID)
			case dice == 8:
				r = recording.Raw{Kind: recording.KindGoroutineEnd, Goroutine: shortID, Time: p.Now}
				shortID, shortLeft, short = shortID+1, shortCalls, nil
			default:
				p.Running = p.Random.IntN(Goroutines)
				p.Step(&r, &p.Stacks[p.Running], int64(p.Running+1))
			}
		}
	}
}
