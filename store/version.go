package store

import sqlite3 "modernc.org/sqlite/lib"

// SQLiteVersion returns the version of the SQLite that keeps the recordings, e.g. "3.53.0".
func SQLiteVersion() string { return sqlite3.SQLITE_VERSION }
