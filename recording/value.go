package recording

// Value is a captured Go value as a typed tree.
type Value struct {
	Name     string // parameter or field; "" for elements
	Type     TypeID
	TypeName string
	Kind     TypeKind

	Unreadable string // why the value is unknown, "" when it is known; then nothing below means anything
	Nil        bool
	Bits       uint64     // bool, integers (sign-extended), floats (IEEE bits of float64), pointers, uintptr, func entry
	Complex    complex128 // complex kinds
	Text       string     // string bytes as captured, may be invalid UTF-8; func: the function's name
	Len        uint64     // true length of string, slice, array, map, chan
	Cap        uint64     // slice, chan
	Truncated  bool       // string, slice, array, struct: less was captured than there is
	NotShown   bool       // pointer, interface: what it refers to lies beyond the bounds
	Cyclic     bool       // pointer: it refers to a value that is being shown further up
	Children   []Value    // elements, fields; pointer and interface: one, what it refers to
	Message    string     // error values of known types: what Error() returns; "" when unknown
	HasMessage bool
}

// ValueDecoder turns capture records into values.
type ValueDecoder struct {
	Types        *Types
	Bounds       Bounds
	FunctionName func(FunctionID) string
}

// Values decodes a capture record of params. A record that is damaged, or empty because values were not captured, gives
// one value for each parameter, unreadable where its bytes are missing. It never fails and never panics, and its
// memory is bounded by a stated multiple of len(data) and the type table.
func (d *ValueDecoder) Values(params []Param, data []byte) []Value { panic("not written") }

// AppendGo appends the value in Go syntax as the JSON contract has it.
func (v *Value) AppendGo(dst []byte) []byte { panic("not written") }

// String returns the value in Go syntax.
func (v *Value) String() string { return string(v.AppendGo(nil)) }
