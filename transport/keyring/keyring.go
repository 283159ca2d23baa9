// Package keyring keeps the CURVE keys of a person in files: the own pair, the clients that a recorder accepts, and the
// keys of the recorders that a sender knows. All files are for their owner alone.
//
// Start with [Default], the directory, and [Ring.Generate].
package keyring

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"smiley/recording"
	"smiley/transport"
)

// Ring is a directory with keys.
type Ring struct{ dir string }

const (
	ownFile       = "key"       // the secret key
	clientsFile   = "clients"   // KEY NAME
	recordersFile = "recorders" // KEY ADDRESS
	maxFile       = 1 << 20
)

// Open returns the ring in dir, which need not exist.
func Open(dir string) Ring { return Ring{dir} }

// Default returns the ring in $XDG_CONFIG_HOME/smiley, else ~/.config/smiley.
func Default() (Ring, error) {
	// The specification of these directories says that a relative path is to be ignored.
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return Ring{}, recording.Errorf(recording.CodeNotFound, "no place to keep keys: %w", err).
				WithHint("set HOME, or XDG_CONFIG_HOME to an absolute path")
		}
		dir = filepath.Join(home, ".config")
	}
	return Ring{filepath.Join(dir, "smiley")}, nil
}

// Dir returns the directory.
func (r Ring) Dir() string { return r.dir }

// Generate makes the own pair. It does not replace one (CodeInvalid), since others trust it.
func (r Ring) Generate() (transport.KeyPair, error) {
	pair, err := transport.NewKeyPair()
	if err != nil {
		return pair, err
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return pair, r.explain(err)
	}
	name := filepath.Join(r.dir, ownFile)
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return pair, recording.Errorf(recording.CodeInvalid, "there is a key already in %s", name).
			WithHint("'smiley keys show' prints it; remove the file to begin anew")
	}
	if err != nil {
		return pair, r.explain(err)
	}
	_, err = fmt.Fprintln(file, pair.Secret)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		err = errors.Join(err, os.Remove(name)) // it would be in the way of the next try
	}
	return pair, r.explain(err)
}

// Own returns the own pair. Errors are CodeNotFound when there is none, CodePermission when others can read it, and
// CodeInvalid.
func (r Ring) Own() (transport.KeyPair, error) {
	name := filepath.Join(r.dir, ownFile)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return transport.KeyPair{}, recording.Errorf(recording.CodeNotFound, "there is no key in %s", r.dir).
			WithHint("make one with 'smiley keys generate'")
	}
	if err != nil {
		return transport.KeyPair{}, r.explain(err)
	}
	if othersCanRead(info) {
		return transport.KeyPair{}, recording.Errorf(recording.CodePermission, "the secret key in %s can be read by others", name).
			WithHint("chmod 600 %s, and make a new key if somebody may have seen it", recording.ShellWord(name))
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return transport.KeyPair{}, r.explain(err)
	}
	return transport.KeyPairOf(strings.TrimSpace(string(data)))
}

// Authorize lets a recorder of this person accept a client. name is for people.
func (r Ring) Authorize(public, name string) error {
	if r.Authorized(public) {
		return nil
	}
	return r.add(clientsFile, public, name)
}

// Authorized reports whether a client is accepted. It reads the file each time, so that changes take effect at once.
func (r Ring) Authorized(public string) bool {
	found := false
	_ = r.each(clientsFile, func(key, _ string) { found = found || key == public })
	return found
}

// Clients returns the keys and names of the clients that are accepted.
func (r Ring) Clients() (list [][2]string, err error) {
	err = r.each(clientsFile, func(key, name string) { list = append(list, [2]string{key, name}) })
	return list, err
}

// Trust notes down the key of the recorder at an address. A later one replaces it.
func (r Ring) Trust(public string, recorder transport.Endpoint) error {
	return r.add(recordersFile, public, recorder.String())
}

// Recorder returns the key of the recorder at an address. The error is CodeNotFound when there is none.
func (r Ring) Recorder(recorder transport.Endpoint) (string, error) {
	public := ""
	err := r.each(recordersFile, func(key, address string) {
		if address == recorder.String() {
			public = key
		}
	})
	if err == nil && public == "" {
		err = recording.Errorf(recording.CodeNotFound, "the key of the recorder at %s is not known", recorder).
			WithHint("run 'smiley keys show' where the recorder runs, and here 'smiley keys authorize --recorder %s KEY'", recording.ShellWord(recorder.String()))
	}
	return public, err
}

// add appends a line to a list.
func (r Ring) add(list, public, text string) error {
	if err := transport.CheckKey(public); err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return r.explain(err)
	}
	file, err := os.OpenFile(filepath.Join(r.dir, list), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return r.explain(err)
	}
	line := public + " " + strings.Join(strings.Fields(text), " ") + "\n"
	if !endsLine(file) {
		line = "\n" + line
	}
	_, err = file.WriteString(line)
	return r.explain(errors.Join(err, file.Close()))
}

// endsLine reports whether what is appended to a file begins a line: editors do not always end the last one.
func endsLine(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return err == nil
	}
	last := make([]byte, 1)
	_, err = file.ReadAt(last, info.Size()-1)
	return err == nil && last[0] == '\n'
}

// each calls f for every line of a list; one that does not exist is empty. Lines without a key are skipped.
func (r Ring) each(list string, f func(key, text string)) error {
	file, err := os.Open(filepath.Join(r.dir, list))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return r.explain(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxFile)
	for lines.Scan() {
		key, text, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if transport.CheckKey(key) == nil {
			f(key, strings.TrimSpace(text))
		}
	}
	return r.explain(lines.Err())
}

func (r Ring) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return recording.Errorf(recording.CodePermission, "cannot use the keys in %s: %w", r.dir, err).
			WithHint("the directory must belong to you")
	}
	return recording.Errorf(recording.CodeInternal, "the keys in %s: %w", r.dir, err)
}
