package tracer

import "smiley/recording"

// anyFloat reports whether one of params may lie in a float register.
func anyFloat(types *recording.Types, params []recording.Param) bool {
	for _, p := range params {
		if p.Unreadable == "" && holdsFloat(types, p.Type, 0) {
			return true
		}
	}
	return false
}

func holdsFloat(types *recording.Types, id recording.TypeID, depth int) bool {
	// A value in registers has no more than 15 floats, so deeper nesting can only be of empty or long types.
	const maxDepth = 32
	t, ok := types.Get(id)
	if !ok || depth > maxDepth {
		return true // rather read a register too many
	}
	switch t.Kind {
	case recording.KindFloat32, recording.KindFloat64, recording.KindComplex64, recording.KindComplex128:
		return true
	case recording.KindArray:
		return t.Len == 1 && holdsFloat(types, t.Elem, depth+1)
	case recording.KindStruct:
		for _, f := range t.Fields {
			if holdsFloat(types, f.Type, depth+1) {
				return true
			}
		}
	}
	return false
}
