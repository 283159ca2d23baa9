package debuginfo

import (
	"debug/dwarf"
	"encoding/binary"
)

const languageGo = 0x16

// readUnits reads the heads of all units. Those of other languages are left out.
func (d *Data) readUnits(abbrev []byte) error {
	for at := uint64(0); at+11 < uint64(len(d.info)); {
		u := &Unit{begin: Offset(at)}
		size, next := uint64(binary.LittleEndian.Uint32(d.info[at:])), at+4
		if size == 0xffffffff {
			if next+8 > uint64(len(d.info)) {
				return errDamaged
			}
			u.wide = true
			size, next = binary.LittleEndian.Uint64(d.info[next:]), next+8
		}
		end := next + size
		if end > uint64(len(d.info)) || end < next+8 {
			return errDamaged
		}
		if err := d.readUnit(u, next, end, abbrev); err != nil {
			return err
		}
		at = end
	}
	return nil
}

func (d *Data) readUnit(u *Unit, at, end uint64, abbrev []byte) error {
	c := cursor{data: d.info[:end], at: at}
	u.version, u.end = int(c.fixed(2)), Offset(end)
	var table uint64
	switch {
	case u.version < 2 || u.version > 5:
		return nil
	case u.version == 5:
		kind, address := c.fixed(1), c.fixed(1)
		table = c.offset(u.wide)
		if kind != 1 || address != 8 { // a unit of types, or a part of one
			return nil
		}
	default:
		table = c.offset(u.wide)
		if c.fixed(1) != 8 {
			return nil
		}
	}
	var ok bool
	if u.table, ok = d.abbreviations[table]; !ok {
		u.table = parseAbbreviations(abbrev, table)
		d.abbreviations[table] = u.table
	}
	u.Offset = Offset(c.at)
	var e Entry
	if ok := d.read(u, u.Offset, &e); c.failed || !ok {
		return errDamaged
	}
	if e.Tag != dwarf.TagCompileUnit || e.language != languageGo && !e.HasPackageName {
		return nil
	}
	u.Path, u.PackageName = e.Name(), e.PackageName
	u.addressBase, u.listBase = e.addressBase, e.listBase
	if e.addressed { // an address that had to wait for its base
		d.read(u, u.Offset, &e)
	}
	d.rangesOf(u, &e)
	d.Units = append(d.Units, u)
	return nil
}

// rangesOf reads where a unit's code lies.
func (d *Data) rangesOf(u *Unit, e *Entry) {
	switch {
	case !e.HasRanges && e.HasLowPC && e.highPC > 0:
		high := e.highPC
		if !e.highAbsolute {
			high += e.LowPC
		}
		u.Ranges = append(u.Ranges, [2]uint64{e.LowPC, high})
	case e.HasRanges && u.version < 5:
		d.oldRanges(u, e)
	case e.HasRanges:
		d.newRanges(u, e)
	}
}

// oldRanges reads .debug_ranges: pairs of distances from a base, which pairs that begin with the highest number change.
func (d *Data) oldRanges(u *Unit, e *Entry) {
	c := cursor{data: d.ranges, at: e.ranges}
	base := e.LowPC
	for !c.failed {
		low, high := c.fixed(8), c.fixed(8)
		switch {
		case low == 0 && high == 0:
			return
		case low == ^uint64(0):
			base = high
		default:
			u.Ranges = append(u.Ranges, [2]uint64{base + low, base + high})
		}
	}
}

// newRanges reads .debug_rnglists.
func (d *Data) newRanges(u *Unit, e *Entry) {
	at := e.ranges
	if e.rangesIndexed {
		c := cursor{data: d.lists, at: u.listBase + 4*at}
		if u.wide {
			c.at = u.listBase + 8*at
		}
		at = u.listBase + c.offset(u.wide)
	}
	c := cursor{data: d.lists, at: at}
	base := e.LowPC
	add := func(low, high uint64) { u.Ranges = append(u.Ranges, [2]uint64{low, high}) }
	for !c.failed {
		switch kind := c.fixed(1); kind {
		case 1: // base address, by index
			base = d.address(u, c.uleb())
		case 2: // start and end by index
			low := d.address(u, c.uleb())
			add(low, d.address(u, c.uleb()))
		case 3: // start by index, length
			low := d.address(u, c.uleb())
			add(low, low+c.uleb())
		case 4: // distances from the base
			low := c.uleb()
			add(base+low, base+c.uleb())
		case 5:
			base = c.fixed(8)
		case 6:
			low := c.fixed(8)
			add(low, c.fixed(8))
		case 7:
			low := c.fixed(8)
			add(low, low+c.uleb())
		default:
			return
		}
	}
}

// address returns an address by its number.
func (d *Data) address(u *Unit, index uint64) uint64 {
	c := cursor{data: d.addresses, at: u.addressBase + 8*index}
	return c.fixed(8)
}
