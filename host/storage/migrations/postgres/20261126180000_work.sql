-- What a run carries out, whole: another process can carry it out, and a later run can repeat it.

-- Where it waits.
ALTER TABLE runs ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal'
    CHECK (priority IN ('realtime', 'high', 'normal', 'low', 'slow'));
ALTER TABLE runs ADD COLUMN lane TEXT NOT NULL DEFAULT 'default' CHECK (lane IN ('default', 'backfill', 'slow'));
-- A run that has not ended by then is timed out.
ALTER TABLE runs ADD COLUMN deadline_us BIGINT;
-- The next attempt begins no earlier.
ALTER TABLE runs ADD COLUMN not_before_us BIGINT;

-- Where it comes from. Runs of earlier versions were asked for on the command line, or nobody knows.
ALTER TABLE runs ADD COLUMN asked_by TEXT NOT NULL DEFAULT 'cli'
    CHECK (asked_by IN ('cli', 'api', 'schedule', 'retry', 'workflow', 'internal'));
-- Shared by everything that one cause led to.
ALTER TABLE runs ADD COLUMN correlation_id TEXT COLLATE "C";
-- The run that asked for this one.
ALTER TABLE runs ADD COLUMN parent_run_id TEXT COLLATE "C" REFERENCES runs (run_id);
-- The run that this one repeats.
ALTER TABLE runs ADD COLUMN retry_of TEXT COLLATE "C" REFERENCES runs (run_id);

-- The rest of it, as JSON: inputs by digest, force, the policy of retries, the idempotency key. None for runs of
-- earlier versions, which nobody can carry out again.
ALTER TABLE runs ADD COLUMN work TEXT CHECK (json_typeof(work::json) <> '');

-- Serves the children of a run.
CREATE INDEX runs_parent ON runs (parent_run_id, run_id) WHERE parent_run_id IS NOT NULL;

-- A failed run that nobody has dealt with yet. Written with the failure; repetitions count against it.
CREATE TABLE dead_letters (
    -- The first of the runs that repeat each other.
    run_id           TEXT   COLLATE "C" PRIMARY KEY REFERENCES runs (run_id),
    created_at_us    BIGINT NOT NULL,
    -- How often it was repeated, and how often it may be.
    retries          BIGINT  NOT NULL DEFAULT 0 CHECK (retries BETWEEN 0 AND retries_max),
    retries_max      BIGINT NOT NULL CHECK (retries_max >= 0),
    -- The latest repetition, and when it was asked for.
    retry_run_id     TEXT   COLLATE "C" REFERENCES runs (run_id),
    retried_at_us    BIGINT,
    resolved_at_us   BIGINT,
    -- `retry` where a repetition completed.
    resolved_by      TEXT,
    note             TEXT,

    CHECK ((retries > 0) = (retry_run_id IS NOT NULL)),
    CHECK ((retry_run_id IS NULL) = (retried_at_us IS NULL)),
    CHECK ((resolved_at_us IS NULL) = (resolved_by IS NULL))
);

-- Serves the list of what waits for an operator.
CREATE INDEX dead_letters_open ON dead_letters (run_id) WHERE resolved_at_us IS NULL;

-- Against which dead letter a repetition counts.
ALTER TABLE runs ADD COLUMN dead_letter_of TEXT COLLATE "C" REFERENCES runs (run_id);
