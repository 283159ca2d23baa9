//go:build linux && amd64

package tracer

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"smiley/recording"
)

// TestOutput checks that everything the program writes to descriptors 1 and 2 is recorded, once, where and when it was
// written, and nothing else.
func TestOutput(t *testing.T) {
	r := record(t, Options{Target: fixture(t, "output")})
	if r.output(2) != r.stderr || !strings.Contains(r.stderr, "print1true\nprintln") {
		t.Errorf("recorded on stderr %q, written %q", r.output(2), r.stderr)
	}
	var truncated int
	var got strings.Builder
	for _, e := range r.of(recording.KindOutput) {
		if e.Data[0] != 1 {
			continue
		}
		if len(e.Data)-1 == maxOutput {
			truncated++
			got.WriteString("…")
			continue
		}
		got.Write(e.Data[1:])
		if strings.HasPrefix(string(e.Data[1:]), "in a call") {
			if call := r.functions[r.callNumber(e.Call).Function].Name; call != "main.helper" {
				t.Errorf("the output of main.helper belongs to %s", call)
			}
		}
	}
	const want = "fmt to stdout\nsyscall\nin a call\n…no newline"
	if got.String() != want || truncated != 1 || r.result.Ledger.Truncated == 0 {
		t.Errorf("recorded on stdout %q, want %q; %d cut, ledger %+v", got.String(), want, truncated, r.result.Ledger)
	}
	if n := strings.Count(r.stdout, "0123456789abcde\n"); n != 10_000 {
		t.Errorf("%d of 10000 lines were written", n)
	}
}

func (r *recorded) callNumber(seq uint64) recording.Event {
	for _, e := range r.events {
		if e.Seq == seq && e.Kind == recording.KindCall {
			return e
		}
	}
	return recording.Event{}
}

// TestPartialWrites lets a program write more than a pipe holds while the reader is slow: what is recorded is what came
// through, although the system takes it in pieces.
func TestPartialWrites(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan int, 1)
	go func() {
		total := 0
		buf := make([]byte, 1000)
		for {
			n, err := reader.Read(buf)
			total += n
			if err != nil {
				read <- total
				return
			}
		}
	}()
	r := record(t, Options{Target: fixture(t, "output"), Stdout: writer, Include: []string{"main.big"}})
	_ = writer.Close()
	if total := <-read; total != 160_000+len("fmt to stdout\nsyscall\nin a call\nno newline") {
		t.Errorf("%d bytes came through", total)
	}
	if got := r.calls(); len(got) != 1 || got["main.big"] != 1 {
		t.Errorf("calls %v", got)
	}
}

// TestStdin passes a pipe and a file through: the program reads all of it.
func TestStdin(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		fmt.Fprint(writer, "a\nb\n")
		_ = writer.Close()
	}()
	r := record(t, Options{Target: fixture(t, "stdin"), Stdin: reader})
	if want := "1 a\n2 b\nterminal: false false\n"; r.stdout != want || r.calls()["main.line"] != 2 {
		t.Errorf("from a pipe: %q, calls %v", r.stdout, r.calls())
	}
	file, err := os.CreateTemp(t.TempDir(), "input")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("skipped\nread\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(int64(len("skipped\n")), 0); err != nil {
		t.Fatal(err)
	}
	r = record(t, Options{Target: fixture(t, "stdin"), Stdin: file})
	if want := "1 read\nterminal: false false\n"; r.stdout != want {
		t.Errorf("from the middle of a file: %q", r.stdout)
	}
}

// TestCopiedOutput sends a file to stdout by system calls that show no bytes: to a file, a pipe and a socket. The
// recording says that, and how many bytes are missing.
func TestCopiedOutput(t *testing.T) {
	source, err := filepath.Abs("events_test.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	pipeReader, pipeWriter, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for name, ends := range map[string][2]*os.File{
		"file":   {nil, nil},
		"pipe":   {pipeReader, pipeWriter},
		"socket": {os.NewFile(uintptr(pair[0]), "reader"), os.NewFile(uintptr(pair[1]), "writer")},
	} {
		t.Run(name, func(t *testing.T) {
			read := make(chan string, 1)
			if ends[0] != nil {
				go func() {
					all, _ := io.ReadAll(ends[0])
					read <- string(all)
				}()
			}
			r := record(t, Options{Target: fixture(t, "copy"), Args: []string{source}, Stdout: ends[1]})
			got := r.stdout
			if ends[1] != nil {
				_ = ends[1].Close()
				got = <-read
			}
			head, tail := "begin\n", fmt.Sprintf("end %d\n", len(text))
			if got != head+string(text)+tail {
				t.Errorf("%d bytes came out, want %d", len(got), len(head)+len(text)+len(tail))
			}
			missing := 0
			for _, gap := range r.of(recording.KindGap) {
				var n int
				if _, err := fmt.Sscanf(string(gap.Data[8:]), "the system copied %d bytes", &n); err != nil {
					t.Errorf("gap %q", gap.Data)
				}
				missing += n
			}
			if recorded := r.output(1); len(recorded)+missing != len(got) || !strings.HasPrefix(recorded, head) || !strings.HasSuffix(recorded, tail) {
				t.Errorf("%d bytes recorded, %d said to be missing, %d written", len(recorded), missing, len(got))
			}
			t.Logf("%d bytes recorded, %d said to be missing", len(r.output(1)), missing)
		})
	}
}
