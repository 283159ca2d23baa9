-- What the blocks of a run come to for its flame graph and its time line: one row for each run that was asked for one.
CREATE TABLE digests (
    run    INTEGER PRIMARY KEY REFERENCES runs (key),
    blocks INTEGER NOT NULL, -- the row and time_nodes cover the blocks below this one
    events INTEGER NOT NULL, -- in them
    lag    INTEGER NOT NULL, -- an event lies at most so many blocks behind the first block with a later one
    stacks BLOB    NOT NULL, -- zstd; merged call stacks: see store/digest_codec.go
    open   BLOB    NOT NULL  -- zstd; the calls that were open at that block's start
) STRICT;

-- What happened when, as counts by buckets of time for each goroutine and for all together. Level 0 has one row a block,
-- level 1 one for each 64 complete blocks, level 2 for each 4096. A goroutine that began and ended within one row of a
-- level is left out of the levels above.
CREATE TABLE time_nodes (
    run    INTEGER NOT NULL REFERENCES runs (key),
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL, -- of the block, or of the group of blocks
    body   BLOB    NOT NULL, -- zstd; see store/timenode.go
    PRIMARY KEY (run, level, number)
) STRICT, WITHOUT ROWID;
