//go:build deps

// Package deps is a placeholder that keeps requirements listed until their packages import them.
package deps

import (
	_ "github.com/go-delve/delve/pkg/gobuild"
	_ "github.com/go-delve/delve/pkg/proc/native"
	_ "github.com/google/pprof/profile"
	_ "github.com/google/uuid"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/pebbe/zmq4"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "go.uber.org/goleak"
	_ "golang.org/x/arch/x86/x86asm"
	_ "golang.org/x/term"
	_ "golang.org/x/sys/unix"
	_ "modernc.org/sqlite"
	_ "pgregory.net/rapid"
)
