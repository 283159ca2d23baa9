package spool

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"smiley/recording"
	"smiley/transport/filelock"
)

// List returns the runs that have a spool below dir, the oldest first. A directory that does not exist has none.
func List(dir string) ([]recording.RunID, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, recording.Errorf(recording.CodePermission, "cannot read the spools in %s: %w", dir, err)
	}
	var runs []recording.RunID
	for _, e := range entries { // sorted by name, and run ids sort by time
		if id, err := uuid.Parse(e.Name()); err == nil && e.IsDir() && id.String() == e.Name() {
			runs = append(runs, id)
		}
	}
	return runs, nil
}

// Open opens the spool that a sender left, and returns its blocks by ascending number. Records that were written in part
// are cut off; one that is damaged ends its file, so that numbers may be missing. Errors are CodeLocked (its sender
// lives, or somebody else delivers it), CodeNotFound, CodeDamaged when the head of a file is not good, CodeNewer.
func Open(dir string, run recording.RunID) (*Spool, []Entry, error) {
	s := &Spool{info: Info{Run: run}, dir: filepath.Join(dir, run.String()), serial: 1, full: segmentSize}
	if _, err := os.Stat(s.dir); err != nil {
		return nil, nil, recording.Errorf(recording.CodeNotFound, "run %s has no spool in %s", run, dir)
	}
	lock, err := filelock.Lock(filepath.Join(s.dir, lockName))
	if recording.CodeOf(err) == recording.CodeLocked {
		return nil, nil, recording.Errorf(recording.CodeLocked, "the spool of run %s is in use", run).
			WithHint("its program is still running, or another smiley delivers it")
	}
	if err != nil {
		return nil, nil, s.explain(err)
	}
	s.lock = lock
	entries, err := s.load()
	if err != nil {
		for _, seg := range s.segments {
			err = errors.Join(err, seg.file.Close())
		}
		return nil, nil, s.explain(errors.Join(err, filelock.Unlock(lock)))
	}
	return s, entries, nil
}

// load reads all segments.
func (s *Spool) load() ([]Entry, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, file := range files { // sorted
		serial, err := strconv.Atoi(strings.TrimSuffix(file.Name(), suffix))
		if err != nil || serial <= 0 || segmentName(serial) != file.Name() {
			continue // not ours
		}
		s.serial = max(s.serial, serial+1)
		if err := s.loadSegment(filepath.Join(s.dir, file.Name())); err != nil {
			return nil, err
		}
	}
	for _, seg := range s.segments {
		for _, p := range seg.entries {
			entries = append(entries, Entry{p.number, p.size})
		}
	}
	return entries, nil
}

// loadSegment reads one file and leaves it open. A file that its sender died over before it had a head is removed.
func (s *Spool) loadSegment(name string) error {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	seg, info, err := scan(file)
	switch {
	case errors.Is(err, errTorn):
		return errors.Join(file.Close(), os.Remove(name))
	case err != nil:
		return errors.Join(err, file.Close())
	case info.Run != s.info.Run:
		return errors.Join(damaged("%s belongs to run %s", name, info.Run), file.Close())
	}
	s.info = info
	seg.sealed = true
	if n := len(s.segments); n > 0 {
		seg.entries = seg.after(s.segments[n-1])
	}
	s.segments = append(s.segments, seg)
	s.bytes += seg.size
	return nil
}

// after returns the entries that ascend from those of the segment before; others cannot come from a sender.
func (seg *segment) after(before *segment) []place {
	list := seg.entries
	for n := len(before.entries); n > 0 && len(list) > 0 && list[0].number <= before.entries[n-1].number; {
		list = list[1:]
	}
	return list
}

// scan reads a segment up to the first thing that is not whole. Memory is bounded by the file's size.
func scan(file *os.File) (*segment, Info, error) {
	stat, err := file.Stat()
	if err != nil {
		return nil, Info{}, err
	}
	r := bufio.NewReaderSize(file, 1<<16)
	info, at, err := readHead(r)
	if err != nil {
		return nil, info, err
	}
	seg := &segment{file: file, size: int64(at)}
	var buffer bytes.Buffer
	for {
		number, body, err := readRecord(r, stat.Size()-seg.size, &buffer)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errTorn) {
			return seg, info, nil
		}
		if err != nil {
			return nil, info, err
		}
		if n := len(seg.entries); n > 0 && number <= seg.entries[n-1].number {
			return seg, info, nil
		}
		seg.entries = append(seg.entries, place{number, len(body), seg.size + recordHead})
		seg.size += recordHead + int64(len(body))
	}
}
