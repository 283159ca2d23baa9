//go:build linux && amd64

package install

import (
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

const (
	// lockedRings bounds the rings of a program that locks all its memory: every page of them is taken at once then, used or not, and the
	// program waits meanwhile.
	lockedRings = 64 << 20
	// addressShare is the part of the addresses a program may still take that rings get, where these are limited.
	addressShare = 16
	// memoryShare is the part of the memory a program may still take that narrowRings rings fill, where that is limited.
	memoryShare = 4

	narrowRings     = 128       // how many rings there are at most where there is not room for all
	fewestRings     = 16        // and at least
	narrowRingBytes = 256 << 10 // the size below which such a ring is not made smaller
)

// layout says how many rings of which size a process gets: as many as can be offered, fewer and smaller ones where its memory is
// locked or its addresses are limited, and smaller ones where its memory is limited.
func (o *Options) layout(pid int, img *site.Image) ring.Layout {
	l := ring.Layout{Count: o.Rings, DataSize: (o.RingBytes + pageSize - 1) &^ (pageSize - 1)}
	if l.DataSize == 0 {
		l.DataSize = DefaultRingBytes
	}
	if l.Count == 0 {
		l.Count = max(DefaultRings/8, min(DefaultRings, int(ringAddresses/l.DataSize)))
	}
	l.Count = min(l.Count, ring.OfferedMax)
	if groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid)); err == nil {
		if left, limited := memoryLeft(string(groups), "/sys/fs/cgroup"); limited {
			l.DataSize = min(l.DataSize, max(left/memoryShare/narrowRings, narrowRingBytes)&^(pageSize-1))
		}
	}
	if room := roomFor(pid, img); uint64(l.Count)*l.DataSize > room {
		l.DataSize = min(l.DataSize, max(room/narrowRings, narrowRingBytes)&^(pageSize-1))
		l.Count = min(l.Count, max(int(room/l.DataSize), fewestRings))
	}
	return l
}

// roomFor returns how many bytes a process has for rings.
func roomFor(pid int, img *site.Image) uint64 {
	room := uint64(math.MaxUint64)
	if locks(img) {
		room = lockedRings
	}
	if left, limited := addressesLeft(pid); limited {
		room = min(room, left/addressShare)
	}
	return room
}

// locks reports whether a program holds a function that locks all its memory. The linker keeps none that is never called.
func locks(img *site.Image) bool {
	return slices.ContainsFunc(img.Functions, func(f site.Function) bool {
		return strings.HasSuffix(f.Name, ".Mlockall") || strings.HasSuffix(f.Name, "._Cfunc_mlockall")
	})
}

// addressesLeft returns how many bytes of addresses a process can still map, if that is limited.
func addressesLeft(pid int) (left uint64, limited bool) {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_AS, nil, &limit); err != nil || limit.Cur >= 1<<47 {
		return 0, false
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, false
	}
	var pages uint64
	if _, err := fmt.Sscan(string(statm), &pages); err != nil {
		return 0, false
	}
	if used := pages * pageSize; used < limit.Cur {
		return limit.Cur - used, true
	}
	return 0, true
}

// memoryLeft returns how many bytes of memory a process can still take before one of its control groups has it killed, as in a container: what it
// writes to rings counts as its own. groups are those of the process, as the kernel lists them, and root is where they are.
func memoryLeft(groups, root string) (left uint64, limited bool) {
	number := func(file ...string) (uint64, bool) {
		text, err := os.ReadFile(filepath.Join(file...))
		if err != nil {
			return 0, false
		}
		n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		return n, err == nil // "max" is none
	}
	left = math.MaxUint64
	for line := range strings.Lines(groups) {
		_, group, _ := strings.Cut(line, ":")
		controllers, group, _ := strings.Cut(strings.TrimSuffix(group, "\n"), ":")
		under, most, now, prefix := root, "memory.max", "memory.current", ""
		if controllers != "" {
			under, most, now, prefix = filepath.Join(root, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
			if !slices.Contains(strings.Split(controllers, ","), "memory") {
				continue
			}
		}
		if !path.IsAbs(group) || strings.Contains(group, "..") { // it lies outside of what can be seen here
			continue
		}
		for ; ; group = path.Dir(group) {
			limit, ok := number(under, group, most)
			used, known := number(under, group, now)
			if ok && known {
				used -= min(used, cached(filepath.Join(under, group, "memory.stat"), prefix))
				left, limited = min(left, limit-min(used, limit)), true
			}
			if group == "/" {
				break
			}
		}
	}
	return left, limited
}

// cached returns how many bytes of a control group's memory are copies of files, which the kernel gives up before it has anybody killed.
func cached(file, prefix string) (n uint64) {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == prefix+"inactive_file" || name == prefix+"active_file" {
			bytes, _ := strconv.ParseUint(value, 10, 64)
			n += bytes
		}
	}
	return n
}
