-- Functions and types are read from the blocks that define them. Runs that were recorded before have rows in functions and types.
CREATE TABLE definitions (
    run       INTEGER NOT NULL REFERENCES runs (key),
    number    INTEGER NOT NULL, -- of a block that defines functions or types
    functions INTEGER NOT NULL, -- the highest id with that block
    types     INTEGER NOT NULL, -- the same
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
