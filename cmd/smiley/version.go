package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"smiley/store"
	"smiley/transport"
)

// version is set by the Makefile.
var version string

// versions are the versions of smiley and of what it is made of.
type versions struct {
	Smiley   string `json:"smiley"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Delve    string `json:"delve"`
	SQLite   string `json:"sqlite"`
	Libzmq   string `json:"libzmq"` // "" in a build without cgo, which has none
}

func (a *app) versionCommand() *cobra.Command {
	return a.withJSON(&cobra.Command{
		Use:     "version",
		Short:   "Show the versions of smiley, Go, Delve, SQLite and libzmq",
		Example: "  smiley version --json",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.printVersions() },
	})
}

func (a *app) printVersions() error {
	v := currentVersions()
	if a.json {
		return a.printJSON(v)
	}
	if v.Libzmq == "" {
		v.Libzmq = "none (built without cgo)"
	}
	_, err := fmt.Fprintf(a.stdout, "smiley  %s\ngo      %s %s\ndelve   %s\nsqlite  %s\nlibzmq  %s\n",
		v.Smiley, v.Go, v.Platform, v.Delve, v.SQLite, v.Libzmq)
	return err
}

func currentVersions() versions {
	v := versions{
		Smiley: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Delve: "unknown", SQLite: store.SQLiteVersion(), Libzmq: transport.Version(),
	}
	info, ok := debug.ReadBuildInfo()
	if v.Smiley == "" {
		v.Smiley = "unknown"
		if ok && info.Main.Version != "" {
			v.Smiley = info.Main.Version
		}
	}
	if ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/go-delve/delve" {
				v.Delve = module.Version
			}
		}
	}
	return v
}
