package ring

import "smiley/recording"

func damaged(ring int, site uint32) error {
	return recording.Errorf(recording.CodeDamaged, "ring %d holds a record of site %d that is none", ring, site)
}
