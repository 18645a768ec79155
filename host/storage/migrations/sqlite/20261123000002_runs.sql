-- The ledger of work: runs, their attempts, and what each did, in order.
--
-- Times are whole microseconds since 1970 UTC. JSON columns hold what only a reader of the whole value needs.

-- One execution of one pipeline, source or task.
CREATE TABLE runs (
    -- `run_` and 32 hex digits; sorting ids sorts runs by time.
    run_id         TEXT    PRIMARY KEY,
    name           TEXT    NOT NULL,
    kind           TEXT    NOT NULL CHECK (kind IN ('pipeline', 'source', 'task')),
    status         TEXT    NOT NULL CHECK (status IN (
        'pending', 'queued', 'running', 'completed', 'failed', 'cancelled', 'timed_out', 'dead_lettered'
    )),
    -- A JSON object; files by their names.
    params         TEXT    NOT NULL CHECK (json_valid(params)),
    -- Calls so far; 0 before the first.
    attempt        INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    -- The plugin version of the latest attempt.
    plugin_name    TEXT,
    plugin_version TEXT,
    plugin_digest  TEXT,
    input_hash     TEXT,
    -- The snapshot of the datasets it may read.
    snapshot_id    INTEGER,
    rows_in        INTEGER NOT NULL DEFAULT 0,
    rows_out       INTEGER NOT NULL DEFAULT 0,
    -- All rejected rows, also those that a limit kept out of `rejects`.
    rejected       INTEGER NOT NULL DEFAULT 0,
    -- It completed and every capture was already there.
    unchanged      INTEGER NOT NULL DEFAULT 0 CHECK (unchanged IN (0, 1)),
    -- A `Failure` as JSON.
    error          TEXT    CHECK (json_valid(error)),
    -- What a task answered; the summary of a pipeline.
    result         TEXT    CHECK (json_valid(result)),
    created_at_us  INTEGER NOT NULL,
    -- Of the first attempt.
    started_at_us  INTEGER,
    finished_at_us INTEGER,

    CHECK ((status IN ('completed', 'failed', 'cancelled', 'timed_out', 'dead_lettered')) = (finished_at_us IS NOT NULL)),
    CHECK ((attempt > 0) = (started_at_us IS NOT NULL)),
    CHECK ((attempt > 0) = (plugin_digest IS NOT NULL)),
    CHECK (status NOT IN ('running', 'completed') OR attempt > 0),
    CHECK (status NOT IN ('failed', 'timed_out', 'dead_lettered') OR error IS NOT NULL),
    CHECK (unchanged = 0 OR status = 'completed')
) STRICT, WITHOUT ROWID;

-- Serves `recover` and lists of one status.
CREATE INDEX runs_status ON runs (status, run_id);

-- Which run a key stands for. A key moves to a new run only after its run failed, was cancelled or timed out.
CREATE TABLE idempotency_keys (
    idempotency_key TEXT PRIMARY KEY,
    run_id          TEXT NOT NULL REFERENCES runs (run_id)
) STRICT, WITHOUT ROWID;

-- One try at a run; the last decides the run.
CREATE TABLE attempts (
    run_id         TEXT    NOT NULL REFERENCES runs (run_id),
    number         INTEGER NOT NULL CHECK (number >= 1),
    plugin_name    TEXT    NOT NULL,
    plugin_version TEXT    NOT NULL,
    plugin_digest  TEXT    NOT NULL,
    input_hash     TEXT,
    snapshot_id    INTEGER NOT NULL,
    started_at_us  INTEGER NOT NULL,
    finished_at_us INTEGER,
    -- The status it gave the run, or that another attempt followed.
    outcome        TEXT    CHECK (outcome IN ('completed', 'failed', 'cancelled', 'timed_out', 'retried')),

    PRIMARY KEY (run_id, number),
    CHECK ((outcome IS NULL) = (finished_at_us IS NULL))
) STRICT, WITHOUT ROWID;

-- What an attempt read, kept under `inputs/` by digest.
CREATE TABLE run_inputs (
    run_id    TEXT    NOT NULL,
    attempt   INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    file_name TEXT    NOT NULL,
    digest    TEXT    NOT NULL,

    PRIMARY KEY (run_id, attempt, position),
    FOREIGN KEY (run_id, attempt) REFERENCES attempts (run_id, number)
) STRICT, WITHOUT ROWID;

-- Everything that happened to a run, in order. Written in the transaction of the change it tells.
CREATE TABLE run_events (
    run_id TEXT    NOT NULL REFERENCES runs (run_id),
    -- From 1, without a gap.
    seq    INTEGER NOT NULL CHECK (seq >= 1),
    at_us  INTEGER NOT NULL,
    event  TEXT    NOT NULL,
    data   TEXT    NOT NULL CHECK (json_valid(data)),

    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

-- What the guest said, and the host about it.
CREATE TABLE run_logs (
    run_id  TEXT    NOT NULL REFERENCES runs (run_id),
    seq     INTEGER NOT NULL CHECK (seq >= 1),
    at_us   INTEGER NOT NULL,
    level   TEXT    NOT NULL,
    -- `guest`, `stdout`, `stderr` or `host`.
    origin  TEXT    NOT NULL,
    message TEXT    NOT NULL,
    -- A JSON array of pairs.
    fields  TEXT    NOT NULL CHECK (json_valid(fields)),

    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

-- The stages of the work a plugin reported, with its row count at each.
CREATE TABLE run_stages (
    run_id   TEXT    NOT NULL REFERENCES runs (run_id),
    position INTEGER NOT NULL,
    stage    TEXT    NOT NULL,
    rows     INTEGER NOT NULL,

    PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;

-- Results of quality checks.
CREATE TABLE quality_results (
    run_id     TEXT    NOT NULL REFERENCES runs (run_id),
    position   INTEGER NOT NULL,
    check_name TEXT    NOT NULL,
    dataset    TEXT    NOT NULL,
    category   TEXT    NOT NULL CHECK (category IN ('INTEGRITY', 'COMPLETENESS', 'BUSINESS_RULE')),
    severity   TEXT    NOT NULL CHECK (severity IN ('block', 'warn')),
    status     TEXT    NOT NULL CHECK (status IN ('PASS', 'WARN', 'FAIL')),
    message    TEXT    NOT NULL,
    actual     TEXT,
    expected   TEXT,

    PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;

-- Serves `quality --dataset`.
CREATE INDEX quality_results_dataset ON quality_results (dataset, run_id);

-- Input lines that are not in the output.
CREATE TABLE rejects (
    run_id   TEXT    NOT NULL REFERENCES runs (run_id),
    position INTEGER NOT NULL,
    code     TEXT    NOT NULL,
    message  TEXT    NOT NULL,
    -- 1 is the first line of the file.
    line     INTEGER,
    raw      TEXT,

    PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;

-- How far a source has come, kept with the rows it stands for.
CREATE TABLE source_cursors (
    source        TEXT    PRIMARY KEY,
    cursor        BLOB    NOT NULL,
    run_id        TEXT    NOT NULL REFERENCES runs (run_id),
    updated_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
