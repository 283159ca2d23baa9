//go:build linux && amd64

package install

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

// TestClaimIsExclusive: many claim one process at once, and one at a time has it.
func TestClaimIsExclusive(t *testing.T) {
	var inside atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				release, err := Claim(os.Getpid())
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d have the claim at once", n)
				}
				inside.Add(-1)
				release()
			}
		})
	}
	all.Wait()
	one, err := claimName(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if other, err := claimName(os.Getppid()); err != nil || one == other {
		t.Errorf("%q and %q, %v", one, other, err)
	}
}
