package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"smiley/recording"
)

// commandLineError turns what the command line parser says, and failures that nobody foresaw, into errors of ours.
func commandLineError(command *cobra.Command, err error) *recording.Error {
	path := "smiley"
	if command != nil {
		path = command.CommandPath()
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	e := &recording.Error{Code: recording.CodeInvalid, Message: message, Err: err}
	if name, ok := strings.CutPrefix(message, "unknown command "); ok && command != nil {
		name, _, _ = strings.Cut(strings.TrimPrefix(name, `"`), `"`)
		if near := nearest(command.SuggestionsFor(name), name); len(near) > 0 {
			return e.WithHint("did you mean: %s %s", path, strings.Join(near, ", "+path+" "))
		}
	}
	if hint := flagHint(command, err); hint != "" {
		return e.WithHint("%s", hint)
	}
	if clear := clearer(command, err); clear != nil {
		return clear
	}
	return e.WithHint("see: %s --help", path)
}

// flagHint says what somebody may have meant with a flag that there is not; "" when nothing comes to mind.
func flagHint(command *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if command == nil || !errors.As(err, &unknown) {
		return ""
	}
	name := unknown.GetSpecifiedName()
	if letters := unknown.GetSpecifiedShortnames(); letters != "" { // -name: a whole name with one dash
		name = letters
	}
	if near := nearestFlag(command, name); near != "" {
		return "did you mean: --" + near
	}
	switch command.Name() {
	case "run":
		return "flags of the program go behind --, as in: smiley run PROGRAM -- " + flagText(unknown)
	case "test":
		return "flags for building go into --build-flags, as in: --build-flags " + flagText(unknown) + "; those of the tests' own behind -args"
	}
	return ""
}

// valueHint says what values a flag takes.
func valueHint(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "bool":
		return "give true or false, or nothing, which is true: --" + flag.Name
	case "duration":
		return "give a time such as 250ms, 30s or 5m"
	case "int", "int64":
		return "give a whole number"
	case "uint", "uint64":
		return "give a whole number, 0 or more"
	}
	return "it is: " + flag.Usage
}

func flagText(unknown *pflag.NotExistError) string {
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		return "-" + letters
	}
	return "--" + unknown.GetSpecifiedName()
}

// clearer says in words of ours what is wrong with the values of flags and with arguments; nil when it does not know better. Only for
// values has the parser a type.
func clearer(command *cobra.Command, err error) *recording.Error {
	e := recording.Errorf(recording.CodeInvalid, "%w", err)
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		e.Message = fmt.Sprintf("--%s cannot be %q", value.GetFlag().Name, value.GetValue())
		return e.WithHint("%s", valueHint(value.GetFlag()))
	}
	var output *fs.PathError
	if errors.As(err, &output) && output.Op == "write" && output.Path == os.Stdout.Name() {
		e.Code, e.Message = recording.CodeFull, "the output cannot be written: "+output.Err.Error()
		return e.WithHint("make room where it goes, or send it elsewhere")
	}
	if command == nil {
		return nil
	}
	path := command.CommandPath()
	if name, ok := strings.CutPrefix(e.Message, "unknown command "); ok && !command.HasSubCommands() {
		name, _, _ = strings.Cut(name, " for ")
		e.Message = fmt.Sprintf("%s takes no arguments, and %s is one", path, name)
		return e.WithHint("write: %s; see: %s --help", command.UseLine(), path)
	}
	if strings.Contains(e.Message, " arg(s)") {
		e.Message = path + " " + strings.Replace(strings.Replace(e.Message, " 1 arg(s)", " 1 argument", 1), "arg(s)", "arguments", 1)
		return e.WithHint("write: %s; see: %s --help", command.UseLine(), path)
	}
	if _, set, ok := strings.Cut(e.Message, "none of the others can be; ["); ok {
		set, _, _ = strings.Cut(set, "]")
		e.Message = "--" + strings.Join(strings.Fields(set), " and --") + " exclude each other"
		return e.WithHint("leave one of them out; see: %s --help", path)
	}
	return nil
}
