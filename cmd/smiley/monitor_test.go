//go:build cgo && linux && amd64

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smiley/internal/sample"
	"smiley/internal/stress"
	"smiley/recording"
	"smiley/transport"
)

// counted builds the program that counts its calls, once.
var counted = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "counted")
	if err != nil {
		return "", err
	}
	leftovers = append(leftovers, dir)
	program := filepath.Join(dir, "counted")
	text, err := exec.Command("go", "build", "-buildvcs=false", "-gcflags=-l", "-o", program, "./testdata/counted").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, text)
	}
	return program, nil
})

// newAudience is a stage without a recorder: programs, and whoever watches them.
func newAudience(t *testing.T) *stage {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes, several seconds each: not with -short")
	}
	program, err := counted()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, dir: t.TempDir(), program: program, pause: "1ms", address: ownAddress()}
	s.smiley = filepath.Join(s.dir, "smiley") // by which name this binary is smiley
	s.database = filepath.Join(s.dir, "runs.db")
	if err := os.Symlink(self, s.smiley); err != nil {
		t.Fatal(err)
	}
	return s
}

// watcher is a smiley monitor.
type watcher struct {
	s     *stage
	cmd   *exec.Cmd
	out   *bufio.Reader
	notes chan string // lines of its standard error
}

// monitor starts a monitor, and waits until it says something, which is the address it listens at.
func (s *stage) monitor(args ...string) *watcher {
	s.t.Helper()
	return s.monitorAs(s.person("."), args...)
}

// monitorAs is the same, started by somebody else.
func (s *stage) monitorAs(p *person, args ...string) *watcher {
	s.t.Helper()
	w := &watcher{s: s, cmd: p.command(append([]string{"monitor"}, args...)...), notes: make(chan string, 1000)}
	w.cmd.Stderr = nil
	said, err := w.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	w.out = bufio.NewReader(out)
	if err := w.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	go func() { // ends with the monitor
		defer close(w.notes)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			w.notes <- lines.Text()
		}
	}()
	return w
}

// note waits for a line of standard error that matches, and returns what its group matches.
func (w *watcher) note(pattern string) string {
	w.s.t.Helper()
	want := regexp.MustCompile(pattern)
	timeout := time.After(time.Minute)
	for {
		select {
		case line, open := <-w.notes:
			if m := want.FindStringSubmatch(line); m != nil {
				return m[len(m)-1]
			}
			if !open {
				w.s.t.Fatalf("the monitor ends without a word like %q", pattern)
			}
		case <-timeout:
			w.s.t.Fatalf("after a minute no word like %q", pattern)
		}
	}
}

// lines reads what the monitor shows, as fast as it comes.
func (w *watcher) lines() <-chan []byte {
	lines := make(chan []byte, 1000)
	var waiting [][]byte
	read := make(chan []byte)
	go func() { // ends with the monitor
		defer close(read)
		for {
			line, err := w.out.ReadBytes('\n')
			if err != nil {
				return
			}
			read <- line
		}
	}()
	go func() { // ends with the monitor, when all was taken
		defer close(lines)
		for read != nil || len(waiting) > 0 {
			var to chan<- []byte
			var first []byte
			if len(waiting) > 0 {
				to, first = lines, waiting[0]
			}
			select {
			case line, open := <-read:
				if !open {
					read = nil
					continue
				}
				waiting = append(waiting, line)
			case to <- first:
				waiting = waiting[1:]
			}
		}
	}()
	return lines
}

// end waits until the monitor ends, by itself and well.
func (w *watcher) end() {
	w.s.t.Helper()
	for range w.notes { // until its end
	}
	if err := w.cmd.Wait(); err != nil {
		w.s.t.Errorf("the monitor ends with %v", err)
	}
}

// shownLine is what a monitor's line has of an event.
type shownLine struct {
	Run      string
	Seq      uint64
	Event    string
	Function string
	Missing  uint64
	Text     string
}

// sequence follows the lines of one run: what is not shown is said, at its place and exactly.
type sequence struct {
	last, skipped uint64 // events
	shown         int
}

func (q *sequence) line(t *testing.T, text []byte) {
	t.Helper()
	var e shownLine
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if e.Event == "skipped" {
		q.skipped += e.Missing
		q.last += e.Missing
		return
	}
	if q.last == 0 {
		q.last = e.Seq - 1 // where it joined
	}
	if e.Seq != q.last+1 {
		t.Fatalf("event %d follows %d, and nothing is said to be skipped: %s", e.Seq, q.last, text)
	}
	q.last = e.Seq
	q.shown++
	if e.Event == "call" && e.Function != "main.work" {
		t.Fatalf("a call without its name: %s", text)
	}
}

