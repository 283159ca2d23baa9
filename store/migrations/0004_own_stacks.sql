-- Digests are made anew: goroutines with events in many blocks have their stacks in digest_stacks, all others in digests.
DELETE FROM digests;
DELETE FROM time_nodes;

-- The merged call stacks of single goroutines, of those that a digest tells apart. digests.stacks has those of all others
-- together.
CREATE TABLE digest_stacks (
    run       INTEGER NOT NULL REFERENCES runs (key),
    goroutine INTEGER NOT NULL,
    blocks    INTEGER NOT NULL, -- in which it has events
    body      BLOB    NOT NULL, -- zstd; see store/digest_codec.go
    PRIMARY KEY (run, goroutine)
) STRICT, WITHOUT ROWID;
