-- One row a run. Everything a list of runs shows is here, kept up to date block by block.
CREATE TABLE runs (
    key          INTEGER PRIMARY KEY AUTOINCREMENT, -- short name inside this file; never used again after a delete
    id           TEXT    NOT NULL UNIQUE,           -- the run's UUID, in lower case: its name outside
    state        TEXT    NOT NULL,                  -- recording, complete, interrupted; importing and deleting are hidden
    program      TEXT    NOT NULL,
    args         TEXT    NOT NULL,                  -- JSON array of strings
    cwd          TEXT    NOT NULL,
    host         TEXT    NOT NULL,
    pid          INTEGER NOT NULL,
    go_version   TEXT    NOT NULL,
    go_os        TEXT    NOT NULL,
    go_arch      TEXT    NOT NULL,
    module       TEXT    NOT NULL,
    revision     TEXT    NOT NULL,
    start_ns     INTEGER NOT NULL,                  -- Unix time
    settings     TEXT    NOT NULL,                  -- JSON object
    end_ns       INTEGER,                           -- Unix time; NULL until the final block, as the next five
    duration_ns  INTEGER,
    exit_code    INTEGER,
    signal       TEXT,
    error        TEXT,
    stack        TEXT,
    blocks       INTEGER NOT NULL DEFAULT 0,        -- stored; the number of the next one
    stored       INTEGER NOT NULL DEFAULT 0,        -- events in them; the seq of the last one
    captured     INTEGER NOT NULL DEFAULT 0,        -- = stored + dropped
    dropped      INTEGER NOT NULL DEFAULT 0,
    truncated    INTEGER NOT NULL DEFAULT 0,
    unreadable   INTEGER NOT NULL DEFAULT 0,
    untraced     INTEGER NOT NULL DEFAULT 0,
    calls        INTEGER NOT NULL DEFAULT 0,
    errors       INTEGER NOT NULL DEFAULT 0,
    panics       INTEGER NOT NULL DEFAULT 0,
    goroutines   INTEGER NOT NULL DEFAULT 0,
    functions    INTEGER NOT NULL DEFAULT 0,        -- defined so far; the highest id
    types        INTEGER NOT NULL DEFAULT 0,
    files        INTEGER NOT NULL DEFAULT 0,
    last_ns      INTEGER NOT NULL DEFAULT 0,        -- latest event time, ns since the start
    rolled_up    INTEGER NOT NULL DEFAULT 0,        -- goroutines, long_calls and *_stats cover the blocks below this one
    writer       TEXT    NOT NULL,                  -- the process that records it
    heartbeat_ns INTEGER NOT NULL                   -- Unix time of the writer's last sign of life
) STRICT;
CREATE INDEX runs_by_start ON runs (start_ns, key);

