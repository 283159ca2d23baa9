package store

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "renew the generated pages")

const schemaPage = "../docs/reference/schema.md"

const schemaIntro = `# The database

<!-- Made from store/migrations by: go test ./store -run TestSchemaPageIsFresh -update -->

A recording lives in one SQLite file (default ` + "`$XDG_DATA_HOME/smiley/smiley.db`" + `, mode 0600). Its
` + "`application_id`" + ` is 0x%x ("smly"), its ` + "`user_version`" + ` the number of the last migration: %d. A file with a higher
number is refused and left as it is; one with a lower number is brought up to date when it is opened.

You may read it with any SQLite tool, also while it is written. Do not write to it. Prefer the commands with
` + "`--json`" + `: the columns below can change with a migration, the JSON contract only grows.

* Times ending in ` + "`_ns`" + ` are nanoseconds: since the run's start, or Unix time where it says so.
* A ` + "`seq`" + ` is the position of an event in its run, from 1. The id of a call is the seq of its call event.
* Events are not rows. They lie in the blocks, in the [block format](format.md).
* ` + "`goroutines`, `long_calls`, `function_stats` and `edge_stats`" + ` cover the blocks below ` + "`runs.rolled_up`" + `;
  what the at most %d blocks behind that add stands in their summaries.
* ` + "`digests`, `digest_stacks` and `time_nodes`" + ` are made when somebody asks for them, by reading the blocks. Without them nothing is lost.
* ` + "`functions` and `types`" + ` hold those of runs that were recorded before schema 7, ` + "`Unreadable`" + ` left out where it is empty. Since then they are
  read from the blocks that define them, which ` + "`definitions`" + ` lists.
* Journal mode is WAL, ` + "`synchronous`" + ` is NORMAL: a committed block survives the death of any process. When the machine
  loses power, blocks committed since the last checkpoint (at most 16 MiB of them) can be lost; what is left is
  consistent.
* ` + "`auto_vacuum`" + ` is incremental: deleting runs makes the file smaller.
`

// The page about the schema says what the migrations say.
func TestSchemaPageIsFresh(t *testing.T) {
	var page strings.Builder
	fmt.Fprintf(&page, schemaIntro, applicationID, SchemaVersion(), rollUpBlocks)
	for _, m := range migrations() {
		describeMigration(t, &page, m.sql)
	}
	if *update {
		check(t, os.WriteFile(schemaPage, []byte(page.String()), 0o644)) //nolint:gosec // a page for everybody
	}
	got, err := os.ReadFile(schemaPage)
	check(t, err)
	if !bytes.Equal(got, []byte(page.String())) {
		t.Errorf("%s is stale: renew it with go test ./store -run TestSchemaPageIsFresh -update", schemaPage)
	}
}

var (
	sqlTable  = regexp.MustCompile(`^CREATE TABLE (\w+) \($`)
	sqlColumn = regexp.MustCompile(`^    (\w+)\s+(INTEGER|TEXT|BLOB)([^,]*?),?\s*(?:-- (.*))?$`)
	sqlKey    = regexp.MustCompile(`^    (PRIMARY KEY|UNIQUE) \((.*)\)$`)
	sqlAdded  = regexp.MustCompile(`^ALTER TABLE (\w+) ADD COLUMN (\w+) (INTEGER|TEXT|BLOB)([^;]*); -- (.*)$`)
	sqlIndex  = regexp.MustCompile(`^CREATE INDEX \w+ ON (\w+) \(([^)]*)\)(.*);$`)
)

// describeMigration turns a migration into a heading and a table for each table. A line that it does not understand fails
// the test, so that nothing is left out.
func describeMigration(t *testing.T, page *strings.Builder, sql string) {
	t.Helper()
	var comment []string
	for line := range strings.Lines(sql) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "-- "):
			comment = append(comment, strings.TrimPrefix(line, "-- "))
		case sqlTable.MatchString(line):
			fmt.Fprintf(page, "\n## %s\n\n", sqlTable.FindStringSubmatch(line)[1])
			if len(comment) > 0 {
				fmt.Fprintf(page, "%s\n\n", strings.Join(comment, "\n"))
			}
			page.WriteString("| column | type | meaning |\n|---|---|---|\n")
			comment = nil
		case sqlKey.MatchString(line):
			key := sqlKey.FindStringSubmatch(line)
			fmt.Fprintf(page, "\n%s: %s.\n", map[string]string{"PRIMARY KEY": "Key", "UNIQUE": "Unique"}[key[1]], key[2])
		case sqlColumn.MatchString(line):
			c := sqlColumn.FindStringSubmatch(line)
			kind := strings.ToLower(c[2])
			if !strings.Contains(c[3], "NOT NULL") && !strings.Contains(c[3], "PRIMARY KEY") {
				kind += " or null"
			}
			fmt.Fprintf(page, "| `%s` | %s | %s |\n", c[1], kind, strings.ReplaceAll(c[4], "|", `\|`))
		case sqlAdded.MatchString(line):
			c := sqlAdded.FindStringSubmatch(line)
			fmt.Fprintf(page, "\n## %s, added\n\n%s\n\n| column | type | meaning |\n|---|---|---|\n| `%s` | %s | %s |\n", c[1],
				strings.Join(comment, "\n"), c[2], strings.ToLower(c[3]), c[5])
			comment = nil
		case sqlIndex.MatchString(line):
			i := sqlIndex.FindStringSubmatch(line)
			fmt.Fprintf(page, "\nIndex: %s.\n", i[2]+i[3])
		case strings.HasPrefix(line, "DELETE FROM "):
			comment = nil
		case line == "" || strings.HasPrefix(line, ") STRICT"):
		default:
			t.Fatalf("the generator does not understand %q", line)
		}
	}
}

// A migration that was published never changes: files were made with it.
func TestMigrationsAreFrozen(t *testing.T) {
	frozen := []string{
		"b3d39381f709386d46ee136e93abe5da4ea6be6cd39c327fac9ffe3c59a43650",
		"8212561eb40cf78732f4c12f5334fa0e63f0b02373b22587debef8348e2c287c",
		"2aceaa21f68b0c3f6418b2f6a8871a0bd241ce8db8afc64aa9fb11ac17da9db4",
		"765a86e257c58dbed8e4923684c92322d1e99ce669b782c095b4c8d4c805f6a4",
		"87333345cbea52d62b8bfcfec52f1e38129aa44ef3172f93e503bf403f1001fe",
		"291cdd2b10310a2e98608bcd75d82646d7ade01c8e62b5d4c235ea8c0ccdc153",
		"1fedac23af3064a50615d053267a8c9c511bdf88669deeee3962d78c2c157287",
	}
	for i, m := range migrations() {
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(m.sql)))
		if i >= len(frozen) || frozen[i] != sum {
			t.Errorf("migration %d has sum %s: do not change it, add one (a new one enters the list here)", m.number, sum)
		}
	}
}
