package recording

// Types is a run's type table. It grows while a run is read or recorded; it is not safe for concurrent use.
type Types struct{ byID []*Type }

// NewTypes returns a table of the given types.
func NewTypes(types []Type) *Types {
	t := &Types{}
	t.Add(types...)
	return t
}

// Add adds types, complete ones: their layout must not change afterwards. Ids are dense, from 1; a type whose id is
// already taken or leaves a gap is ignored, so that a damaged definition cannot change what other bytes mean.
func (t *Types) Add(types ...Type) {
	for i := range types {
		if uint64(types[i].ID) != uint64(len(t.byID))+1 {
			continue
		}
		added := types[i]
		t.byID = append(t.byID, &added)
	}
}

// Get returns a type, which must not be changed; false for an id that is not defined.
func (t *Types) Get(id TypeID) (*Type, bool) {
	if t == nil || id == 0 || uint64(id) > uint64(len(t.byID)) {
		return nil, false
	}
	return t.byID[id-1], true
}

// Len returns how many types there are; their ids are 1…Len.
func (t *Types) Len() int {
	if t == nil {
		return 0
	}
	return len(t.byID)
}

// scalarSizes are the bytes of the kinds whose image is the value itself.
var scalarSizes = [...]uint8{
	KindBool: 1, KindInt: 8, KindInt8: 1, KindInt16: 2, KindInt32: 4, KindInt64: 8,
	KindUint: 8, KindUint8: 1, KindUint16: 2, KindUint32: 4, KindUint64: 8, KindUintptr: 8,
	KindFloat32: 4, KindFloat64: 8, KindComplex64: 8, KindComplex128: 16,
	KindPointer: 8, KindMap: 8, KindChan: 8, KindFunc: 8, KindUnsafePointer: 8,
	KindOpaque: 0,
}

// Scalar reports whether the image of a value of type t is its memory of that many bytes, and refers to nothing.
func (t *Type) Scalar(size int) bool {
	switch t.Kind {
	case KindPointer, KindMap, KindChan, KindFunc, KindOpaque:
		return false
	}
	return int(t.Kind) < len(scalarSizes) && size > 0 && int(scalarSizes[t.Kind]) == size
}

// builtinNames are the names of the predeclared types by kind; "" where there is none.
var builtinNames = [...]string{
	KindBool: "bool", KindInt: "int", KindInt8: "int8", KindInt16: "int16", KindInt32: "int32", KindInt64: "int64",
	KindUint: "uint", KindUint8: "uint8", KindUint16: "uint16", KindUint32: "uint32", KindUint64: "uint64",
	KindUintptr: "uintptr", KindFloat32: "float32", KindFloat64: "float64", KindComplex64: "complex64",
	KindComplex128: "complex128", KindString: "string", KindOpaque: "",
}

// isError reports whether t is the predeclared interface error.
func (t *Type) isError() bool { return t.Kind == KindInterface && t.Name == "error" && t.Package == "" }

// isBytes reports whether t is a slice or array of bytes: those are bounded like strings.
func (ts *Types) isBytes(t *Type) bool {
	if t.Kind != KindSlice && t.Kind != KindArray {
		return false
	}
	elem, ok := ts.Get(t.Elem)
	return ok && elem.Kind == KindUint8
}

// PointerShaped reports whether an interface keeps a value of type t in its data word instead of pointing to it: one
// pointer, and nothing else that has a size (the compiler's rule since Go 1.26; before, fields without a size beside
// the pointer made a difference).
func (ts *Types) PointerShaped(t *Type) bool {
	for range maxHeight {
		switch t.Kind {
		case KindPointer, KindMap, KindChan, KindFunc, KindUnsafePointer:
			return true
		case KindStruct, KindArray:
			inner, ok := ts.soleWord(t)
			if !ok {
				return false
			}
			t = inner
		default:
			return false
		}
	}
	return false
}

// soleWord returns the type of the only field or element of t that has a size.
func (ts *Types) soleWord(t *Type) (*Type, bool) {
	if t.Size != 8 {
		return nil, false
	}
	if t.Kind == KindArray {
		elem, ok := ts.Get(t.Elem)
		return elem, ok && t.Len == 1
	}
	for _, f := range t.Fields {
		ft, ok := ts.Get(f.Type)
		if !ok {
			return nil, false
		}
		if ft.Size == 8 {
			return ft, true
		}
	}
	return nil, false
}
