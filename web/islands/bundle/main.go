// Command bundle makes one script of the islands, web/dist/islands.js. It is a module of its own, so that the bundler never
// enters smiley's requirements.
//
// The bundle is committed: whoever builds smiley needs Go and nothing else. `make bundle` renews it, and a test fails when it is
// not what its sources make.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// Places, seen from this folder.
const (
	sources = ".."
	output  = "../../dist/islands.js"
)

const banner = "/* Made of web/islands by make bundle. */"

// bundle returns the script. It is a classic one: pages opened from a disk may not load modules.
func bundle() ([]byte, error) {
	folder, err := filepath.Abs(sources)
	if err != nil {
		return nil, err
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: folder, EntryPoints: []string{"main.ts"}, Outfile: "islands.js", Bundle: true, Write: false,
		Format: api.FormatIIFE, Target: api.ES2020, Charset: api.CharsetASCII, LegalComments: api.LegalCommentsNone,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		Banner: map[string]string{"js": banner}, LogLevel: api.LogLevelSilent,
	})
	for _, m := range append(result.Errors, result.Warnings...) {
		if m.Location != nil {
			err = errors.Join(err, fmt.Errorf("%s:%d: %s", m.Location.File, m.Location.Line, m.Text))
		} else {
			err = errors.Join(err, errors.New(m.Text))
		}
	}
	if err != nil {
		return nil, err
	}
	return result.OutputFiles[0].Contents, nil
}

func main() {
	script, err := bundle()
	if err == nil {
		err = os.WriteFile(output, script, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
