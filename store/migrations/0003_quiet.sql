-- Goroutines without an event are counted, not listed.
ALTER TABLE runs ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0; -- goroutines that came and went without an event
