package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"smiley/recording"
)

// applicationID marks the file as smiley's ("smly"), so that no other program's database is ever written to.
const applicationID = 0x736d6c79

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration brings the schema from version number−1 to number.
type migration struct {
	number int
	sql    string
}

// migrations returns all migrations, in order. They are numbered from 1 without a hole.
func migrations() []migration {
	entries, err := fs.ReadDir(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the files are part of the binary
	}
	all := make([]migration, 0, len(entries))
	for i, entry := range entries { // sorted by name
		number, err := strconv.Atoi(strings.SplitN(entry.Name(), "_", 2)[0])
		if err != nil || number != i+1 {
			panic("migration " + entry.Name() + " is out of order")
		}
		body, err := migrationFiles.ReadFile("migrations/" + entry.Name())
		if err != nil {
			panic(err)
		}
		all = append(all, migration{number: number, sql: string(body)})
	}
	return all
}

// SchemaVersion is the version of the schema that this package writes.
func SchemaVersion() int { return len(migrations()) }

// schema says what a file holds.
type schema struct {
	version int
	empty   bool // nothing at all: a new file
	ours    bool
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// readSchema finds out what the database holds.
func readSchema(ctx context.Context, q querier) (schema, error) {
	var application, version, tables int
	err := q.QueryRowContext(ctx, `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_application_id, pragma_user_version`).Scan(&application, &version, &tables)
	if err != nil {
		return schema{}, err
	}
	return schema{
		version: version,
		empty:   tables == 0 && version == 0 && application == 0,
		ours:    application == applicationID,
	}, nil
}

// check says why a file with schema s cannot be used by a smiley whose newest migration is latest.
func (s schema) check(file string, latest int) error {
	switch {
	case s.empty:
		return nil
	case !s.ours:
		return foreign(file, nil)
	case s.version > latest:
		return failure(recording.CodeNewer, nil,
			fmt.Sprintf("%s was written by a newer smiley (schema %d, this one knows %d)", file, s.version, latest),
			"update smiley, or choose another file with --database")
	}
	return nil
}

// migrate brings the database to the newest of all, each step in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB, file string, all []migration) error {
	for _, m := range all {
		if err := applyMigration(ctx, db, file, m, len(all)); err != nil {
			return err
		}
	}
	return nil
}

func applyMigration(ctx context.Context, db *sql.DB, file string, m migration, latest int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit; before it, its failure adds nothing
	now, err := readSchema(ctx, tx)
	if err != nil {
		return err
	}
	if err := now.check(file, latest); err != nil {
		return err
	}
	if now.version >= m.number {
		return nil // another process was faster
	}
	script := fmt.Sprintf("%s\nPRAGMA application_id = %d; PRAGMA user_version = %d;", m.sql, applicationID, m.number)
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	return tx.Commit()
}
