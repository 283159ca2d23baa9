package protocol

import (
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reached counts what the random worlds came across, so that a test that reaches nothing fails.
type reached struct {
	blocks, early                                             int
	resent, spooled, dropped, duplicates, outOfOrder          uint64
	commitFailures, disconnects, damaged, unknown, afterDeath uint64
}

func (r *reached) add(w *world) {
	s, v := w.sender.Stats(), w.receiver.Stats()
	r.resent += s.Resent
	r.spooled += s.Spooled
	r.dropped += s.DroppedBlocks
	r.disconnects += s.Disconnects
	r.duplicates += v.Duplicates
	r.outOfOrder += v.OutOfOrder
	r.commitFailures += v.CommitFailures
	r.damaged += v.Damaged
	r.unknown += v.Unknown
	if w.crashed {
		r.afterDeath += uint64(len(w.store))
	}
}

// Whatever order of loss, duplication, reordering, failing disks, crashes and restarts of either side: when the world is
// well again every block is stored exactly once, in order and as it was made, or as the tombstone of one that counts as
// dropped; and nothing is ever acknowledged that is not stored.
func TestEveryBlockIsStoredExactlyOnce(t *testing.T) {
	var total reached
	defer func() { t.Logf("%+v", total) }()
	rapid.Check(t, func(t *rapid.T) {
		cfg := SenderConfig{
			Memory:  int64(rapid.SampledFrom([]int{400, 2000, 1 << 20}).Draw(t, "memory")),
			Spool:   int64(rapid.SampledFrom([]int{-1, 500, 3000, 1 << 20}).Draw(t, "spool")),
			HoldFor: rapid.SampledFrom([]time.Duration{-1, time.Second, time.Hour}).Draw(t, "hold"),
			Backoff: Backoff{Base: 50 * time.Millisecond, Cap: 2 * time.Second, Trip: 4},
		}
		rcfg := ReceiverConfig{
			Budget: int64(rapid.SampledFrom([]int{1000, 1 << 20}).Draw(t, "budget")),
			Window: 1 << 20, Blocks: rapid.IntRange(1, 8).Draw(t, "window"),
		}
		w := newWorld(cfg, rcfg, rapid.Uint64().Draw(t, "seed"))
		w.fail = t.Fatalf
		faults := rapid.Bool().Draw(t, "faults")
		w.chance = func(percent int, what string) bool {
			return faults && rapid.IntRange(0, 99).Draw(t, what) < percent
		}
		pick := func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { w.step() },
			"offer": func(t *rapid.T) {
				if w.crashed || !w.offer(rapid.IntRange(0, 300).Draw(t, "payload"), false) {
					t.Skip()
				}
			},
			"deliver": func(t *rapid.T) {
				if len(w.net) == 0 {
					t.Skip()
				}
				w.deliver(0, false)
			},
			"deliver all": func(t *rapid.T) {
				for len(w.net) > 0 {
					w.deliver(0, false)
				}
			},
			"good while": func(t *rapid.T) { // both ends and the link work for some rounds
				for range rapid.IntRange(1, 20).Draw(t, "rounds") {
					if !w.crashed && w.chance(80, "offer") || !w.crashed && !faults {
						w.offer(len(w.blocks)%300, false)
					}
					w.step()
					for range len(w.net) {
						w.deliver(0, false)
					}
					w.step()
					if len(w.taken) > 0 {
						w.commit(0, !w.chance(20, "disk full"))
					}
					w.now += 20 * time.Millisecond
					w.sender.Unblocked()
				}
			},
			"reorder": func(t *rapid.T) {
				if len(w.net) == 0 {
					t.Skip()
				}
				w.deliver(pick(len(w.net), "letter"), false)
			},
			"duplicate": func(t *rapid.T) {
				if len(w.net) == 0 {
					t.Skip()
				}
				w.deliver(pick(len(w.net), "letter"), true)
			},
			"lose": func(t *rapid.T) {
				if len(w.net) == 0 {
					t.Skip()
				}
				i := pick(len(w.net), "letter")
				w.net = append(w.net[:i:i], w.net[i+1:]...)
			},
			"damage": func(t *rapid.T) {
				if len(w.net) == 0 {
					t.Skip()
				}
				l := &w.net[pick(len(w.net), "letter")]
				if len(l.body) == 0 {
					t.Skip()
				}
				l.body[pick(len(l.body), "byte")] ^= 1
			},
			"commit": func(t *rapid.T) {
				if len(w.taken) == 0 {
					t.Skip()
				}
				w.commit(0, !w.chance(30, "disk full"))
			},
			"unblock": func(t *rapid.T) { w.sender.Unblocked() },
			"cut": func(t *rapid.T) {
				if w.up {
					w.sender.LinkDown(w.now, "cut")
				}
			},
			"time":      func(t *rapid.T) { w.now += time.Duration(rapid.IntRange(1, 300).Draw(t, "ms")) * time.Millisecond },
			"long time": func(t *rapid.T) { w.now += time.Duration(rapid.IntRange(1, 30).Draw(t, "s")) * time.Second },
			"restart receiver": func(t *rapid.T) {
				if len(w.taken) > 0 && rapid.Bool().Draw(t, "after commit") {
					w.commit(0, true) // and its ack is lost
				}
				w.startReceiver()
			},
			"kill sender": func(t *rapid.T) {
				if w.crashed || !rapid.Bool().Draw(t, "really") {
					t.Skip()
				}
				w.crashSender()
			},
			"restart push": func(t *rapid.T) {
				if !w.crashed {
					t.Skip()
				}
				w.startSender(true)
			},
		})
		total.blocks += len(w.blocks)
		total.early += len(w.store)
		w.settle()
		w.check()
		total.add(w)
	})
}
