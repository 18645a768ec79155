-- Tokens come from a fixed number of counters instead of a row for each key that ever was: a key always counts at the
-- same counter, which it shares with others. They go on after the last token of any key.
CREATE TABLE lease_counters (
    counter    INTEGER PRIMARY KEY CHECK (counter BETWEEN 0 AND 63),
    -- It only grows, also when nobody holds its keys.
    last_token INTEGER NOT NULL CHECK (last_token >= 0)
) STRICT;

INSERT INTO lease_counters (counter, last_token)
WITH RECURSIVE counters (counter) AS (SELECT 0 UNION ALL SELECT counter + 1 FROM counters WHERE counter < 63)
SELECT counter, (SELECT COALESCE(MAX(last_token), 0) FROM lease_tokens) FROM counters;

-- As before, without the reference to a row for the key, and without indexes that cost more than they save: a table of
-- what is held right now is small.
CREATE TABLE leases_counted (
    lease_key      TEXT    NOT NULL,
    run_id         TEXT    NOT NULL REFERENCES runs (run_id),
    worker_id      TEXT    NOT NULL,
    -- Greater than that of whoever held the slot before.
    token          INTEGER NOT NULL CHECK (token >= 1),
    acquired_at_us INTEGER NOT NULL,
    expires_at_us  INTEGER NOT NULL,

    PRIMARY KEY (lease_key, run_id)
) STRICT, WITHOUT ROWID;

INSERT INTO leases_counted (lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us)
SELECT lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us FROM leases;

DROP TABLE leases;
ALTER TABLE leases_counted RENAME TO leases;
DROP TABLE lease_tokens;

-- Serves what a run holds.
CREATE INDEX leases_run ON leases (run_id);

-- What a worker holds is found among the running runs, which are few.
DROP INDEX runs_worker;
