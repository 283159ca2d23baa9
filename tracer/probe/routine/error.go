package routine

import "smiley/recording"

func unpatchable(addr uint64, why string) error {
	return recording.Errorf(recording.CodeUnsupported, "the code at %#x cannot be patched: %s", addr, why).
		WithHint("record with --engine breakpoint")
}
