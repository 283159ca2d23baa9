package recording

import (
	"os/exec"
	"testing"

	"pgregory.net/rapid"
)

func TestShellWordIsReadableAsItIs(t *testing.T) {
	for text, want := range map[string]string{
		"/srv/data/runs.db": "/srv/data/runs.db",
		"./cmd/server":      "./cmd/server",
		"":                  "''",
		"my runs.db":        "'my runs.db'",
		"it's":              `'it'\''s'`,
		"~/runs.db":         "'~/runs.db'",
		"$HOME":             "'$HOME'",
		"a=b":               "'a=b'",
		"grüße.db":          "grüße.db",
		"two\nlines":        `$'two\x0alines'`,
		"caf\xe9's":         `$'caf\xe9\'s'`,
	} {
		if got := ShellWord(text); got != want {
			t.Errorf("ShellWord(%q) = %s, not %s", text, got, want)
		}
	}
}

// TestShellsReadWordsBack has a real shell say what it makes of them.
func TestShellsReadWordsBack(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching("[ -~\x01-\x1f\x7fäß€\u0085]*"), 1, 200).Draw(t, "texts")
		script, want := "printf '%s\\0'", ""
		for _, text := range texts {
			script += " " + ShellWord(text)
			want += text + "\x00"
		}
		got, err := exec.Command(bash, "-c", script).Output()
		if err != nil || string(got) != want {
			t.Fatalf("%q becomes %q: %v", want, got, err)
		}
	})
}
