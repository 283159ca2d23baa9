-- Source files are compressed by what is quickest: somebody waits until those of a large program are stored.
ALTER TABLE files ADD COLUMN codec INTEGER NOT NULL DEFAULT 0; -- of body: 0 zstd, 1 S2 (a block)
