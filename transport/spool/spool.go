package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"smiley/recording"
	"smiley/transport/filelock"
)

// segmentSize is the size at which a file is full. Space is given back in whole files.
const segmentSize = 16 << 20

const (
	suffix   = ".spool"
	lockName = "lock"
)

// Spool holds the blocks of one run in a directory of their own. It is safe for concurrent use. The process that has it
// open holds a lock; the system releases it when the process dies.
type Spool struct {
	info Info
	dir  string
	lock *os.File // nil until the directory is made
	full int64    // bytes at which a segment is full

	mu       sync.Mutex
	segments []*segment // by the numbers they hold
	serial   int        // of the next segment's name
	bytes    int64
	closed   bool
}

// Entry is a block in a spool.
type Entry struct {
	Number uint32
	Size   int
}

// segment is one file.
type segment struct {
	file    *os.File
	size    int64 // of what is good
	entries []place
	sealed  bool // nothing more is written to it
}

// place is where a block lies in its segment.
type place struct {
	number uint32
	size   int
	offset int64
}

// Create returns an empty spool for a new run below dir. It makes nothing on disk before the first Append.
func Create(dir string, info Info) *Spool {
	return &Spool{info: info, dir: filepath.Join(dir, info.Run.String()), serial: 1, full: segmentSize}
}

// Info returns whose blocks these are.
func (s *Spool) Info() Info { return s.info }

// Dir returns the directory of the spool.
func (s *Spool) Dir() string { return s.dir }

// Bytes returns how many bytes the files have.
func (s *Spool) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Append writes a block. Numbers ascend. When it fails (CodeFull, CodePermission, CodeInternal) the spool holds what it
// held before, and the block may be appended again. body is not kept.
func (s *Spool) Append(number uint32, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return recording.Errorf(recording.CodeCanceled, "the spool is closed")
	}
	if len(body) > maxBody {
		return recording.Errorf(recording.CodeInvalid, "a block of %d bytes is too large for a spool", len(body))
	}
	seg, err := s.writable()
	if err != nil {
		return s.explain(err)
	}
	record := append(appendRecordHead(make([]byte, 0, recordHead+len(body)), number, body), body...)
	if _, err := seg.file.WriteAt(record, seg.size); err != nil {
		if seg.file.Truncate(seg.size) != nil {
			seg.sealed = true // what follows the good part is cut off when it is opened
		}
		return s.explain(err)
	}
	seg.entries = append(seg.entries, place{number, len(body), seg.size + recordHead})
	seg.size += int64(len(record))
	s.bytes += int64(len(record))
	return nil
}

// writable returns the segment to write to.
func (s *Spool) writable() (*segment, error) {
	if n := len(s.segments); n > 0 {
		last := s.segments[n-1]
		if !last.sealed && last.size < s.full {
			return last, nil
		}
		// It is not synced: what is written survives the process, and waiting for the disk would hold up what is being sent.
		last.sealed = true
	}
	if s.lock == nil {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return nil, err
		}
		lock, err := filelock.Lock(filepath.Join(s.dir, lockName))
		if err != nil {
			return nil, err
		}
		s.lock = lock
	}
	return s.addSegment()
}

func (s *Spool) addSegment() (*segment, error) {
	name := filepath.Join(s.dir, segmentName(s.serial))
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	s.serial++
	head := appendHead(nil, &s.info)
	if _, err := file.Write(head); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(name))
	}
	seg := &segment{file: file, size: int64(len(head))}
	s.segments = append(s.segments, seg)
	s.bytes += seg.size
	return seg, nil
}

// Read returns a block. Errors are CodeNotFound, CodeDamaged and what the system says.
func (s *Spool) Read(number uint32) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.segments {
		i, ok := slices.BinarySearchFunc(seg.entries, number, func(p place, n uint32) int { return int(int64(p.number) - int64(n)) })
		if !ok {
			continue
		}
		p := seg.entries[i]
		record := make([]byte, recordHead+p.size)
		if _, err := seg.file.ReadAt(record, p.offset-recordHead); err != nil {
			return nil, s.explain(err)
		}
		body := record[recordHead:]
		if recordSum(record, body) != le.Uint32(record[8:]) {
			return nil, damaged("block %d in the spool of run %s fails its checksum", number, s.info.Run)
		}
		return body, nil
	}
	return nil, recording.Errorf(recording.CodeNotFound, "the spool of run %s has no block %d", s.info.Run, number)
}

// Release says that the blocks below number are acknowledged: files that hold nothing else are removed, but for the one
// that is being written.
func (s *Spool) Release(below uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for len(s.segments) > 0 {
		seg := s.segments[0]
		if !seg.sealed && seg.size < s.full || !seg.below(below) {
			break
		}
		failed = errors.Join(failed, s.remove(seg))
		s.segments = s.segments[1:]
	}
	return s.explain(failed)
}

// below reports whether all blocks of a segment are below number.
func (seg *segment) below(number uint32) bool {
	n := len(seg.entries)
	return n == 0 || seg.entries[n-1].number < number
}

func (s *Spool) remove(seg *segment) error {
	s.bytes -= seg.size
	return errors.Join(seg.file.Close(), os.Remove(seg.file.Name()))
}

// Close closes the spool, with below as in Release. When nothing is left of it, it is removed from the disk; otherwise
// what is left is synced and waits for Open.
func (s *Spool) Close(below uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var failed error
	kept := 0
	for _, seg := range s.segments {
		if seg.below(below) {
			failed = errors.Join(failed, s.remove(seg))
			continue
		}
		kept++
		failed = errors.Join(failed, seg.file.Sync(), seg.file.Close())
	}
	s.segments = nil
	if s.lock == nil {
		return s.explain(failed)
	}
	if kept == 0 {
		// The lock goes first: some systems do not remove what is open. Whoever locks it now finds an empty spool.
		failed = errors.Join(failed, filelock.Unlock(s.lock), os.Remove(s.lock.Name()), os.Remove(s.dir))
	} else {
		failed = errors.Join(failed, filelock.Unlock(s.lock))
	}
	return s.explain(failed)
}

func segmentName(serial int) string { return leftPad(strconv.Itoa(serial), 8) + suffix }

func leftPad(digits string, n int) string { return strings.Repeat("0", max(n-len(digits), 0)) + digits }

// explain makes an error of the system one for people.
func (s *Spool) explain(err error) error {
	var own *recording.Error
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case isFull(err):
		return recording.Errorf(recording.CodeFull, "no room for the spool in %s: %w", s.dir, err).
			WithHint("free some space, or set another directory or a smaller --spool-bytes")
	case errors.Is(err, fs.ErrPermission):
		return recording.Errorf(recording.CodePermission, "cannot write the spool in %s: %w", s.dir, err).
			WithHint("make the directory writable, or choose another one")
	}
	return recording.Errorf(recording.CodeInternal, "the spool in %s: %w", s.dir, err)
}
