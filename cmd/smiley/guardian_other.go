//go:build !(linux && amd64)

package main

import (
	"github.com/spf13/cobra"

	"smiley/tracer"
)

// guardCommand has nothing to do where nothing can be recorded.
func (a *app) guardCommand() *cobra.Command { return &cobra.Command{Use: "guard", Hidden: true} }

func guardRun(*tracer.Options, string) {}