// Whoever reads the monitor's output stops reading: the program runs on and ends as if nothing were wrong, all that it did is
// taken, and when the reader is back it learns how much it has not seen.
func TestMonitorWithoutReader(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	s := newAudience(t)
	w := s.monitor("--listen", s.address, "--exit", "--json")
	s.address = w.note("listening at ([^;]+);")
	if _, skipped := withoutReader(s, w, s.run(s.address)); skipped == 0 {
		t.Error("everything was taken long before it was read, and nothing is skipped")
	}
}

// The same with a recorder between, which keeps everything.
func TestMonitorWithoutReaderAtARecorder(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	s := newAudience(t)
	s.startRecorder()
	r := s.run(s.address)
	s.progress(0)
	w := s.monitor("--connect", s.address, "--exit", "--json")
	w.note("watching (.*)$")
	n, _ := withoutReader(s, w, r) // how much the recorder had shown it by then is not known
	s.whole(n)
	s.stopRecorder(syscall.SIGTERM)
}

func withoutReader(s *stage, w *watcher, r *sentRun) (calls, skipped uint64) {
	t := s.t
	var q sequence
	for range 100 {
		line, err := w.out.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		q.line(t, line)
	}
	// Nothing is read now.
	s.await("the program runs on", func() bool {
		calls, _ := r.counted(time.Now())
		return calls > 200_000 // several blocks, and much more than pipes hold
	})
	n := r.finish()
	ended := time.Now()
	s.await("all that waits is too old to be shown", func() bool { return time.Since(ended) > 2*viewAge })
	if s.spooled() > 0 {
		t.Error("what is not shown is not taken either")
	}
	q.rest(t, w)
	if q.last < 2*n {
		t.Errorf("of %d calls the last event is %d, and %d are skipped", n, q.last, q.skipped)
	}
	t.Logf("%d calls, %d events shown, %d skipped", n, q.shown, q.skipped)
	return n, q.skipped
}

// rest follows the lines until the monitor ends.
func (q *sequence) rest(t *testing.T, w *watcher) {
	t.Helper()
	for {
		line, err := w.out.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		q.line(t, line)
	}
	w.end()
}

// Who joins a run in the middle sees it with all its names, from the next block on, through the recorder's death and return,
// and to its end.
func TestMonitorJoinsARecording(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	s := newAudience(t)
	s.startRecorder()
	s.pause = "200ms"
	r := s.run(s.address)
	s.progress(0)
	id := s.list()[0].ID
	w := s.monitor("--connect", s.address, "--exit", "--json", id[:13])
	w.note("watching (.*)$")
	var q sequence
	lines := w.lines()
	read := func() {
		select {
		case line, open := <-lines:
			if !open {
				t.Fatal("the monitor ends")
			}
			q.line(t, line)
		case <-time.After(time.Minute):
			t.Fatal("nothing is shown for a minute")
		}
	}
	for range 10 {
		read()
	}
	joined := q.last
	s.stopRecorder(syscall.SIGKILL)
	w.note("looking for it (again)")
	s.startRecorder()
	w.note("watching .* (again)")
	for calls := s.progress(0) + 10_000; q.last < 2*calls; {
		read()
	}
	n := r.finish()
	for line := range lines {
		q.line(t, line)
	}
	w.end()
	if q.last < 2*n || q.shown == 0 || joined < 10 {
		t.Errorf("of %d calls the last event is %d; %d are shown, from %d on", n, q.last, q.shown, joined)
	}
	s.whole(n)
	t.Logf("%d calls, %d events shown, %d skipped", n, q.shown, q.skipped)
	s.stopRecorder(syscall.SIGTERM)
}

// Of several programs, "last" is the one that began last; the beginning of an id that fits both names both.
func TestMonitorWatchesTheLastRun(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	s := newAudience(t)
	s.startRecorder()
	s.pause = "200ms"
	nobody := s.person(".")
	if status, says := nobody.fails("monitor", "--connect", s.address, "last"); status != 1 || !strings.Contains(says, "nothing is being recorded") {
		t.Errorf("without a program: status %d, and it says\n%s", status, says)
	}
	first := s.run(s.address)
	s.progress(0)
	earlier := s.list()[0].ID
	second := s.run(s.address)
	var later string
	s.await("both are recorded", func() bool {
		for _, run := range s.list() {
			if run.ID != earlier && run.Calls > 0 {
				later = run.ID
			}
		}
		return later != ""
	})
	_, says := nobody.fails("monitor", "--connect", s.address, earlier[:2])
	if !strings.Contains(says, "stands for several runs") || !strings.Contains(says, earlier) || !strings.Contains(says, later) {
		t.Errorf("what begins both ids is one of them? %s", says)
	}
	w := s.monitor("--connect", s.address, "--exit", "--json", "last")
	w.note("watching (.*)$")
	lines := w.lines()
	shown := 0
	var q sequence
	show := func(line []byte) {
		var e shownLine
		if err := json.Unmarshal(line, &e); err != nil || e.Run != later {
			t.Errorf("of run %s, not %s, %v: %s", e.Run, later, err, line)
		}
		q.line(t, line)
		shown++
	}
	for range 10 {
		show(<-lines)
	}
	first.finish()
	second.finish()
	for line := range lines {
		show(line)
	}
	w.end()
	if shown < 10 {
		t.Errorf("%d lines are shown", shown)
	}
	s.stopRecorder(syscall.SIGTERM)
}

