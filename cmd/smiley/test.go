package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"smiley/recording"
)

func (a *app) testCommand() *cobra.Command {
	launch := newLaunchFlags()
	command := &cobra.Command{
		Use:   "test [flags] [PACKAGE] [TEST FLAGS]",
		Short: "Run the tests of a package and record what they do",
		Long: `Run the tests of a package, the one here by default, and record every call, as smiley run does with a program. They are
built by go test -c and run in the package's directory, with the flags of go test that choose and repeat tests: -run, -skip, -count,
-failfast, -short, -shuffle, -v, -bench and so on, and whatever follows -args. Flags for building go into --build-flags.

smiley exits with the status of the tests: 1 when one failed.`,
		Example: `  smiley test ./cart
  smiley test ./cart -run TestAdd -v
  smiley test ./cart -run TestFlaky -count 1000 -failfast      until it fails
  smiley test ./cart --build-flags -race --include 'example.com/m/...'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && !strings.HasPrefix(args[0], "-") && len(args) > 1 && !strings.HasPrefix(args[1], "-") {
				return errors.New("the tests of one package are run at a time")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := launch.options()
			if err != nil {
				return err
			}
			options.Tests, options.Target = true, "."
			if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				options.Target, args = args[0], args[1:]
			}
			if options.Args, err = testArguments(args); err != nil {
				return err
			}
			return a.launch(cmd.Context(), options, launch)
		},
	}
	launch.register(command)
	return command
}

// The flags of go test that a test binary knows, with the prefix test., those first that take no value.
var (
	testSwitches = []string{"artifacts", "benchmem", "failfast", "fullpath", "short", "v"}
	testSettings = []string{
		"bench", "benchtime", "blockprofile", "blockprofilerate", "count", "coverprofile", "cpu", "cpuprofile", "fuzz", "fuzzminimizetime",
		"fuzztime", "list", "memprofile", "memprofilerate", "mutexprofile", "mutexprofilefraction", "outputdir", "parallel", "run", "shuffle",
		"skip", "timeout", "trace",
	}
)

// testFlag returns the name of a flag of go test that arg is, "" when it is none.
func testFlag(arg string) (name string, takesNext bool) {
	name, ok := strings.CutPrefix(arg, "-")
	if !ok || strings.HasPrefix(name, "-") {
		return "", false
	}
	name, _, hasValue := strings.Cut(strings.TrimPrefix(name, "test."), "=")
	if slices.Contains(testSwitches, name) {
		return name, false
	}
	if slices.Contains(testSettings, name) {
		return name, !hasValue
	}
	return "", false
}

// moveTestFlags moves what is meant for the tests behind a --, so that the flags of go test can be written among those of smiley.
func moveTestFlags(args []string) []string {
	var own, moved []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			moved = append(moved, args[i+1:]...)
			break
		}
		if arg == "-args" || arg == "--args" {
			moved = append(moved, args[i:]...)
			break
		}
		name, takesNext := testFlag(arg)
		if name == "" {
			own = append(own, arg)
			continue
		}
		moved = append(moved, arg)
		if takesNext && i+1 < len(args) {
			i++
			moved = append(moved, args[i])
		}
	}
	if len(moved) == 0 {
		return own
	}
	return append(append(own, "--"), moved...)
}

// testArguments turns flags of go test into those of a test binary, with those that go test itself adds.
func testArguments(args []string) ([]string, error) {
	list := []string{"-test.paniconexit0", "-test.timeout=10m0s"}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "-args" || arg == "--args" {
			return append(list, args[i+1:]...), nil
		}
		name, takesNext := testFlag(arg)
		if name == "" && strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "-test.") {
			return nil, recording.Errorf(recording.CodeInvalid, "%s is no flag that chooses or repeats tests", arg).
				WithHint("flags for building: --build-flags %s; flags of the tests' own: -args %s", arg, arg)
		}
		if name == "" {
			list = append(list, arg)
			continue
		}
		list = append(list, "-test."+strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "test."))
		if takesNext && i+1 < len(args) {
			i++
			list = append(list, args[i])
		}
	}
	return list, nil
}
