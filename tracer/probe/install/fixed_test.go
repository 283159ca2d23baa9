//go:build linux && amd64

package install

import (
	"testing"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// TestAddressesOfThePrograms: a program that maps memory at addresses of its own choice finds those free that are free without us.
func TestAddressesOfThePrograms(t *testing.T) {
	path := fixture(t, "fixed")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want, _, _ := untraced(t, nil, path)
	calls := 0
	r := record(t, img, mainProbes(img, twoWords), Options{Command: []string{path}}, func(r *ring.Record) error {
		if r.Site%2 == 0 {
			calls++
		}
		return nil
	})
	if r.stdout != want || calls != 8 {
		t.Errorf("%d calls; output\n%s, untraced\n%s", calls, r.stdout, want)
	}
}
