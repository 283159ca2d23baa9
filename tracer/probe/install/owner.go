//go:build linux && amd64

package install

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"smiley/recording"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/site"
)

// Owner returns the process that records pid through probes, 0 when none does that lives: the one that has mapped the same
// memory. It does not stop the program.
func Owner(pid int) (int, error) {
	code, err := sharedRegions(pid)
	if err != nil || len(code) == 0 {
		return 0, err
	}
	regions := map[string]bool{}
	for _, m := range code {
		regions[m.file] = true
	}
	all, err := filepath.Glob("/proc/[0-9]*/maps")
	if err != nil {
		return 0, recording.Errorf(recording.CodeInternal, "listing processes: %w", err)
	}
	for _, path := range all {
		other, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || other == pid {
			continue
		}
		maps, err := os.ReadFile(path)
		if err != nil {
			continue // it ended, or it is another user's: that one could not have attached either
		}
		for line := range strings.Lines(string(maps)) {
			if m, ok := parseShared(line); ok && regions[m.file] && !m.executable {
				return other, nil
			}
		}
	}
	return 0, nil
}

// sharedMapping is a line of a process's mappings that could be one of ours: shared, and of a memfd without a name.
type sharedMapping struct {
	file       string // device and inode
	from, to   uint64
	offset     uint64 // in the file
	executable bool
}

func parseShared(line string) (sharedMapping, bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || len(fields[1]) != 4 || fields[1][3] != 's' || fields[5] != "/memfd:" {
		return sharedMapping{}, false
	}
	m := sharedMapping{file: fields[3] + " " + fields[4], executable: fields[1][2] == 'x'}
	_, err := fmt.Sscanf(fields[0]+" "+fields[2], "%x-%x %x", &m.from, &m.to, &m.offset)
	return m, err == nil
}

// sharedRegions lists the code that tracers shared with a program, those that are gone too.
func sharedRegions(pid int) ([]sharedMapping, error) {
	all, err := sharedMappings(pid)
	return slices.DeleteFunc(all, func(m sharedMapping) bool { return !m.executable }), err
}

// sharedMappings lists all that tracers shared with a program, see mappings: code, the shared page behind it, and rings, of one file. A program
// can have such files of its own, a smiley that records another one among them: what is not mapped like that is none of ours.
func sharedMappings(pid int) ([]sharedMapping, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, recording.Errorf(recording.CodePermission, "reading the mappings of process %d: %w", pid, err).
			WithHint("try as its user, or as root")
	}
	return ours(string(maps)), nil
}

// ours lists what tracers mapped, in the order of maps, the mappings of a process.
func ours(maps string) []sharedMapping {
	files := map[string][]sharedMapping{}
	var list []sharedMapping
	for line := range strings.Lines(maps) {
		if m, ok := parseShared(line); ok {
			files[m.file] = append(files[m.file], m)
			list = append(list, m)
		}
	}
	return slices.DeleteFunc(list, func(m sharedMapping) bool { return !whole(files[m.file]) })
}

// whole reports whether the mappings of a file are those that a tracer makes.
func whole(file []sharedMapping) bool {
	if len(file) != sharedParts {
		return false
	}
	slices.SortFunc(file, func(a, b sharedMapping) int { return cmp.Compare(a.offset, b.offset) })
	code, shared, rings := file[0], file[1], file[2]
	return code.executable && !shared.executable && !rings.executable &&
		code.offset == 0 && shared.offset == code.to-code.from && rings.offset == shared.offset+ring.SharedLen &&
		shared.from == code.to && shared.to-shared.from == ring.SharedLen
}

// Left reports whether a tracer that died left something in a program's code. It does not stop the program. A living tracer's
// probes count, too: ask Owner first. In a program that the process became since img was read there is nothing.
func Left(pid int, img *site.Image) (bool, error) {
	bias, err := Bias(pid, img)
	if err != nil {
		return false, err
	}
	if runs(pid, img, bias) != nil {
		return false, nil
	}
	p := &Process{Pid: pid}
	if err := p.open(); err != nil {
		return false, err
	}
	defer func() { _ = p.memory.Close() }()
	code, err := sharedRegions(pid)
	if err != nil {
		return false, err
	}
	changes, err := changesOf(p.memory, img, bias, code)
	return err == nil && len(changes.ours) > 0, err
}
