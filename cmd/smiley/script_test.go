package main

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"smiley/internal/sample"
)

// TestMain makes this binary be smiley when a script calls it that.
func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){"smiley": main, "forbid": forbid})
}

// leftovers are directories that several tests have used.
var leftovers []string

// tidy runs all tests and takes away what they leave.
type tidy struct{ *testing.M }

func (m tidy) Run() int {
	defer func() {
		for _, dir := range leftovers {
			_ = os.RemoveAll(dir)
		}
	}()
	return m.M.Run()
}

// TestScripts runs testdata/script: every command, and everything a person can do wrong, with the real program. Scripts that
// run programs need a platform that can record them; those that read use a recording made by hand.
func TestScripts(t *testing.T) {
	build := goEnvironment(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Condition:           condition,
		Setup: func(env *testscript.Env) error {
			// The scripts build programs: with the caches of the person who runs the tests, or each would take minutes.
			for name, value := range build {
				env.Setenv(name, value)
			}
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("NO_COLOR", "1")
			env.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sample": keepSample,
			"lines":  countLines,
			"status": exitStatus,
			"damage": damage,
			"newer":  makeNewer,
			"await":  awaitFile,
		},
	})
}

// condition knows [records], where programs can be recorded, what else the system allows, and [root].
func condition(name string) (bool, error) {
	switch name {
	case "records":
		return runtime.GOOS == "linux" && runtime.GOARCH == "amd64", nil
	case "channel":
		return runtime.GOOS == "linux" && runtime.GOARCH == "amd64" && currentVersions().Libzmq != "", nil
	case "zeromq":
		return currentVersions().Libzmq != "", nil
	case "filters":
		return exec.Command("forbid", "ptrace").Run() == nil, nil
	case "namespaces":
		return exec.Command("unshare", "-r", "-m", "-p", "-f", "sh", "-c", "mount -t tmpfs none /proc").Run() == nil, nil
	case "root":
		return os.Geteuid() == 0, nil
	}
	return false, nil
}

func goEnvironment(t *testing.T) map[string]string {
	t.Helper()
	names := []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT", "GOPROXY", "GOTOOLCHAIN"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
	for i, value := range strings.Split(strings.TrimRight(string(out), "\n"), "\n") {
		values[names[i]] = value
	}
	return values
}

// keepSample is "sample FILE [interrupted]": it makes a database with the recording that package sample describes, or with
// the beginning of it.
func keepSample(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: sample FILE [interrupted]")
	}
	record := sample.Shop
	if len(args) > 1 {
		record = sample.Interrupted
	}
	blocks, err := record()
	ts.Check(err)
	ts.Check(sample.Keep(context.Background(), ts.MkAbs(args[0]), blocks))
}

// countLines is "lines N FILE": FILE, which may be stdout or stderr, has N lines.
func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines N FILE")
	}
	text := ts.ReadFile(args[1])
	if got := strings.Count(text, "\n"); strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s has %d lines, not %s:\n%s", args[1], got, args[0], text)
	}
}

// awaitFile is "await FILE [TEXT]": it waits until there is one, and it has the text.
func awaitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: await FILE [TEXT]")
	}
	name := ts.MkAbs(args[0])
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		_, err := os.Stat(name)
		if err == nil && len(args) == 2 {
			var content []byte
			if content, err = os.ReadFile(name); !strings.Contains(string(content), args[1]) {
				continue
			}
		}
		if err == nil {
			return
		}
	}
	ts.Fatalf("%s does not come", strings.Join(args, " with "))
}

// exitStatus is "status N PROGRAM ARGS...": the program ends with status N.
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s ended with status %d, not %s", args[1], got, args[0])
	}
}

// damage is "damage FILE": a database whose pages are overwritten, all but the one that says what it is.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage FILE")
	}
	file := ts.MkAbs(args[0])
	content, err := os.ReadFile(file)
	ts.Check(err)
	for i := 4096; i < len(content); i++ {
		content[i] = byte(i * 7)
	}
	ts.Check(os.WriteFile(file, content, 0o600))
}

// makeNewer is "newer FILE": a database that says that a later smiley wrote it. The number is in bytes 60 to 63 of SQLite's
// header.
func makeNewer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newer FILE")
	}
	file := ts.MkAbs(args[0])
	content, err := os.ReadFile(file)
	ts.Check(err)
	binary.BigEndian.PutUint32(content[60:], 1_000_000)
	ts.Check(os.WriteFile(file, content, 0o600))
}
