package debuginfo

import (
	"debug/dwarf"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"smiley/internal/stress"
	"smiley/tracer/elffile"
)

// program builds a real program and opens it.
func program(t *testing.T, env ...string) *elffile.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-o", path, "cmd/gofmt")
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := elffile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestAgreesWithTheStandardLibrary reads every entry of a program both ways.
func TestAgreesWithTheStandardLibrary(t *testing.T) {
	builds := [][]string{{}}
	if stress.Full() {
		builds = append(builds, []string{"GOEXPERIMENT=nodwarf5"}) // which builds the standard library anew
	}
	for _, env := range builds {
		agrees(t, env)
	}
}

func agrees(t *testing.T, env []string) {
	f := program(t, env...)
	d, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	want, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	entries := 0
	for _, u := range d.Units {
		e, ok := d.Entry(u.Offset)
		if !ok {
			t.Fatalf("unit %s has no entry", u.Path)
		}
		r := want.Reader()
		r.Seek(dwarf.Offset(u.Offset))
		head, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		ranges, err := want.Ranges(head)
		if err != nil {
			t.Fatal(err)
		}
		if len(ranges) != len(u.Ranges) {
			t.Fatalf("unit %s: %d ranges, not %d", u.Path, len(u.Ranges), len(ranges))
		}
		for i := range ranges {
			if ranges[i] != u.Ranges[i] {
				t.Fatalf("unit %s: range %x, not %x", u.Path, u.Ranges[i], ranges[i])
			}
		}
		same(t, &e, head)
		entries += walk(t, d, r, &e)
	}
	if entries < 50_000 {
		t.Errorf("%d entries in %d units: too few to mean anything", entries, len(d.Units))
	}
}

// walk compares the children of an entry, r being at the first of them.
func walk(t *testing.T, d *Data, r *dwarf.Reader, e *Entry) int {
	n := 0
	for c := range d.Children(e) {
		want, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		same(t, c, want)
		n += 1 + walk(t, d, r, c)
	}
	if e.Children {
		if last, err := r.Next(); err != nil || last.Tag != 0 {
			t.Fatalf("entry %#x: its children end before %v, %v", e.Offset, last, err)
		}
	}
	return n
}

func same(t *testing.T, got *Entry, want *dwarf.Entry) {
	t.Helper()
	if got.Offset != Offset(want.Offset) || got.Tag != want.Tag || got.Children != want.Children {
		t.Fatalf("%+v is not %+v", got, want)
	}
	name, _ := want.Val(dwarf.AttrName).(string)
	pkg, hasPkg := want.Val(attrGoPackageName).(string)
	kind, hasKind := want.Val(attrGoKind).(int64)
	low, hasLow := want.Val(dwarf.AttrLowpc).(uint64)
	size, hasSize := want.Val(dwarf.AttrByteSize).(int64)
	number := func(a dwarf.Attr) int64 { v, _ := want.Val(a).(int64); return v }
	truth := func(a dwarf.Attr) bool { v, _ := want.Val(a).(bool); return v }
	place := func(a dwarf.Attr) Offset { v, _ := want.Val(a).(dwarf.Offset); return Offset(v) }
	runtimeType, _ := want.Val(attrGoRuntimeType).(uint64)
	if v, ok := want.Val(attrGoRuntimeType).(int64); ok {
		runtimeType = uint64(v)
	}
	expected := *got
	expected.name = []byte(name)
	expected.PackageName, expected.HasPackageName = pkg, hasPkg
	expected.Kind, expected.HasKind = kind, hasKind
	expected.LowPC, expected.HasLowPC = low, hasLow
	expected.Size, expected.HasSize = size, hasSize
	expected.Count, expected.Location = number(dwarf.AttrCount), number(dwarf.AttrDataMemberLoc)
	expected.Line, expected.RuntimeType = number(dwarf.AttrDeclLine), runtimeType
	expected.Type, expected.Origin = place(dwarf.AttrType), place(dwarf.AttrAbstractOrigin)
	expected.Key, expected.Elem = place(attrGoKey), place(attrGoElem)
	expected.Result, expected.Embedded = truth(dwarf.AttrVarParam), truth(attrGoEmbedded)
	expected.Inline = want.Val(dwarf.AttrInline) != nil
	if string(expected.name) != string(got.name) {
		t.Fatalf("%q is not %q: %+v", got.name, name, want)
	}
	a, b := expected, *got
	a.name, b.name = nil, nil
	if a.PackageName != b.PackageName || a.Type != b.Type || a.Origin != b.Origin || a.Key != b.Key || a.Elem != b.Elem ||
		a.LowPC != b.LowPC || a.Size != b.Size || a.Count != b.Count || a.Location != b.Location || a.Line != b.Line ||
		a.Kind != b.Kind || a.RuntimeType != b.RuntimeType || a.HasLowPC != b.HasLowPC || a.HasSize != b.HasSize ||
		a.HasKind != b.HasKind || a.Inline != b.Inline || a.Result != b.Result || a.Embedded != b.Embedded {
		t.Fatalf("%+v\nis not %+v", got, want)
	}
}

// TestDamagedInformation changes bytes at random: nothing that is read then may panic or go on for ever.
func TestDamagedInformation(t *testing.T) {
	f := program(t)
	whole, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	abbrev, err := f.Section(".debug_abbrev").Data()
	if err != nil {
		t.Fatal(err)
	}
	info := whole.info[:min(len(whole.info), 200_000)]
	for seed := range uint64(stress.Times(20, 500)) {
		r := rand.New(rand.NewPCG(seed, 3))
		spoil := func(b []byte) []byte {
			b = append([]byte{}, b...)
			for range 1 + r.IntN(50) {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
			return b[:len(b)-r.IntN(len(b)/2)]
		}
		d := &Data{
			info: spoil(info), addresses: whole.addresses, lists: spoil(whole.lists), abbreviations: map[uint64][]abbreviation{},
		}
		abbrev := abbrev
		if r.IntN(2) == 0 {
			abbrev = spoil(abbrev)
		}
		_ = d.readUnits(abbrev)
		for _, u := range d.Units {
			if e, ok := d.Entry(u.Offset); ok {
				for c := range d.Children(&e) {
					for range d.Children(c) {
					}
				}
			}
		}
	}
}

// TestForget: what was given back is read again when it is asked for, and what was kept is not.
func TestForget(t *testing.T) {
	d, err := Open(program(t))
	if err != nil {
		t.Fatal(err)
	}
	listed := func(kept bool) (list []string) {
		for _, u := range d.Units {
			if kept != (u.Path == "runtime") {
				continue
			}
			e, _ := d.Entry(u.Offset)
			for c := range d.Children(&e) {
				list = append(list, fmt.Sprint(c.Offset, c.Tag, c.Name(), c.Type))
			}
		}
		return list
	}
	kept, others := listed(true), listed(false)
	d.Forget(func(u *Unit) bool { return u.Path == "runtime" })
	if !slices.Equal(listed(true), kept) || len(kept) == 0 {
		t.Error("what was kept is not what it was")
	}
	if d.info != nil {
		t.Error("nothing was given back, or what was kept had to be read again")
	}
	if !slices.Equal(listed(false), others) || len(others) == 0 {
		t.Error("what was read again is not what it was")
	}
}
