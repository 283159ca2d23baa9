package recording

// Value is a captured Go value as a typed tree.
type Value struct {
	Name     string // parameter or field; "" for elements
	Type     TypeID // 0: the table does not have it
	TypeName string
	Kind     TypeKind

	Unreadable string     // why the value is unknown, "" when it is known; then nothing below means anything
	Nil        bool       // pointer, slice, map, chan, func, interface, unsafe.Pointer
	Bits       uint64     // bool, integers (sign-extended), floats (IEEE bits of float64), addresses of the pointer-like
	Complex    complex128 // complex kinds
	Text       string     // string bytes, bytes of byte slices and arrays, as captured; func: the function's name
	Len        uint64     // true length of string, slice, array, map, chan; number of fields of a struct
	Cap        uint64     // slice, chan
	Truncated  bool       // string, slice, array, struct: less was captured than there is
	NotShown   bool       // pointer, interface: what it refers to lies beyond the bounds
	Cyclic     bool       // pointer: it refers to a value that is being shown further up
	Bytes      bool       // slice, array: of bytes, which are in Text; there are no Children
	Children   []Value    // elements, fields; pointer and interface: one, what it refers to
	Message    string     // error values of known types: what Error() returns; "" when unknown
	HasMessage bool
	MessageCut uint64 // bytes missing at the end of Message

	special special
}

// special marks values of types with a form of their own.
type special uint8

const (
	specialDuration special = iota + 1
	specialTime
)

// ValueDecoder turns capture records into values. Its fields must not change after the first use, but Types may grow.
// It is not safe for concurrent use.
type ValueDecoder struct {
	Types        *Types
	Bounds       Bounds
	FunctionName func(FunctionID) string // may be nil

	layouts layouts
}

// Reasons that the decoder gives by itself.
const (
	reasonDamaged  = "damaged record"
	reasonUnknown  = "type unknown"
	reasonTooMany  = "too many parts"
	reasonNoValues = "values were not captured"
)

// Values decodes a capture record of params. A record that is damaged, or empty because values were not captured, gives
// one value for each parameter, unreadable where its bytes are missing. It never fails and never panics. Its memory is
// bounded by 1 KiB for each byte of data, 2 MiB, and what Param and Type names take, whatever data holds. The values do not
// share memory with data.
func (d *ValueDecoder) Values(params []Param, data []byte) []Value {
	d.layouts.reset(d.Types, d.Bounds)
	lays := make([]*layout, len(params))
	values := make([]Value, len(params))
	for i, p := range params {
		if p.Unreadable == "" {
			lays[i] = d.layouts.of(p.Type)
			values[i] = lays[i].blank()
		} else if t, ok := d.Types.Get(p.Type); ok {
			values[i] = Value{Type: t.ID, TypeName: t.Name, Kind: t.Kind}
		}
		values[i].Name, values[i].Unreadable = p.Name, p.Unreadable
	}
	d.decode(lays, values, data)
	return values
}

// Any decodes a capture record made by Capturer.AppendAny, such as that of a panic's value.
func (d *ValueDecoder) Any(data []byte) Value {
	d.layouts.reset(d.Types, d.Bounds)
	values := []Value{d.layouts.any.blank()}
	d.decode([]*layout{d.layouts.any}, values, data)
	return values[0]
}

// String returns the value in Go syntax.
func (v *Value) String() string { return string(v.AppendGo(nil)) }
