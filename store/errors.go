package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"smiley/recording"
)

// failure makes a recording.Error about a database file. The cause may be nil.
func failure(code recording.Code, cause error, message, hint string) *recording.Error {
	return &recording.Error{Code: code, Message: message, Hint: hint, Err: cause}
}

// wrap turns a failure of the database in file into a recording.Error: the first one that err holds, if there is one.
func wrap(file string, err error) error {
	if err == nil {
		return nil
	}
	var known *recording.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return failure(recording.CodeCanceled, err, "canceled", "")
	}
	var failed *sqlite.Error
	if errors.As(err, &failed) {
		if e := fromSQLite(file, failed.Code(), err); e != nil {
			return e
		}
	}
	if e := fromSystem(file, err); e != nil {
		return e
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) {
		return failure(recording.CodeCanceled, err, "the database was closed while it was in use", "")
	}
	if strings.Contains(err.Error(), "sql: Scan error") { // a value that no smiley wrote
		return damaged(file, err)
	}
	return failure(recording.CodeInternal, err, fmt.Sprintf("database %s: %v", file, err), "")
}

// fromSQLite returns the error for a result code, nil when the code says nothing that a person can use.
func fromSQLite(file string, code int, err error) *recording.Error {
	if code == sqlite3.SQLITE_IOERR_SHMSIZE {
		return full(file, err)
	}
	switch code & 0xff {
	case sqlite3.SQLITE_ERROR:
		if strings.Contains(err.Error(), "no such ") || strings.Contains(err.Error(), "has no column") {
			return damaged(file, err) // the version says that it is there
		}
	case sqlite3.SQLITE_NOTADB:
		return foreign(file, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT:
		return damaged(file, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return failure(recording.CodeLocked, err, file+" is locked by another process",
			"wait until that process is done, or choose another file with --database")
	case sqlite3.SQLITE_FULL:
		return full(file, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH:
		return forbidden(file, err)
	case sqlite3.SQLITE_INTERRUPT:
		return failure(recording.CodeCanceled, err, "canceled", "")
	}
	return nil
}

// fromSystem returns the error for a failed system call, nil when it says nothing that a person can use.
func fromSystem(file string, err error) *recording.Error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EFBIG):
		return full(file, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return forbidden(file, err)
	case errors.Is(err, syscall.EISDIR):
		return failure(recording.CodeInvalid, err, file+" is a directory, not a database",
			"name a file in it, such as "+file+"/smiley.db")
	case errors.Is(err, syscall.ENOTDIR):
		return failure(recording.CodeInvalid, err, file+" lies below something that is not a directory",
			"choose another file with --database")
	case errors.Is(err, fs.ErrNotExist):
		return missing(file, err)
	}
	return nil
}

func missing(file string, err error) *recording.Error {
	return failure(recording.CodeNotFound, err, "no recordings yet: "+file+" does not exist",
		"record a program with: smiley run ./your/program")
}

func foreign(file string, err error) *recording.Error {
	return failure(recording.CodeDamaged, err, file+" is not a smiley database",
		"choose another file with --database, or move this one away")
}

func damaged(file string, err error) *recording.Error {
	return failure(recording.CodeDamaged, err, file+" is damaged",
		"save what can still be read with: smiley export RUN FILE, then move the file away")
}

func full(file string, err error) *recording.Error {
	return failure(recording.CodeFull, err, "no room left on the disk for "+file,
		"free some space there: other files first, then runs with smiley delete RUN, which takes a little room itself; what was recorded before is kept")
}

func forbidden(file string, err error) *recording.Error {
	return failure(recording.CodePermission, err, "no permission to open or write "+file,
		"check the permissions of the file and of its directory, or choose another file with --database")
}
