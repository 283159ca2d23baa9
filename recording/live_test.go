package recording

import (
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

// live captures values of the test process itself: its types come from reflect, its memory from /proc/self/mem.
type live struct {
	t         testing.TB
	types     *Types
	ids       map[reflect.Type]TypeID
	functions []string
	memory    *os.File
}

func newLive(t testing.TB) *live {
	t.Helper()
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skipf("this system does not show a process its own memory: %v", err)
	}
	t.Cleanup(func() { _ = memory.Close() })
	return &live{t: t, types: NewTypes(nil), ids: map[reflect.Type]TypeID{}, memory: memory}
}

func (l *live) ReadMemory(dst []byte, addr uint64) error {
	_, err := l.memory.ReadAt(dst, int64(addr))
	return err
}

func (l *live) DynamicType(word uint64) TypeID {
	words := [2]uintptr{uintptr(word), 0}
	return l.define(reflect.TypeOf(*(*any)(unsafe.Pointer(&words))))
}

func (l *live) ItabType(itab uint64) TypeID {
	var word [8]byte
	if err := l.ReadMemory(word[:], itab+8); err != nil {
		return 0
	}
	return l.DynamicType(*(*uint64)(unsafe.Pointer(&word)))
}

func (l *live) FunctionAt(pc uint64) FunctionID {
	f := runtime.FuncForPC(uintptr(pc))
	if f == nil {
		return 0
	}
	l.functions = append(l.functions, f.Name())
	return FunctionID(len(l.functions))
}

func (l *live) functionName(id FunctionID) string { return l.functions[id-1] }

// define returns the id of a type, adding it and all that it mentions.
func (l *live) define(t reflect.Type) TypeID {
	if id, ok := l.ids[t]; ok {
		return id
	}
	var batch []reflect.Type
	l.number(t, &batch)
	for _, t := range batch {
		l.types.Add(l.describe(t))
	}
	return l.ids[t]
}

// number gives ids to t and all types it mentions.
func (l *live) number(t reflect.Type, batch *[]reflect.Type) {
	if _, ok := l.ids[t]; ok {
		return
	}
	l.ids[t] = TypeID(len(l.ids) + 1)
	*batch = append(*batch, t)
	switch t.Kind() {
	case reflect.Map:
		l.number(t.Key(), batch)
		l.number(t.Elem(), batch)
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Chan:
		l.number(t.Elem(), batch)
	case reflect.Struct:
		for i := range t.NumField() {
			l.number(t.Field(i).Type, batch)
		}
	}
}

var liveNames = strings.NewReplacer("interface {}", "any", "struct {}", "struct{}")

func (l *live) describe(t reflect.Type) Type {
	d := Type{
		ID: l.ids[t], Name: liveNames.Replace(t.String()), Package: t.PkgPath(), Size: uint32(t.Size()),
		Kind: TypeKind(t.Kind()),
	}
	switch t.Kind() {
	case reflect.Map:
		d.Kind, d.Key, d.Elem = KindMap, l.ids[t.Key()], l.ids[t.Elem()]
	case reflect.Slice:
		d.Kind, d.Elem = KindSlice, l.ids[t.Elem()]
	case reflect.Array:
		d.Kind, d.Elem, d.Len = KindArray, l.ids[t.Elem()], uint64(t.Len())
	case reflect.Pointer:
		d.Kind, d.Elem = KindPointer, l.ids[t.Elem()]
	case reflect.Chan:
		d.Kind, d.Elem = KindChan, l.ids[t.Elem()]
	case reflect.Func:
		d.Kind = KindFunc
	case reflect.Interface:
		d.Kind, d.Methods = KindInterface, t.NumMethod() > 0
	case reflect.String:
		d.Kind = KindString
	case reflect.UnsafePointer:
		d.Kind = KindUnsafePointer
	case reflect.Struct:
		d.Kind = KindStruct
		for i := range t.NumField() {
			f := t.Field(i)
			d.Fields = append(d.Fields, Field{
				Name: f.Name, Type: l.ids[f.Type], Offset: uint32(f.Offset),
				Embedded: f.Anonymous,
			})
		}
	}
	return d
}

// capture copies the value that pointer, a *T, points to and decodes it again.
func (l *live) capture(pointer reflect.Value, bounds Bounds) (Value, []byte, Counts) {
	params := []Param{{Name: "v", Type: l.define(pointer.Type().Elem())}}
	c := Capturer{Types: l.types, Bounds: bounds, Memory: l, Resolver: l}
	record, counts := c.Append(nil, params, []Root{{Addr: uint64(pointer.Pointer())}})
	runtime.KeepAlive(pointer)
	return l.decode(params, record, bounds)[0], record, counts
}

func (l *live) decode(params []Param, record []byte, bounds Bounds) []Value {
	d := ValueDecoder{Types: l.types, Bounds: bounds, FunctionName: l.functionName}
	return d.Values(params, record)
}

// captureOf captures a value of static type T.
func captureOf[T any](l *live, value T, bounds Bounds) Value {
	p := new(T)
	*p = value
	v, _, _ := l.capture(reflect.ValueOf(p), bounds)
	return v
}
