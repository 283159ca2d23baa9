//go:build linux && amd64

package ring

import "smiley/recording"

func damaged(ring int, site uint32) error {
	return recording.Errorf(recording.CodeDamaged, "ring %d holds a record of site %d that is none", ring, site)
}

func astray(ring int, addr uint64) error {
	return recording.Errorf(recording.CodeDamaged, "ring %d says that it was written up to %#x, where it has no room", ring, addr)
}
