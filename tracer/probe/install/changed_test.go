//go:build linux && amd64

package install

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"smiley/internal/child"
	"smiley/recording"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// TestChangedByOthers: what somebody else has written into a program's code stays there, whether smiley comes, goes or cleans, and
// functions with such code get no probes.
func TestChangedByOthers(t *testing.T) {
	pid, img, end := busy(t)
	leaf, replaced, p := overwrite(t, pid, img)
	still := func(when string) {
		t.Helper()
		now := make([]byte, len(replaced))
		if _, err := p.memory.ReadAt(now, int64(leaf.Addr)); err != nil || !bytes.Equal(now, replaced) {
			t.Errorf("%s it is % x, %v", when, now, err)
		}
		if left, err := Left(pid, img); left || err != nil {
			t.Errorf("%s something of ours is there: %v, %v", when, left, err)
		}
		if n, err := Clean(pid, img); n != 0 || err != nil {
			t.Errorf("%s %d bytes were taken out, %v", when, n, err)
		}
	}
	still("at first")
	for range 2 {
		q, err := Attach(pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(q.Skipped, func(s Skipped) bool { return s.Function == leaf && !s.Later }) {
			t.Errorf("left out were %v", q.Skipped)
		}
		follow(t, q, 1000, nil)
		if err := q.Remove(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Settle(pid, img); err != nil {
			t.Error(err)
		}
		still("afterwards")
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestChangedFromTheBeginning: in a program that begins with code that something else has changed, the functions concerned are left out, and no
// others.
func TestChangedFromTheBeginning(t *testing.T) {
	h, p, img, probes := begun(t)
	at := func(addr uint64) (b [1]byte) {
		if _, err := p.memory.ReadAt(b[:], int64(addr)); err != nil {
			t.Fatal(err)
		}
		return b
	}
	var changed []*site.Function // by a breakpoint where there would be a jump, as the kernel writes them
	places := []uint64{}
	for _, sites := range img.Plan(functionsOf(probes)) {
		if _, ok := sites.Complete(); !ok || len(changed) >= 6 {
			continue
		}
		list := append(slices.Clone(sites.Returns), sites.Entry)
		place := list[len(changed)%2*(len(list)-1)] // its first return, its entry
		if place.Form == site.FormInside {
			continue
		}
		changed, places = append(changed, sites.Function), append(places, place.Addr)
	}
	for _, place := range places {
		if _, err := p.memory.WriteAt([]byte{0xCC}, int64(place)); err != nil {
			t.Fatal(err)
		}
	}
	installed, err := h.Install(img, probes, Options{Rings: 32, RingBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = installed.Close() }()
	var left []*site.Function
	for _, s := range installed.Skipped {
		if s.Reason == ChangedByOthers {
			left = append(left, s.Function)
		}
	}
	if !slices.Equal(left, changed) {
		t.Errorf("%d functions are left out, of %d", len(left), len(changed))
	}
	for i, place := range places {
		if at(place) != [1]byte{0xCC} {
			t.Errorf("%s: %#x is not what was written there", changed[i].Name, place)
		}
	}
	if leaf := img.Lookup("main.leaf"); at(leaf.Addr)[0] != 0xE9 {
		t.Errorf("main.leaf begins with %#x", at(leaf.Addr))
	}
}

// TestChangedWhileItIsHeld: of an attempt to probe a program whose code changes just then, nothing is left.
func TestChangedWhileItIsHeld(t *testing.T) {
	h, p, img, probes := begun(t)
	changed := img.Lookup("main.leaf")
	options := Options{Rings: 32, RingBytes: 1 << 20, Ready: func() error {
		_, err := p.memory.WriteAt(bytes.Repeat([]byte{0xCC}, int(changed.End-changed.Addr)), int64(changed.Addr))
		return err
	}}
	if _, err := h.Install(img, probes, options); recording.CodeOf(err) != recording.CodeUnsupported {
		t.Errorf("installing says %v", err)
	}
	list, err := differences(p.memory, img, 0)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(list, func(d routine.Patch) bool { return d.Addr < changed.Addr || d.Addr >= changed.End }); i >= 0 {
		t.Errorf("%#x, one of %d, is not what it was", list[i].Addr, len(list))
	}
	if same, err := asInFile(p.memory, img, img.Lookup(handlerName).Addr, 0); !same || err != nil {
		t.Errorf("the handler of signals is as it was: %v, %v", same, err)
	}
}

// TestChangedPadding: a function whose island would lie where something else has written into padding has no probes; the others have theirs.
func TestChangedPadding(t *testing.T) {
	pid, img, end := busy(t)
	probes := mainProbes(img, twoWords)
	var without, written *site.Function
	p := &Process{Pid: pid}
	if err := p.open(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.memory.Close() }()
	for _, s := range img.Plan(functionsOf(probes)) {
		if s.Entry.Form == site.FormIsland && len(s.Hosts) == 0 {
			without, written = s.Function, img.FunctionAt(s.Entry.Island)
			if _, err := p.memory.WriteAt([]byte{0x90}, int64(s.Entry.Island+1)); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if without == nil {
		t.Fatal("no function has its island in padding: nothing to try")
	}
	q, err := Attach(pid, img, probes, Options{Rings: 32, RingBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var left []*site.Function
	for _, s := range q.Skipped {
		if s.Reason == ChangedByOthers && s.Function != written { // which the padding belongs to
			left = append(left, s.Function)
		}
	}
	if len(left) != 1 || left[0] != without {
		t.Errorf("left out were %+v", q.Skipped)
	}
	follow(t, q, 1000, nil)
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	if n := changed(t, p, img); n != 1 {
		t.Errorf("%d bytes differ", n)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// begun starts a program that stands at its first instruction, with probes for all its functions: they are in many pages, which are not all written
// at once.
func begun(t *testing.T) (h *Held, p *Process, img *site.Image, probes []Probe) {
	t.Helper()
	path := fixture(t, "busy")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range img.Functions {
		if f := &img.Functions[i]; f.Skip == "" {
			args, results := twoWords(f)
			probes = append(probes, Probe{Function: f, Args: &args, Results: &results})
		}
	}
	runtime.LockOSThread() // which traces the program
	t.Cleanup(runtime.UnlockOSThread)
	program, err := os.StartProcess(path, []string{path}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Ptrace: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = program.Kill()
		_, _ = program.Wait()
	})
	if h, err = Hold(program.Pid); err != nil {
		t.Fatal(err)
	}
	p = &Process{Pid: program.Pid}
	if err := p.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.memory.Close() })
	return h, p, img, probes
}

// TestAnotherProgramIsNotCompared: the code of a program that a process became meanwhile is not compared with that of the one that it was.
func TestAnotherProgramIsNotCompared(t *testing.T) {
	pid, _, end := busy(t)
	img, err := site.Load(fixture(t, "replaced"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Attach(pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20}); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("attaching says %v", err)
	}
	if left, err := Left(pid, img); left || err != nil {
		t.Errorf("something of ours is there: %v, %v", left, err)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// TestChangedWhileItWaits: a function that something else changes while it waits for its probes is given up, and keeps no other from getting its own.
func TestChangedWhileItWaits(t *testing.T) {
	pid, img, end := busy(t)
	a, err := newAttachment(pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20, Patience: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.installOutside(pid); err != nil {
		t.Fatal(err)
	}
	p := a.process
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	p.attachment, p.late, p.program.Patches = a, append(p.late, p.program.Patches...), nil // as if goroutines had stood in all of them
	leaf, replaced, _ := overwrite(t, pid, img)
	placed, refused, err := p.TryAgain(func(*site.Function) bool { return true })
	if err != nil || len(placed) == 0 || slices.Contains(placed, leaf) {
		t.Errorf("probes have now %v, %v", placed, err)
	}
	if len(refused) != 1 || refused[0].Function != leaf || refused[0].Reason != ChangedByOthers {
		t.Errorf("given up are %+v", refused)
	}
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	if n := changed(t, p, img); n == 0 || n > len(replaced) {
		t.Errorf("%d bytes differ", n)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if out := end(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}

// overwrite puts another function into the place of main.leaf, in a program that is at work, and returns the bytes of that.
func overwrite(t *testing.T, pid int, img *site.Image) (leaf *site.Function, replaced []byte, p *Process) {
	t.Helper()
	leaf = img.Lookup("main.leaf")
	replaced = []byte{0x48, 0x8D, 0x04, 0x18, 0xC3} // LEAQ (AX)(BX*1), AX; RET: what it does anyway
	if bytes.Equal(img.Text(leaf.Addr, leaf.Addr+site.JumpLen), replaced) {
		replaced = []byte{0x48, 0x01, 0xD8, 0xC3, 0x90} // ADDQ BX, AX; RET
	}
	p = &Process{Pid: pid}
	if err := p.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.memory.Close() })
	for written := false; !written; {
		if err := whileStopped(pid, func(s *stopped) error {
			if slices.ContainsFunc(s.all(), func(rip uint64) bool { return rip > leaf.Addr && rip < leaf.End }) {
				return nil
			}
			written = true
			return write(p.memory, []routine.Patch{routine.NewPatch(leaf.Addr, img.Text(leaf.Addr, leaf.Addr+site.JumpLen), replaced)})
		}); err != nil {
			t.Fatal(err)
		}
	}
	return leaf, replaced, p
}

// textAsMemory returns a file that is read and written like the memory of a program, and has its text and nothing else.
func textAsMemory(t *testing.T, img *site.Image) *os.File {
	t.Helper()
	memory, err := os.Create(filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = memory.Close() })
	from, to := img.Bounds()
	if _, err := memory.WriteAt(img.Text(from, to), int64(from)); err != nil {
		t.Fatal(err)
	}
	return memory
}

// TestChangedWherePagesMeet: of what differs where pages meet, the parts of jumps whose tracer was killed between two pages are told from what
// others have written.
func TestChangedWherePagesMeet(t *testing.T) {
	img, err := site.Load(fixture(t, "busy"))
	if err != nil {
		t.Fatal(err)
	}
	from, to := img.Bounds()
	memory := textAsMemory(t, img)
	near := (to+1<<30)&^(nearStep-1) + 0x123000
	code := []sharedMapping{{from: near, to: near + 1<<20}}
	counts := func(what string, at uint64, bytes []byte, ours bool) {
		t.Helper()
		if _, err := memory.WriteAt(bytes, int64(at)); err != nil {
			t.Fatal(err)
		}
		c, err := changesOf(memory, img, 0, code)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.ours)+len(c.others) == 0 || len(c.others) > 0 == ours {
			t.Errorf("%s at %#x: %d bytes are ours, %d are not", what, at, len(c.ours), len(c.others))
		}
		if _, err := memory.WriteAt(img.Text(at, at+uint64(len(bytes))), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	inside, entries, single, short := 0, 0, 0, 0
	for edge := from + pageSize - from%pageSize; edge < to; edge += pageSize {
		f := img.FunctionAt(edge)
		switch {
		case f == nil || f.Name == handlerName || f.Name == stubHost:
		case f.Addr == edge && entries < 4:
			entries++
			counts("a breakpoint", edge, []byte{0xCC}, false)
			counts("a jump by a register", edge, []byte{0x48, 0xBA, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0xFF, 0x22}, false)
		case f.Addr+16 < edge && edge+16 < f.End && img.IsInstruction(edge-1) && img.IsInstruction(edge):
			if b := img.Text(edge-1, edge+1); b[0] != retOpcode && b[0] != padding && b[1] != retOpcode && single < 4 {
				single++
				counts("a breakpoint", edge, []byte{0xCC}, false)
			}
		case f.Addr+16 < edge && edge+16 < f.End && img.IsInstruction(edge-1):
			for island := edge - 16; island > edge-100; island-- {
				if islandAt(img, island, edge) && img.Text(edge, edge+1)[0] != byte(island-edge-1) && short < 4 {
					short++
					counts("the second of two bytes", edge, []byte{byte(island - edge - 1)}, true)
				}
			}
		case inside < 4 && f.Addr+16 < edge && edge+16 < f.End && !img.IsInstruction(edge-1):
			inside++
			for at := edge - site.JumpLen; at < edge+site.JumpLen; at++ {
				if img.Text(at, at+1)[0] != 0xCC {
					counts("a breakpoint", at, []byte{0xCC}, false)
				}
			}
			for at := edge - site.JumpLen + 1; at < edge; at++ {
				for _, to := range []uint64{near, near + 0xABCDE, near + 1<<20 - 1} {
					jump := binary.LittleEndian.AppendUint32([]byte{0xE9}, uint32(to-at-site.JumpLen))
					first := edge - at
					counts("a jump", at, jump, true)
					counts("the first part of a jump", at, jump[:first], true)
					counts("the last part of a jump", edge, jump[first:], true)
				}
				jump := binary.LittleEndian.AppendUint32([]byte{0xE9}, uint32(from-at-site.JumpLen))
				counts("a jump into the text", at, jump, false)
			}
		}
	}
	if inside == 0 || entries == 0 || single == 0 || short == 0 {
		t.Fatalf("%d functions reach over the end of a page, %d begin at one, in %d and %d an instruction begins before it", inside, entries, single, short)
	}
}

// all returns where the threads stand.
func (s *stopped) all() (places []uint64) {
	for _, t := range s.threads {
		places = append(places, t.regs.Rip)
	}
	return places
}

// TestChangedMeanwhile: a program replaces functions that have probes, and others. Probes can be switched off, all can be taken out, and the functions
// stay replaced. A loop next to short ones, whose entry jumps to padding, does what it did.
func TestChangedMeanwhile(t *testing.T) {
	path := fixture(t, "replaced")
	img, err := site.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	program := child.Start(t, exec.Command(path))
	p, err := Attach(program.Pid, img, mainProbes(img, twoWords), Options{Rings: 32, RingBytes: 1 << 20, Patience: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if s := img.Plan([]*site.Function{img.Lookup("main.divisor")})[0]; s.Entry.Form != site.FormIsland || len(s.Hosts) > 0 {
		t.Fatal("the loop's entry does not jump to padding: nothing to try")
	}
	follow(t, p, 1000, nil)
	if _, err := program.In.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if line := program.Line(); line != "replaced\n" {
		t.Fatalf("the program says %q", line)
	}
	follow(t, p, 1000, nil)
	replaced := slices.IndexFunc(p.Probes, func(probe Probe) bool { return probe.Function.Name == "main.double" })
	if err := p.Disable([]int{replaced}, AtEntry, false); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if left, err := Left(program.Pid, img); left || err != nil {
		t.Errorf("something is left, %v", err)
	}
	if out := program.End(); out != "wrong results: 0\n" {
		t.Errorf("the program says %q", out)
	}
}
