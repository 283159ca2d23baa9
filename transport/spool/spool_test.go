package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"smiley/recording"
)

var testInfo = Info{Run: recording.RunID{1, 2, 3}, Secret: [16]byte{4}, Recorder: "tcp://recorder:5556", Program: "shop"}

func body(number uint32, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(int(number)*7 + i)
	}
	return b
}

// check compares a spool with what it must hold.
func check(t *rapid.T, s *Spool, entries []Entry, want map[uint32]int, first, next uint32) {
	t.Helper()
	i := 0
	for number := first; number < next; number++ {
		size, ok := want[number]
		if !ok {
			continue
		}
		for i < len(entries) && entries[i].Number < number {
			i++ // released, but its file had others
		}
		if i == len(entries) || entries[i] != (Entry{number, size}) {
			t.Fatalf("block %d is not listed in %v", number, entries)
		}
		got, err := s.Read(number)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, body(number, size)) {
			t.Fatalf("block %d is not what was written", number)
		}
	}
}

// Whatever is appended and not released is there after the death of the process, in any order of these; and of a write
// that was torn all is there that came before.
func TestSpoolKeepsWhatIsNotReleased(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		s := Create(dir, testInfo)
		s.full = 8000
		want := map[uint32]int{}
		var first, next uint32
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				next += uint32(rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(t, "gap"))
				size := rapid.SampledFrom([]int{0, 1, 100, 5000, 8000}).Draw(t, "size")
				if err := s.Append(next, body(next, size)); err != nil {
					t.Fatal(err)
				}
				want[next] = size
				next++
			},
			"release": func(t *rapid.T) {
				first = uint32(rapid.IntRange(int(first), int(next)).Draw(t, "below"))
				if err := s.Release(first); err != nil {
					t.Fatal(err)
				}
			},
			"die": func(t *rapid.T) {
				if s.lock == nil {
					t.Skip("nothing on disk yet")
				}
				if _, _, err := Open(dir, testInfo.Run); recording.CodeOf(err) != recording.CodeLocked {
					t.Fatalf("a second process opens the spool: %v", err)
				}
				for _, seg := range s.segments {
					seg.file.Close()
				}
				last := len(s.segments) > 0
				s.lock.Close()
				if last && rapid.Bool().Draw(t, "torn") {
					tear(t, s.segments[len(s.segments)-1].file.Name())
				}
				var entries []Entry
				if s, entries, err = Open(dir, testInfo.Run); err != nil {
					t.Fatal(err)
				}
				if s.full = 8000; len(s.segments) == 0 {
					s.info = testInfo // no file is left that says it
				}
				if s.Info() != testInfo {
					t.Fatalf("info %+v", s.Info())
				}
				check(t, s, entries, want, first, next)
			},
			"": func(t *rapid.T) { check(t, s, entriesOf(s), want, first, next) },
		})
		if err := s.Close(next); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Fatalf("%v is left, error %v", left, err)
		}
	})
}

func entriesOf(s *Spool) (list []Entry) {
	for _, seg := range s.segments {
		for _, p := range seg.entries {
			list = append(list, Entry{p.number, p.size})
		}
	}
	return list
}

