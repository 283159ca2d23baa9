package debuginfo

import (
	"bytes"
	"debug/dwarf"
	"encoding/binary"
)

// form says how an attribute is written.
type form uint16

const (
	formAddr        form = 0x01
	formBlock2      form = 0x03
	formBlock4      form = 0x04
	formData2       form = 0x05
	formData4       form = 0x06
	formData8       form = 0x07
	formString      form = 0x08
	formBlock       form = 0x09
	formBlock1      form = 0x0a
	formData1       form = 0x0b
	formFlag        form = 0x0c
	formSdata       form = 0x0d
	formStrp        form = 0x0e
	formUdata       form = 0x0f
	formRefAddr     form = 0x10
	formRef1        form = 0x11
	formRef2        form = 0x12
	formRef4        form = 0x13
	formRef8        form = 0x14
	formRefUdata    form = 0x15
	formIndirect    form = 0x16
	formSecOffset   form = 0x17
	formExprloc     form = 0x18
	formFlagPresent form = 0x19
	formStrx        form = 0x1a
	formAddrx       form = 0x1b
	formRefSup4     form = 0x1c
	formStrpSup     form = 0x1d
	formData16      form = 0x1e
	formLineStrp    form = 0x1f
	formRefSig8     form = 0x20
	formImplicit    form = 0x21
	formLoclistx    form = 0x22
	formRnglistx    form = 0x23
	formRefSup8     form = 0x24
	formStrx1       form = 0x25
	formStrx4       form = 0x28
	formAddrx1      form = 0x29
	formAddrx2      form = 0x2a
	formAddrx3      form = 0x2b
	formAddrx4      form = 0x2c
)

// abbreviation is the shape of entries.
type abbreviation struct {
	tag      dwarf.Tag
	children bool
	fields   []field
	steps    []step // what to do to step over an entry behind its number
}

// step steps over one field, or over several that follow one another and have a fixed length.
type step struct {
	kind  stepKind
	bytes uint32 // stepFixed
	field int    // stepOther: position among the fields
}

type stepKind uint8

const (
	stepFixed stepKind = iota
	stepText           // up to a zero byte
	stepBlock          // a number, and as many bytes
	stepOther
)

// addStep adds what steps over the last of the fields.
func (a *abbreviation) addStep() {
	f := &a.fields[len(a.fields)-1]
	last := len(a.steps) - 1
	switch {
	case f.size >= 0 && last >= 0 && a.steps[last].kind == stepFixed:
		a.steps[last].bytes += uint32(f.size)
	case f.size >= 0:
		a.steps = append(a.steps, step{kind: stepFixed, bytes: uint32(f.size)})
	case f.form == formString:
		a.steps = append(a.steps, step{kind: stepText})
	case f.form == formBlock, f.form == formExprloc:
		a.steps = append(a.steps, step{kind: stepBlock})
	default:
		a.steps = append(a.steps, step{kind: stepOther, field: len(a.fields) - 1})
	}
}

type field struct {
	attr     dwarf.Attr
	form     form
	size     int // bytes; −1: not always the same
	implicit int64
}

// parseAbbreviations reads a table of abbreviations, which are found by their number. Nothing is left of a damaged one.
func parseAbbreviations(data []byte, at uint64) []abbreviation {
	const limit = 1 << 16
	table := []abbreviation{{}}
	c := cursor{data: data, at: at}
	for !c.failed {
		number := c.uleb()
		if number == 0 || number > limit {
			break
		}
		a := abbreviation{tag: dwarf.Tag(c.uleb()), children: c.fixed(1) != 0}
		for !c.failed {
			f := field{attr: dwarf.Attr(c.uleb()), form: form(c.uleb())}
			if f.attr == 0 && f.form == 0 {
				break
			}
			if f.form == formImplicit {
				f.implicit = c.sleb()
			}
			f.size = f.form.size()
			a.fields = append(a.fields, f)
			a.addStep()
		}
		for uint64(len(table)) <= number {
			table = append(table, abbreviation{})
		}
		table[number] = a
	}
	return table
}

// abbreviation returns the abbreviation of a number; nil for 0 and for those that do not exist.
func (u *Unit) abbreviation(number uint64) *abbreviation {
	if number == 0 || number >= uint64(len(u.table)) {
		return nil
	}
	return &u.table[number]
}

// size returns the bytes of a form, −1 when it has not always the same.
func (f form) size() int {
	switch f {
	case formFlagPresent, formImplicit:
		return 0
	case formData1, formFlag, formRef1, formStrx1, formAddrx1:
		return 1
	case formData2, formRef2, formStrx1 + 1, formAddrx2:
		return 2
	case formStrx1 + 2, formAddrx3:
		return 3
	case formData4, formRef4, formRefSup4, formStrx4, formAddrx4:
		return 4
	case formAddr, formData8, formRef8, formRefSig8, formRefSup8:
		return 8
	case formData16:
		return 16
	}
	return -1
}

