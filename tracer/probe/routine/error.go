package routine

import "smiley/recording"

func unpatchable(name, why string) error {
	return recording.Errorf(recording.CodeUnsupported, "%s cannot be patched: %s", name, why).
		WithHint("record with --engine breakpoint")
}