// tear adds a record that was written in part.
func tear(t *rapid.T, name string) {
	record := append(appendRecordHead(nil, 1<<20, body(1, 50)), body(1, 50)...)
	record = record[:rapid.IntRange(1, len(record)-1).Draw(t, "torn at")]
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = file.Write(record)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What is left at the end is found by the next process, with permissions for its owner alone.
func TestSpoolIsFoundAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	if runs, err := List(dir); err != nil || runs != nil {
		t.Fatalf("%v, %v", runs, err)
	}
	s := Create(dir, testInfo)
	for number := range uint32(3) {
		if err := s.Append(number, body(number, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(2); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(3, nil); recording.CodeOf(err) != recording.CodeCanceled {
		t.Errorf("append after close: %v", err)
	}
	runs, err := List(dir)
	if err != nil || len(runs) != 1 || runs[0] != testInfo.Run {
		t.Fatalf("%v, %v", runs, err)
	}
	for name, want := range map[string]os.FileMode{s.Dir(): 0o700, filepath.Join(s.Dir(), segmentName(1)): 0o600} {
		if stat, err := os.Stat(name); err != nil || stat.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, stat, err)
		}
	}
	s, entries, err := Open(dir, runs[0])
	if err != nil || len(entries) != 3 {
		t.Fatalf("%v, %v", entries, err)
	}
	if _, err := s.Read(7); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("a block that is not there: %v", err)
	}
	if err := s.Close(3); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir, runs[0]); recording.CodeOf(err) != recording.CodeNotFound {
		t.Errorf("a spool that is delivered: %v", err)
	}
}

// A bit that changes costs its record and those behind it in the same file, and is never read as something else.
func TestDamageIsFound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		s := Create(dir, testInfo)
		for number := range uint32(4) {
			if err := s.Append(number, body(number, 20)); err != nil {
				rt.Fatal(err)
			}
		}
		name := s.segments[0].file.Name()
		if err := s.Close(0); err != nil {
			rt.Fatal(err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			rt.Fatal(err)
		}
		data[rapid.IntRange(0, len(data)-1).Draw(rt, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			rt.Fatal(err)
		}
		s, entries, err := Open(dir, testInfo.Run)
		if err != nil {
			if code := recording.CodeOf(err); code != recording.CodeDamaged && code != recording.CodeNewer {
				rt.Fatal(err)
			}
			return
		}
		if len(entries) > 3 {
			rt.Fatal("the damage is not seen")
		}
		for i, e := range entries {
			got, err := s.Read(e.Number)
			if err != nil || !bytes.Equal(got, body(uint32(i), 20)) {
				rt.Fatalf("block %d: %x, %v", i, got, err)
			}
		}
		if err := s.Close(4); err != nil {
			rt.Fatal(err)
		}
	})
}

// The name of a directory may have any characters.
func TestSpoolIsFoundUnderAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spools[of me]")
	s := Create(dir, testInfo)
	if err := s.Append(1, body(1, 100)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(1); err != nil {
		t.Fatal(err)
	}
	s, entries, err := Open(dir, testInfo.Run)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, error %v", entries, err)
	}
	if err := s.Close(2); err != nil {
		t.Fatal(err)
	}
}

// A directory that cannot be written is one clear error, and the spool goes on when it can be again.
func TestUnwritableDirectory(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "spool")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file in its place
		t.Fatal(err)
	}
	s := Create(dir, testInfo)
	if err := s.Append(0, body(0, 10)); err == nil {
		t.Fatal("a spool in a file")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(0, body(0, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(1); err != nil {
		t.Fatal(err)
	}
}

// Whatever a file holds, opening it is an error or a list of blocks that can be read, and memory stays within its size.
func FuzzOpen(f *testing.F) {
	head := appendHead(nil, &testInfo)
	f.Add(head)
	f.Add(append(appendRecordHead(bytes.Clone(head), 5, body(5, 30)), body(5, 30)...))
	f.Add(le.AppendUint32(bytes.Clone(head), 0xffffffff))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		own := filepath.Join(dir, testInfo.Run.String())
		if err := os.Mkdir(own, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(own, segmentName(1)), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, entries, err := Open(dir, testInfo.Run)
		if err != nil {
			return
		}
		total := 0
		for _, e := range entries {
			got, err := s.Read(e.Number)
			if err != nil || len(got) != e.Size {
				t.Errorf("block %d: %d bytes, %v", e.Number, len(got), err)
			}
			total += e.Size + recordHead
		}
		if total > len(data) {
			t.Errorf("%d bytes of blocks from %d", total, len(data))
		}
		if err := s.Close(0); err != nil {
			t.Error(err)
		}
	})
}