// cursor reads forward. Once it has failed, everything it returns is nothing.
type cursor struct {
	data   []byte
	at     uint64
	last   uint64 // what uleb returned last
	failed bool
}

func (c *cursor) fail() uint64 {
	c.failed, c.at, c.last = true, uint64(len(c.data)), 1
	return 0
}

// fixed reads a number of n bytes.
func (c *cursor) fixed(n int) uint64 {
	if c.at > uint64(len(c.data)) || uint64(n) > uint64(len(c.data))-c.at {
		return c.fail()
	}
	b := c.data[c.at : c.at+uint64(n)]
	c.at += uint64(n)
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	var v uint64
	for i := range b {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func (c *cursor) offset(wide bool) uint64 {
	if wide {
		return c.fixed(8)
	}
	return c.fixed(4)
}

func (c *cursor) uleb() uint64 {
	if c.at < uint64(len(c.data)) && c.data[c.at] < 0x80 { // nearly always
		c.last = uint64(c.data[c.at])
		c.at++
		return c.last
	}
	if c.at >= uint64(len(c.data)) {
		return c.fail()
	}
	v, n := binary.Uvarint(c.data[c.at:])
	if n <= 0 {
		return c.fail()
	}
	c.at += uint64(n)
	c.last = v
	return v
}

func (c *cursor) sleb() int64 {
	var v int64
	for shift := 0; shift < 64; shift += 7 {
		b := c.fixed(1)
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if shift += 7; shift < 64 && b&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
	return v
}

// text reads up to a zero byte.
func (c *cursor) text() []byte {
	if c.at > uint64(len(c.data)) {
		c.fail()
		return nil
	}
	n := bytes.IndexByte(c.data[c.at:], 0)
	if n < 0 {
		c.fail()
		return nil
	}
	b := c.data[c.at : c.at+uint64(n)]
	c.at += uint64(n) + 1
	return b
}

func (c *cursor) advance(n uint64) {
	if c.at > uint64(len(c.data)) || n > uint64(len(c.data))-c.at {
		c.fail()
		return
	}
	c.at += n
}

// skipAll steps over an entry's fields.
func (c *cursor) skipAll(u *Unit, a *abbreviation) {
	for i := range a.steps {
		switch s := &a.steps[i]; s.kind {
		case stepFixed:
			c.advance(uint64(s.bytes))
		case stepText:
			c.pass()
		case stepBlock:
			c.advance(c.uleb())
		default:
			c.skip(u, &a.fields[s.field])
		}
	}
}

// pass steps over what text reads. Most of what is stepped over is the names of variables, which are short.
func (c *cursor) pass() {
	for at := c.at; at < uint64(len(c.data)); at++ {
		if c.data[at] == 0 {
			c.at = at + 1
			return
		}
	}
	c.fail()
}

// skip steps over one field.
func (c *cursor) skip(u *Unit, f *field) {
	if f.size >= 0 {
		c.advance(uint64(f.size))
		return
	}
	switch f.form {
	case formString:
		c.text()
	case formBlock1:
		c.advance(c.fixed(1))
	case formBlock2:
		c.advance(c.fixed(2))
	case formBlock4:
		c.advance(c.fixed(4))
	case formBlock, formExprloc:
		c.advance(c.uleb())
	case formUdata, formSdata, formRefUdata, formStrx, formAddrx, formLoclistx, formRnglistx:
		for !c.failed && c.fixed(1) >= 0x80 {
		}
	case formStrp, formLineStrp, formSecOffset, formStrpSup:
		c.offset(u.wide)
	case formRefAddr:
		if u.version < 3 {
			c.advance(8)
		} else {
			c.offset(u.wide)
		}
	case formIndirect:
		in := field{form: form(c.uleb())}
		in.size = in.form.size()
		c.skip(u, &in)
	default:
		c.fail() // its length is not known
	}
}

// number reads a number of any form; 0 from forms that hold none.
func (c *cursor) number(u *Unit, f *field) int64 {
	switch f.form {
	case formImplicit:
		return f.implicit
	case formFlagPresent:
		return 1
	case formUdata, formRnglistx, formRefUdata:
		return int64(c.uleb())
	case formSdata:
		return c.sleb()
	case formSecOffset:
		return int64(c.offset(u.wide))
	case formData1, formFlag, formRef1, formData2, formRef2, formData4, formRef4, formData8, formRef8, formAddr:
		return int64(c.fixed(f.size))
	}
	c.skip(u, f)
	return 0
}

// reference reads the place of another entry.
func (c *cursor) reference(u *Unit, f *field) Offset {
	if f.form == formRefAddr {
		if u.version < 3 {
			return Offset(c.fixed(8))
		}
		return Offset(c.offset(u.wide))
	}
	return u.begin + Offset(c.number(u, f))
}
