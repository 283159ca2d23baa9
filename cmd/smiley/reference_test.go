package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/web"
)

const reference = "../../docs/reference"

// TestReferenceIsFresh makes docs/reference/cli.md from the commands and compares it with the file.
func TestReferenceIsFresh(t *testing.T) {
	var page bytes.Buffer
	page.WriteString("# Commands\n\nThis page is made from the commands by `make docs`; a test fails when it is stale.\n")
	root := (&app{}).rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("list", "show") // as it is when there are arguments
	describe(&page, root)
	file := filepath.Join(reference, "cli.md")
	if *update {
		if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, page.Bytes()) {
		t.Errorf("%s is stale: run make docs", file)
	}
}

// describe writes a command and those below it.
func describe(page *bytes.Buffer, command *cobra.Command) {
	if command.Hidden || command.Name() == "help" {
		return
	}
	command.InitDefaultHelpFlag()
	text := command.Long
	if text == "" || command.Name() == "completion" || command.Parent() != nil && command.Parent().Name() == "completion" {
		text = command.Short + "."
	}
	fmt.Fprintf(page, "\n## %s\n\n%s\n\n```\n%s\n```\n", command.CommandPath(), text, command.UseLine())
	if len(command.Aliases) > 0 {
		fmt.Fprintf(page, "\nAlso: `%s`.\n", strings.Join(command.Aliases, "`, `"))
	}
	if command.HasAvailableLocalFlags() {
		fmt.Fprintf(page, "\n```\n%s```\n", command.LocalFlags().FlagUsages())
	}
	if command.HasExample() {
		fmt.Fprintf(page, "\nExamples:\n\n```\n%s\n```\n", command.Example)
	}
	below := slices.SortedFunc(slices.Values(command.Commands()), func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	for _, below := range below {
		describe(page, below)
	}
}

// TestEveryCommandHasAnExample holds for help what the reference shows.
func TestEveryCommandHasAnExample(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(command *cobra.Command) {
		if !command.HasExample() || command.Short == "" {
			t.Errorf("%s has no example or no description", command.CommandPath())
		}
		if command.RunE == nil {
			t.Errorf("%s does nothing", command.CommandPath())
		}
		for _, below := range command.Commands() {
			if !below.Hidden { // nobody asks for its help
				walk(below)
			}
		}
	}
	walk((&app{}).rootCommand())
}

// TestContractIsDocumented compares the fields of the JSON objects with docs/reference/json.md, both ways: the page names
// every field in a table row of its object, and nothing else.
func TestContractIsDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(reference, "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	for heading, object := range map[string]any{
		"run": analysis.Summary{}, "loss": analysis.Summary{}.Loss, "settings": analysis.Settings{}, "untraced": analysis.Untraced{},
		"event": analysis.Event{}, "value": analysis.Value{}, "statistics": analysis.Statistics{},
		"goroutine": analysis.Goroutine{}, "file": analysis.File{}, "report": web.ReportSummary{}, "version": versions{},
	} {
		_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
		if !found {
			t.Errorf("json.md has no section %q", heading)
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		documented := map[string]bool{}
		for line := range strings.Lines(section) {
			if name, ok := strings.CutPrefix(line, "| `"); ok {
				name, _, _ = strings.Cut(name, "`")
				documented[name] = true
			}
		}
		for _, name := range jsonNames(reflect.TypeOf(object)) {
			if !documented[name] {
				t.Errorf("json.md does not document %s of %s", name, heading)
			}
			delete(documented, name)
		}
		for name := range documented {
			if name != "untraced" && name != "body" { // added by show and files
				t.Errorf("json.md documents %s of %s, which there is not", name, heading)
			}
		}
	}
}

func jsonNames(object reflect.Type) []string {
	var names []string
	for i := range object.NumField() {
		name, _, _ := strings.Cut(object.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}
