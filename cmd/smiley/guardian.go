//go:build linux && amd64

package main

import (
	"context"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"smiley/recording"
	"smiley/tracer"
)

// guardianCommand is the name of the command that smiley run starts by itself.
const guardianCommand = "guard"

// guardianSocket is the descriptor on which a guardian hears of its smiley.
const guardianSocket = 3

func (a *app) guardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    guardianCommand,
		Short:  "Wait for another smiley to be killed, and keep what it had not stored",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			socket := os.NewFile(guardianSocket, "socket")
			if _, err := unix.GetsockoptInt(guardianSocket, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
				return recording.Errorf(recording.CodeInvalid, "there is no smiley to guard: %w", err).
					WithHint("smiley run starts its guardian by itself")
			}
			return tracer.Guard(cmd.Context(), socket, a.laterHeir(cmd.Context()))
		},
	}
}

// guardRun has options start a guardian: when this smiley is killed, and the program with it, the guardian stores what is still in
// memory, and notes how much is lost. It has a session of its own, so that what ends everything in this one does not end it.
func guardRun(options *tracer.Options, database string) {
	options.Store = database
	options.Guardian = func() (*os.File, error) {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, recording.Errorf(recording.CodeInternal, "making a socket: %w", err)
		}
		ours, theirs := os.NewFile(uintptr(ends[0]), "guardian"), os.NewFile(uintptr(ends[1]), "guarded")
		defer func() { _ = theirs.Close() }()
		// The file of this process itself: what has its name now may be another version.
		guardian := exec.CommandContext(context.Background(), "/proc/self/exe")
		guardian.Args = []string{"smiley", guardianCommand, "--database", options.Store}
		guardian.Dir = "/"
		guardian.ExtraFiles = []*os.File{theirs}
		guardian.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := guardian.Start(); err != nil {
			_ = ours.Close()
			return nil, recording.Errorf(recording.CodeInternal, "starting a guardian: %w", err)
		}
		return ours, guardian.Process.Release()
	}
}
