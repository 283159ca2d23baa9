//go:build cgo && linux && amd64

package main

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"smiley/internal/stress"
)

// everywhere is an address that other machines reach, so it takes keys; this machine reaches it under the same name.
const everywhere = "tcp://0.0.0.0:0"

// person is somebody with a home, and keys in it or not.
type person struct {
	s    *stage
	home string
	key  string
}

// person makes one who has no keys yet.
func (s *stage) person(name string) *person {
	return &person{s: s, home: filepath.Join(s.dir, name)}
}

// withKeys makes one who has keys.
func (s *stage) withKeys(name string) *person {
	p := s.person(name)
	p.key = p.must("keys", "generate")
	return p
}

// command is one that this person gives.
func (p *person) command(args ...string) *exec.Cmd {
	c := p.s.command(args...)
	c.Env = append(c.Env, "HOME="+p.home)
	return c
}

// must is what a command prints that must go well.
func (p *person) must(args ...string) string {
	p.s.t.Helper()
	out, err := p.command(args...).Output()
	if err != nil {
		p.s.t.Fatalf("%v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// knows notes down that a key belongs to the recorder at an address.
func (p *person) knows(address, key string) { p.must("keys", "authorize", "--recorder", address, key) }

// fails gives a command that must not go well, and returns its status and what it says.
func (p *person) fails(args ...string) (status int, says string) {
	p.s.t.Helper()
	c := p.command(args...)
	var said bytes.Buffer
	c.Stderr = &said
	err := c.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		p.s.t.Fatalf("%v: %v: %s", args, err, &said)
	}
	return exit.ExitCode(), said.String()
}

// A monitor at a recorder with keys shows what it records to those whose key the recorder accepts, and tells everybody else why not.
func TestMonitorConnectsWithKeys(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	s := newAudience(t)
	s.address, s.pause = everywhere, "100ms"
	recorder := s.person(".")
	recorder.key = recorder.must("keys", "generate")
	friend, stranger, deceived := s.withKeys("friend"), s.withKeys("stranger"), s.withKeys("deceived")
	recorder.must("keys", "authorize", friend.key, "friend")
	recorder.must("keys", "authorize", deceived.key, "deceived")
	s.startRecorder()
	friend.knows(s.address, recorder.key)
	stranger.knows(s.address, recorder.key)
	deceived.knows(s.address, stranger.key)
	recorder.knows(s.address, recorder.key)
	recorder.must("keys", "authorize", recorder.key, "itself")
	// On its own machine it takes keys, too, from those who noted down its key for that name.
	loopback := strings.Replace(s.address, "0.0.0.0", "127.0.0.1", 1)
	friend.knows(loopback, recorder.key)
	recorder.knows(loopback, recorder.key)

	r := s.run(loopback) // with the recorder's own keys
	s.progress(0)
	w := s.monitorAs(friend, "--connect", loopback, "--exit", "--json")
	w.note("watching (.*)$")
	lines := w.lines()
	var q sequence
	for range 100 {
		q.line(t, <-lines)
	}
	for _, other := range []struct {
		who     *person
		address string
		says    string
	}{
		{stranger, s.address, "does not accept this key"},
		{stranger, loopback, "it may want keys"},
		{deceived, s.address, "has no keys or others than expected"},
		{s.person("nobody"), s.address, "there is no key"},
	} {
		status, says := other.who.fails("monitor", "--connect", other.address, "--json")
		if status != 1 || !strings.Contains(says, other.says) {
			t.Errorf("status %d, and not %q but:\n%s", status, other.says, says)
		}
	}
	if n := s.metric("smiley_denied_connections_total"); n == 0 {
		t.Error("nobody was denied")
	}
	n := r.finish()
	for line := range lines {
		q.line(t, line)
	}
	w.end()
	if q.last < 2*n || q.shown < 100 {
		t.Errorf("of %d calls the last event is %d; %d are shown", n, q.last, q.shown)
	}
	s.whole(n)
	s.stopRecorder(syscall.SIGTERM)
}

// A monitor that takes the place of a recorder with keys shows what those send whose key it accepts. Others' programs run as if
// nothing were wrong, and their recordings wait.
func TestMonitorListensWithKeys(t *testing.T) {
	stress.ElsewhereUnderRace(t)
	s := newAudience(t)
	s.pause = "100ms"
	viewer := s.withKeys("viewer")
	stranger := s.withKeys("stranger")
	friend := s.person(".") // who starts the stage's programs
	friend.key = friend.must("keys", "generate")
	viewer.must("keys", "authorize", friend.key, "friend")
	w := s.monitorAs(viewer, "--listen", everywhere, "--exit", "--json")
	s.address = w.note("listening at ([^;]+);")
	friend.knows(s.address, viewer.key)
	stranger.knows(s.address, viewer.key)

	status, says := s.person("nobody").fails("run", "--remote", s.address, s.program, "--", filepath.Join(s.dir, "none"), s.pause)
	if status != 125 || !strings.Contains(says, "there is no key") {
		t.Errorf("without a key: status %d, and it says\n%s", status, says)
	}
	status, says = stranger.fails("run", "--remote", s.address, s.program, "--", filepath.Join(s.dir, "strange"), s.pause)
	if status != 7 || !strings.Contains(says, "does not accept this key") || !strings.Contains(says, "could not be delivered") {
		t.Errorf("with a key that is not accepted: status %d, and it says\n%s", status, says)
	}
	r := s.run(s.address)
	lines := w.lines()
	var q sequence
	for range 100 {
		q.line(t, <-lines)
	}
	n := r.finish()
	for line := range lines {
		q.line(t, line)
	}
	w.end()
	if q.last < 2*n {
		t.Errorf("of %d calls the last event is %d", n, q.last)
	}
}
