package analysis

import (
	"context"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"smiley/recording"
	"smiley/store"
)

// Run is a run of a store, for reading. It is not safe for concurrent use.
type Run struct {
	reader *store.Reader
	info   *store.RunInfo
}

// Open finds the run that a person named: by its id, the beginning of one, or "last". Errors are those of
// store.Reader.FindRun.
func Open(ctx context.Context, reader *store.Reader, name string) (*Run, error) {
	id, err := reader.FindRun(ctx, name)
	if err != nil {
		return nil, err
	}
	info, err := reader.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Run{reader: reader, info: info}, nil
}

// ID returns the run's id.
func (r *Run) ID() recording.RunID { return r.info.ID }

// Summary says what was known of the run when it was opened.
func (r *Run) Summary() Summary { return Summarize(r.info) }

// Functions returns the run's functions, by id.
func (r *Run) Functions(ctx context.Context) ([]recording.Function, error) {
	return r.reader.Functions(ctx, r.info.ID)
}

// Untraced is a function that was asked for and could not be traced, at all or at some of its calls.
type Untraced struct {
	Function string `json:"function"`
	Package  string `json:"package"`
	Reason   string `json:"reason"`
}

// Untraced returns the functions that were asked for and could not be traced, and those of which some calls are missing;
// the result is never nil.
func (r *Run) Untraced(ctx context.Context) ([]Untraced, error) {
	functions, err := r.Functions(ctx)
	untraced := []Untraced{}
	for i := range functions {
		if f := &functions[i]; f.Trace == recording.TraceNot || f.Trace != recording.TraceReferenced && f.Reason != "" {
			untraced = append(untraced, Untraced{Function: f.Name, Package: f.Package, Reason: f.Reason})
		}
	}
	return untraced, err
}

// File is a source file of a run.
type File struct {
	Name    string `json:"name"`              // as the binary names it
	SHA256  string `json:"sha256"`            // "" when there is no content
	Missing string `json:"missing,omitempty"` // why there is none

	hash [32]byte
}

// Files returns the run's source files in the order in which the recording came to know them; never nil.
func (r *Run) Files(ctx context.Context) ([]File, error) {
	stored, err := r.reader.Files(ctx, r.info.ID)
	files := make([]File, len(stored))
	for i := range stored {
		files[i] = File{Name: stored[i].Name, Missing: stored[i].Missing, hash: stored[i].Hash}
		if stored[i].Missing == "" {
			files[i].SHA256 = hex.EncodeToString(stored[i].Hash[:])
		}
	}
	return files, err
}

// File returns the one file whose name is name or ends in it, path element by path element, and its content as it was
// when the program ran. Errors: CodeNotFound when there is none or its content is missing, CodeAmbiguous.
func (r *Run) File(ctx context.Context, name string) (File, []byte, error) {
	files, err := r.Files(ctx)
	if err != nil {
		return File{}, nil, err
	}
	found, err := findFile(files, name)
	if err != nil {
		return File{}, nil, err
	}
	if found.Missing != "" {
		return found, nil, recording.Errorf(recording.CodeNotFound, "the recording has no source of %s: %s", found.Name, found.Missing)
	}
	body, err := r.reader.FileBody(ctx, found.hash)
	return found, body, err
}

func findFile(files []File, name string) (File, error) {
	wanted := "/" + strings.TrimPrefix(path.Clean(strings.ReplaceAll(name, `\`, "/")), "/")
	var found []File
	for _, f := range files {
		if f.Name == name {
			return f, nil
		}
		if strings.HasSuffix("/"+strings.TrimPrefix(f.Name, "/"), wanted) {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 0:
		return File{}, recording.Errorf(recording.CodeNotFound, "the recording has no file %s", name).
			WithHint("smiley files RUN lists them")
	case 1:
		return found[0], nil
	}
	return File{}, recording.Errorf(recording.CodeAmbiguous, "several files are named %s: %s", name, someNames(found)).
		WithHint("give more of its path")
}

func someNames(files []File) string {
	const shown = 3
	names := make([]string, 0, shown)
	for _, f := range files[:min(shown, len(files))] {
		names = append(names, f.Name)
	}
	list := strings.Join(names, ", ")
	if len(files) > shown {
		list += fmt.Sprintf(" and %d more", len(files)-shown)
	}
	return list
}
