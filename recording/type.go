package recording

// TypeKind is the kind of a Go type. The values are part of the format.
type TypeKind uint8

const (
	KindInvalid TypeKind = iota
	KindBool
	KindInt
	KindInt8
	KindInt16
	KindInt32
	KindInt64
	KindUint
	KindUint8
	KindUint16
	KindUint32
	KindUint64
	KindUintptr
	KindFloat32
	KindFloat64
	KindComplex64
	KindComplex128
	KindString
	KindSlice
	KindArray
	KindStruct
	KindPointer
	KindInterface
	KindMap
	KindChan
	KindFunc
	KindUnsafePointer
	KindOpaque // size known, structure not: rendered as unreadable
)

// String returns the kind as Go's reflect package names it.
func (k TypeKind) String() string {
	if int(k) < len(builtinNames) && builtinNames[k] != "" {
		return builtinNames[k]
	}
	switch k {
	case KindSlice:
		return "slice"
	case KindArray:
		return "array"
	case KindStruct:
		return "struct"
	case KindPointer:
		return "ptr"
	case KindInterface:
		return "interface"
	case KindMap:
		return "map"
	case KindChan:
		return "chan"
	case KindFunc:
		return "func"
	case KindUnsafePointer:
		return "unsafe.Pointer"
	}
	return "unknown"
}

// Type is a type of the recorded program.
type Type struct {
	ID      TypeID
	Name    string // as Go code outside its package writes it: "main.Point", "[]*json.Decoder", "map[string]int"
	Package string // import path of a named type; "" otherwise
	Kind    TypeKind
	Size    uint32  // bytes in the program's memory
	Elem    TypeID  // slice, array, pointer, chan, map (value)
	Key     TypeID  // map
	Len     uint64  // array
	Fields  []Field // struct, in memory order
	// Methods is how an interface with and one without methods are told apart in memory: true means the first word
	// is an itab, false a type.
	Methods bool
}

// Field is a field of a struct type.
type Field struct {
	Name     string
	Type     TypeID
	Offset   uint32
	Embedded bool
}