// A monitor that comes before all programs waits for them, and shows them all.
func TestMonitorWatchesSeveralPrograms(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	s := newAudience(t)
	s.pause = "100ms"
	s.startRecorder()
	w := s.monitor("--connect", s.address, "--exit")
	w.note("nothing is being recorded, (waiting)")
	several(s, w)
	s.stopRecorder(syscall.SIGTERM)
}

// Lines of several programs can be told apart, and --exit ends when the last of them has ended.
func TestMonitorShowsSeveralPrograms(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	s := newAudience(t)
	s.pause = "100ms"
	w := s.monitor("--listen", s.address, "--exit")
	s.address = w.note("listening at ([^;]+);")
	several(s, w)
}

// several lets three programs run at once under a monitor that ends with them.
func several(s *stage, w *watcher) {
	t := s.t
	lines := make(chan []string, 1)
	go func() { // ends with the monitor
		var all []string
		for scanner := bufio.NewScanner(w.out); scanner.Scan(); {
			all = append(all, scanner.Text())
		}
		lines <- all
	}()
	var runs []*sentRun
	labels := map[string]int{}
	for range 3 {
		runs = append(runs, s.run(s.address))
	}
	for range runs {
		labels[w.note(`^smiley: run [0-9a-f-]+: (counted\[[0-9]+\])$`)] = 0
	}
	for _, r := range runs {
		r.finish()
	}
	for range w.notes { // until its end
	}
	for _, line := range <-lines {
		label, _, ok := strings.Cut(line, "]")
		if label += "]"; !ok || !strings.HasPrefix(line, "counted[") {
			continue // while it was alone
		}
		if _, known := labels[label]; !known {
			t.Fatalf("a line of nobody: %q", line)
		}
		labels[label]++
	}
	for label, n := range labels {
		if n == 0 || len(labels) != 3 {
			t.Errorf("programs are not told apart: %d lines of %s", n, label)
		}
	}
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("the monitor ends with %v", err)
	}
}

// Senders that lie are refused, and told so; the monitor lives on and shows the next program whole.
func TestMonitorOutlivesForgers(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	s := newAudience(t)
	w := s.monitor("--listen", s.address, "--json")
	address, err := transport.ParseEndpoint(w.note("listening at ([^;]+);"))
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan shownLine, 10_000)
	go func() { // ends with the monitor
		defer close(lines)
		for out := bufio.NewScanner(w.out); out.Scan(); {
			var e shownLine
			if err := json.Unmarshal(out.Bytes(), &e); err != nil {
				t.Errorf("%v: %q", err, out.Text())
			}
			lines <- e
		}
	}()
	random := rand.New(rand.NewPCG(4, 2))
	send := func(forge func(block []byte)) (recording.RunID, error) {
		id, err := recording.NewRunID()
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := sample.ShopAs(id)
		if err != nil {
			t.Fatal(err)
		}
		r, err := transport.Dial(t.Context(), transport.RemoteOptions{Recorder: address, Run: id, SpoolDir: t.TempDir(), Program: "forger"})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if forge(b); len(b) > 84 {
				body := b[:len(b)-4]
				binary.LittleEndian.PutUint32(b[len(body):], crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
			}
			if err := r.Send(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		return id, r.Failure()
	}
	// Its last block has another seq than it should: it can be decoded, and fits nothing.
	if _, err := send(func(b []byte) {
		if b[24] == 1 {
			b[32]++
		}
	}); err == nil || !strings.Contains(err.Error(), "its first event is") {
		t.Errorf("the forger is told %v", err)
	}
	refused := 1
	for range 30 {
		if _, err := send(func(b []byte) {
			for range 1 + random.IntN(4) {
				b[80+random.IntN(len(b)-84)] ^= 1 << random.IntN(8)
			}
		}); err != nil {
			refused++
		}
	}
	if refused < 10 {
		t.Errorf("%d of 31 forgers are refused", refused)
	}
	for range refused {
		w.note("is not shown any more: ")
	}
	id, err := send(func([]byte) {})
	if err != nil {
		t.Errorf("an honest sender after the forgers: %v", err)
	}
	var kinds []string
	for len(kinds) < 14 {
		e, open := <-lines
		if !open {
			t.Fatalf("the monitor ends after %v", kinds)
		}
		if e.Run == id.String() {
			kinds = append(kinds, e.Event)
		}
	}
	want := "goroutine_start call call return output output goroutine_start call call panic gap recovered return goroutine_end"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("%s", got)
	}
	if err := w.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	w.end()
}
