package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

func (a *app) testCommand() *cobra.Command {
	launch := newLaunchFlags()
	command := &cobra.Command{
		Use:   "test [flags] [PACKAGE] [TEST FLAGS]",
		Short: "Run the tests of a package and record what they do",
		Long: `Run the tests of a package, the one here by default, and record every call, as smiley run does with a program. They are
built by go test -c and run in the package's directory, with the flags of go test: those that choose and repeat tests (-run, -skip, -count,
-failfast, -short, -shuffle, -v, -bench, -fuzz and so on), those that build them (-race, -cover, -tags and so on), and whatever follows -args.
What else go build is to be told goes into --build-flags. As under go test, the tests have no standard input, and profiles are written to the
directory where smiley was started.

smiley exits with the status of the tests: 1 when one failed.`,
		Example: `  smiley test ./cart
  smiley test ./cart -run TestAdd -v
  smiley test ./cart -run TestFlaky -count 1000 -failfast      until it fails
  smiley test ./cart -race --include 'example.com/m/...'`,
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
			tests, build, err := testArguments(args)
			if err != nil {
				return err
			}
			options.Args, options.BuildFlags = tests, append(options.BuildFlags, build...)
			return a.launch(cmd.Context(), options, launch)
		},
	}
	launch.register(command)
	return command
}

// failedTestsNamed is how many failed tests are named at the end.
const failedTestsNamed = 3

// sayFailedTests says which tests failed, and how to look at what each of them did.
func (a *app) sayFailedTests(ctx context.Context, reader *store.Reader, id recording.RunID) error {
	run, err := analysis.Open(ctx, reader, id.String())
	if err != nil {
		return err
	}
	failed, err := run.FailedTests(ctx, failedTestsNamed+1)
	if err != nil {
		return err
	}
	short, err := run.ShortID(ctx)
	if err != nil {
		return err
	}
	for i, f := range failed {
		if i == failedTestsNamed {
			_ = a.say("more tests failed; see: %s", a.again("smiley replay "+short))
			break
		}
		_ = a.say("%s failed in goroutine %d; see: %s", export.Escape(f.Name), f.Goroutine,
			a.again(fmt.Sprintf("smiley replay %s --goroutine %d", short, f.Goroutine)))
	}
	return nil
}

// The flags of go test that a test binary knows, with the prefix test., and those that say how it is built. Switches take no value.
var (
	testSwitches = []string{"artifacts", "benchmem", "failfast", "fullpath", "short", "v"}
	testSettings = []string{
		"bench", "benchtime", "blockprofile", "blockprofilerate", "count", "coverprofile", "cpu", "cpuprofile", "fuzz", "fuzzminimizetime",
		"fuzztime", "list", "memprofile", "memprofilerate", "mutexprofile", "mutexprofilefraction", "outputdir", "parallel", "run", "shuffle",
		"skip", "timeout", "trace",
	}
	buildSwitches = []string{"a", "asan", "cover", "msan", "race", "trimpath", "x"}
	buildSettings = []string{
		"asmflags", "buildmode", "buildvcs", "covermode", "coverpkg", "gcflags", "ldflags", "mod", "modfile", "overlay", "p", "pgo", "tags", "vet",
	}
)

// testFlag is a flag of go test.
type testFlag struct {
	name      string // without dashes and prefix
	building  bool   // it says how the tests are built
	takesNext bool   // its value is the next argument
}

// goTestFlag returns the flag of go test that arg is; false when it is none. Flags that have two dashes are smiley's.
func goTestFlag(arg string) (testFlag, bool) {
	name, ok := strings.CutPrefix(arg, "-")
	if !ok || strings.HasPrefix(name, "-") {
		return testFlag{}, false
	}
	name, _, hasValue := strings.Cut(name, "=")
	flag := testFlag{name: strings.TrimPrefix(name, "test."), takesNext: !hasValue}
	switch {
	case slices.Contains(testSwitches, flag.name):
		flag.takesNext = false
		return flag, true
	case slices.Contains(testSettings, flag.name):
		return flag, true
	}
	flag = testFlag{name: name, building: true, takesNext: !hasValue}
	switch {
	case slices.Contains(buildSwitches, name):
		flag.takesNext = false
		return flag, true
	case slices.Contains(buildSettings, name):
		return flag, true
	}
	return testFlag{}, false
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
		flag, ok := goTestFlag(arg)
		if !ok {
			own = append(own, arg)
			continue
		}
		moved = append(moved, arg)
		if flag.takesNext && i+1 < len(args) {
			i++
			moved = append(moved, args[i])
		}
	}
	if len(moved) == 0 {
		return own
	}
	return append(append(own, "--"), moved...)
}

// testArguments turns flags of go test into those of a test binary, with those that go test itself adds, and those of go build.
func testArguments(args []string) (tests, build []string, err error) {
	tests = []string{"-test.paniconexit0", "-test.timeout=10m0s"}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "-args" || arg == "--args" {
			return append(tests, args[i+1:]...), build, nil
		}
		flag, ok := goTestFlag(arg)
		switch {
		case !ok && strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "-test."):
			return nil, nil, recording.Errorf(recording.CodeInvalid, "%s is no flag that chooses or repeats tests", arg).
				WithHint("flags for building: --build-flags %s; flags of the tests' own: -args %s", recording.ShellWord(arg), recording.ShellWord(arg))
		case !ok:
			tests = append(tests, arg)
			continue
		}
		list := &tests
		if flag.building {
			list = &build
		} else {
			arg = "-test." + strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "test.")
		}
		*list = append(*list, arg)
		if flag.takesNext && i+1 < len(args) {
			i++
			*list = append(*list, args[i])
		}
	}
	return tests, build, nil
}