-- Where the blocks of a run lie, without their bytes.
CREATE TABLE blocks (
    run       INTEGER NOT NULL REFERENCES runs (key),
    number    INTEGER NOT NULL,
    first_seq INTEGER NOT NULL, -- of its first event; of the next event when it has none
    events    INTEGER NOT NULL,
    first_ns  INTEGER NOT NULL, -- earliest and latest event time, ns since the run's start
    last_ns   INTEGER NOT NULL,
    high_ns   INTEGER NOT NULL, -- latest event time in this block and all before it
    calls     INTEGER NOT NULL,
    errors    INTEGER NOT NULL,
    panics    INTEGER NOT NULL,
    captured  INTEGER NOT NULL, -- ledger from the run's start to this block's end
    dropped   INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_by_seq ON blocks (run, first_seq, number);
CREATE INDEX blocks_by_time ON blocks (run, high_ns, number);

-- The encoded blocks, whole but for the bodies of source files.
CREATE TABLE block_bodies (
    key    INTEGER PRIMARY KEY,
    run    INTEGER NOT NULL REFERENCES runs (key),
    number INTEGER NOT NULL,
    body   BLOB    NOT NULL,
    UNIQUE (run, number)
) STRICT;

CREATE TABLE functions (
    run      INTEGER NOT NULL REFERENCES runs (key),
    id       INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    package  TEXT    NOT NULL,
    file     INTEGER NOT NULL, -- run_files.id; 0: unknown
    line     INTEGER NOT NULL,
    trace    INTEGER NOT NULL, -- 0 referenced only, 1 probe, 2 breakpoint, 3 could not be traced
    reason   TEXT    NOT NULL, -- why it could not
    variadic INTEGER NOT NULL,
    params   TEXT    NOT NULL, -- JSON array of {Name, Type, Unreadable}
    results  TEXT    NOT NULL,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;

-- The type table of a run, one row a block that defined types.
CREATE TABLE types (
    key   INTEGER PRIMARY KEY,
    run   INTEGER NOT NULL REFERENCES runs (key),
    first INTEGER NOT NULL, -- id of the first type in body
    count INTEGER NOT NULL,
    body  BLOB    NOT NULL, -- zstd of a JSON array
    UNIQUE (run, first)
) STRICT;

-- Source files by content, shared by all runs.
CREATE TABLE files (
    key  INTEGER PRIMARY KEY,
    hash BLOB    NOT NULL UNIQUE, -- SHA-256 of the content
    size INTEGER NOT NULL,
    body BLOB    NOT NULL         -- zstd of the content
) STRICT;

CREATE TABLE run_files (
    run     INTEGER NOT NULL REFERENCES runs (key),
    id      INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    hash    BLOB,             -- NULL when there is no content
    missing TEXT    NOT NULL, -- why
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_files_by_hash ON run_files (hash) WHERE hash IS NOT NULL;

CREATE TABLE goroutines (
    run            INTEGER NOT NULL REFERENCES runs (key),
    id             INTEGER NOT NULL,
    parent         INTEGER NOT NULL,
    creator        INTEGER NOT NULL, -- seq of the call that started it; 0: unknown
    created_in     INTEGER NOT NULL,
    created_line   INTEGER NOT NULL,
    start_function INTEGER NOT NULL,
    start_ns       INTEGER NOT NULL,
    end_ns         INTEGER,          -- NULL while its end was not seen
    first_seq      INTEGER NOT NULL, -- 0: no event yet, as the next three
    last_seq       INTEGER NOT NULL,
    first_ns       INTEGER NOT NULL,
    last_ns        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    calls          INTEGER NOT NULL,
    begins         INTEGER NOT NULL, -- how often the number was given to a goroutine; presence is no help beyond 1
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;

-- Which goroutines have events in which blocks, as lists. Level 0 has one row a block, level 1 one for each 64 complete
-- blocks, level 2 for each 4096. A goroutine that began and ended within a row's blocks is left out of that row:
-- its row in goroutines says where it lies.
CREATE TABLE presence (
    run     INTEGER NOT NULL REFERENCES runs (key),
    level   INTEGER NOT NULL,
    number  INTEGER NOT NULL, -- of the block, or of the group of blocks
    members BLOB    NOT NULL, -- ascending ids as varints: (id − previous id) << 3 | ended << 2 | began << 1 | has calls
    PRIMARY KEY (run, level, number)
) STRICT, WITHOUT ROWID;

-- Calls that outlive the block they began in. A call that is not here lies in one block.
CREATE TABLE long_calls (
    run       INTEGER NOT NULL REFERENCES runs (key),
    seq       INTEGER NOT NULL,
    goroutine INTEGER NOT NULL,
    function  INTEGER NOT NULL,
    parent    INTEGER NOT NULL,
    depth     INTEGER NOT NULL,
    start_ns  INTEGER NOT NULL,
    end_ns    INTEGER,          -- NULL while open, as the next two
    end_seq   INTEGER,
    self_ns   INTEGER,
    outcome   INTEGER NOT NULL, -- 0 open, 1 returned, 2 panicked, 3 exited, 4 lost
    failed    INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE function_stats (
    run       INTEGER NOT NULL REFERENCES runs (key),
    function  INTEGER NOT NULL,
    calls     INTEGER NOT NULL,
    ended     INTEGER NOT NULL,
    errors    INTEGER NOT NULL,
    panics    INTEGER NOT NULL,
    total_ns  INTEGER NOT NULL,
    self_ns   INTEGER NOT NULL,
    histogram BLOB    NOT NULL, -- durations, in recording.Histogram's stored form
    PRIMARY KEY (run, function)
) STRICT, WITHOUT ROWID;

CREATE TABLE edge_stats (
    run      INTEGER NOT NULL REFERENCES runs (key),
    caller   INTEGER NOT NULL, -- 0: no recorded caller
    callee   INTEGER NOT NULL,
    calls    INTEGER NOT NULL,
    total_ns INTEGER NOT NULL,
    PRIMARY KEY (run, caller, callee)
) STRICT, WITHOUT ROWID;
