package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"smiley/analysis"
	"smiley/export"
)

func (a *app) showCommand() *cobra.Command {
	return a.withJSON(&cobra.Command{
		Use:   "show RUN",
		Short: "Show everything about a run but its events",
		Example: `  smiley show last
  smiley show 0193c8f2 --json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFirst(cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRun(cmd.Context(), args[0], func(run *analysis.Run) error {
				return a.show(cmd.Context(), run)
			})
		},
	})
}

func (a *app) show(ctx context.Context, run *analysis.Run) error {
	s := run.Summary()
	untraced, err := run.Untraced(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			analysis.Summary
			Untraced []analysis.Untraced `json:"untraced"`
		}{s, untraced})
	}
	style := styleFor(a.files.stdout)
	p := fields{w: a.stdout, style: style}
	p.field("run", s.ID)
	p.field("program", s.Program)
	p.field("arguments", arguments(&s))
	p.field("directory", s.Cwd)
	p.field("host", fmt.Sprintf("%s, pid %d, %s/%s", s.Host, s.PID, s.GoOS, s.GoArch))
	p.field("go", s.GoVersion)
	p.field("module", strings.TrimSpace(s.Module+" "+s.Revision))
	p.field("started", s.Start.Local().Format("2006-01-02 15:04:05.000 MST"))
	p.field("took", duration(&s))
	p.field("status", statusWords(&s))
	p.alarm("error", s.Error)
	p.field("recorded", fmt.Sprintf("%s, %s, %s, %s", export.Plural(s.Calls, "call"), export.Plural(s.Events, "event"),
		export.Plural(s.Goroutines, "goroutine"), export.Plural(s.Errors, "returned error")+" and "+export.Plural(s.Panics, "panic")))
	p.field("quiet", quietWords(&s))
	p.field("ledger", ledgerWords(&s))
	for _, loss := range export.Losses(&s) {
		p.alarm("not whole", loss)
	}
	p.field("settings", settingsWords(&s.Settings))
	p.untraced(untraced)
	p.stack(s.Stack)
	short, err := run.ShortID(ctx)
	if err != nil {
		return err
	}
	next := []string{
		a.again("smiley replay " + short), a.again("smiley replay " + short + " --tree"), a.again("smiley stats show " + short),
		a.again("smiley goroutines " + short),
	}
	fmt.Fprintf(&p, "\n%s\n", style.Faint("next: "+export.Escape(strings.Join(next, " · "))))
	return p.err
}

func statusWords(s *analysis.Summary) string {
	switch words := ending(s); {
	case words == s.Status:
		return words
	default:
		return s.Status + ", " + words
	}
}

// quietWords is "" when there are no such goroutines.
func quietWords(s *analysis.Summary) string {
	if s.Quiet == 0 {
		return ""
	}
	return export.Plural(s.Quiet, "further goroutine") + " in which nothing was recorded"
}

func ledgerWords(s *analysis.Summary) string {
	l := s.Loss
	words := fmt.Sprintf("%s captured = %s stored + %s dropped", export.Count(l.Captured), export.Count(l.Stored), export.Count(l.Dropped))
	if !l.Balances() {
		words = fmt.Sprintf("%s captured, %s stored, %s dropped: they do not balance", export.Count(l.Captured), export.Count(l.Stored), export.Count(l.Dropped))
	}
	return words + fmt.Sprintf("; %s shortened by the bounds, %s unreadable", export.Plural(l.Truncated, "value"), export.Count(l.Unreadable))
}

func settingsWords(s *analysis.Settings) string {
	var words []string
	for _, pattern := range s.Include {
		words = append(words, "--include "+pattern)
	}
	for _, pattern := range s.Exclude {
		words = append(words, "--exclude "+pattern)
	}
	if s.IncludeDeps {
		words = append(words, "--include-deps")
	}
	if s.IncludeStdlib {
		words = append(words, "--include-stdlib")
	}
	if s.MaxDepth > 0 {
		words = append(words, fmt.Sprintf("--max-depth %d", s.MaxDepth))
	}
	for _, pattern := range s.Lines {
		words = append(words, "--lines "+pattern)
	}
	if s.MaxOverhead != nil && *s.MaxOverhead > 0 {
		words = append(words, fmt.Sprintf("--max-overhead %.6g%%", 100**s.MaxOverhead))
	}
	if s.OnFull == "drop" {
		words = append(words, "--on-full drop")
	}
	if s.RingBytes > 0 && s.RingBytes != defaultRingBytes {
		words = append(words, fmt.Sprintf("--ring-bytes %d", s.RingBytes))
	}
	words = append(words, fmt.Sprintf("--string-bytes %d --elements %d --follow %d", s.StringBytes, s.Elements, s.Follow))
	return strings.Join(words, " ") + ", " + s.Engine + " engine"
}

// fields prints names and values in two columns; it remembers the first failure to write.
type fields struct {
	w     io.Writer
	style export.Style
	err   error
}

func (p *fields) Write(text []byte) (int, error) {
	if p.err == nil {
		_, p.err = p.w.Write(text)
	}
	return len(text), p.err
}

// field leaves out what is empty.
func (p *fields) field(name, value string) {
	if value != "" {
		fmt.Fprintf(p, "%s  %s\n", p.style.Faint(fmt.Sprintf("%-9s", name)), export.Escape(value))
	}
}

func (p *fields) alarm(name, value string) {
	for line := range strings.Lines(value) {
		fmt.Fprintf(p, "%s  %s\n", p.style.Faint(fmt.Sprintf("%-9s", name)), p.style.Alarm(export.Escape(strings.TrimRight(line, "\n"))))
		name = ""
	}
}

// untraced prints the functions that could not be traced, by reason, a few of each.
func (p *fields) untraced(functions []analysis.Untraced) {
	const shown = 3
	byReason := map[string][]string{}
	for _, f := range functions {
		byReason[f.Reason] = append(byReason[f.Reason], f.Function)
	}
	reasons := make([]string, 0, len(byReason))
	for reason := range byReason {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		if n := len(byReason[b]) - len(byReason[a]); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	for i, reason := range reasons {
		name := ""
		if i == 0 {
			name = "untraced"
		}
		names := byReason[reason]
		list := strings.Join(names[:min(shown, len(names))], ", ")
		if len(names) > shown {
			list += ", …"
		}
		fmt.Fprintf(p, "%s  %s\n", p.style.Faint(fmt.Sprintf("%-9s", name)),
			export.Escape(fmt.Sprintf("%s: %s (%s)", export.Plural(uint64(len(names)), "function"), reason, list)))
	}
}

// stack prints the stack of the error that ended the program, as Go printed it.
func (p *fields) stack(text string) {
	if text == "" {
		return
	}
	fmt.Fprintln(p)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		indent := len(line) - len(strings.TrimLeft(line, "\t"))
		fmt.Fprintf(p, "    %s%s\n", strings.Repeat("    ", indent), export.Escape(line[indent:]))
	}
}
