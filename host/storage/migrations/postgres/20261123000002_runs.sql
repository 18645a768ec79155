-- The ledger of work: runs, their attempts, and what each did, in order.
--
-- The same tables as on SQLite. Texts that are keys order by their bytes there, so here they are `COLLATE "C"`;
-- `json_typeof(...) <> ''` holds for every JSON text, and nothing else becomes `json`.
--
-- Times are whole microseconds since 1970 UTC. JSON columns hold what only a reader of the whole value needs.

-- One execution of one pipeline, source or task.
CREATE TABLE runs (
    -- `run_` and 32 hex digits; sorting ids sorts runs by time.
    run_id         TEXT   COLLATE "C" PRIMARY KEY,
    name           TEXT   COLLATE "C" NOT NULL,
    kind           TEXT   NOT NULL CHECK (kind IN ('pipeline', 'source', 'task')),
    status         TEXT   NOT NULL CHECK (status IN (
        'pending', 'queued', 'running', 'completed', 'failed', 'cancelled', 'timed_out', 'dead_lettered'
    )),
    -- A JSON object; files by their names.
    params         TEXT   NOT NULL CHECK (json_typeof(params::json) <> ''),
    -- Calls so far; 0 before the first.
    attempt        BIGINT NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    -- The plugin version of the latest attempt.
    plugin_name    TEXT,
    plugin_version TEXT,
    plugin_digest  TEXT   COLLATE "C",
    input_hash     TEXT,
    -- The snapshot of the datasets it may read.
    snapshot_id    BIGINT,
    rows_in        BIGINT NOT NULL DEFAULT 0,
    rows_out       BIGINT NOT NULL DEFAULT 0,
    -- All rejected rows, also those that a limit kept out of `rejects`.
    rejected       BIGINT NOT NULL DEFAULT 0,
    -- It completed and every capture was already there.
    unchanged      BIGINT NOT NULL DEFAULT 0 CHECK (unchanged IN (0, 1)),
    -- A `Failure` as JSON.
    error          TEXT   CHECK (json_typeof(error::json) <> ''),
    -- What a task answered; the summary of a pipeline.
    result         TEXT   CHECK (json_typeof(result::json) <> ''),
    created_at_us  BIGINT NOT NULL,
    -- Of the first attempt.
    started_at_us  BIGINT,
    finished_at_us BIGINT,

    CHECK ((status IN ('completed', 'failed', 'cancelled', 'timed_out', 'dead_lettered')) = (finished_at_us IS NOT NULL)),
    CHECK ((attempt > 0) = (started_at_us IS NOT NULL)),
    CHECK ((attempt > 0) = (plugin_digest IS NOT NULL)),
    CHECK (status NOT IN ('running', 'completed') OR attempt > 0),
    CHECK (status NOT IN ('failed', 'timed_out', 'dead_lettered') OR error IS NOT NULL),
    CHECK (unchanged = 0 OR status = 'completed')
);

-- Serves `recover` and lists of one status.
CREATE INDEX runs_status ON runs (status, run_id);

-- Which run a key stands for. A key moves to a new run only after its run failed, was cancelled or timed out.
CREATE TABLE idempotency_keys (
    idempotency_key TEXT COLLATE "C" PRIMARY KEY,
    run_id          TEXT COLLATE "C" NOT NULL REFERENCES runs (run_id)
);

-- One try at a run; the last decides the run.
CREATE TABLE attempts (
    run_id         TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    number         BIGINT NOT NULL CHECK (number >= 1),
    plugin_name    TEXT   NOT NULL,
    plugin_version TEXT   NOT NULL,
    plugin_digest  TEXT   COLLATE "C" NOT NULL,
    input_hash     TEXT,
    snapshot_id    BIGINT NOT NULL,
    started_at_us  BIGINT NOT NULL,
    finished_at_us BIGINT,
    -- The status it gave the run, or that another attempt followed.
    outcome        TEXT   CHECK (outcome IN ('completed', 'failed', 'cancelled', 'timed_out', 'retried')),

    PRIMARY KEY (run_id, number),
    CHECK ((outcome IS NULL) = (finished_at_us IS NULL))
);

-- What an attempt read, kept under `inputs/` by digest.
CREATE TABLE run_inputs (
    run_id    TEXT   COLLATE "C" NOT NULL,
    attempt   BIGINT NOT NULL,
    position  BIGINT NOT NULL,
    file_name TEXT   NOT NULL,
    digest    TEXT   COLLATE "C" NOT NULL,

    PRIMARY KEY (run_id, attempt, position),
    FOREIGN KEY (run_id, attempt) REFERENCES attempts (run_id, number)
);

-- Everything that happened to a run, in order. Written in the transaction of the change it tells.
CREATE TABLE run_events (
    run_id TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    -- From 1, without a gap.
    seq    BIGINT NOT NULL CHECK (seq >= 1),
    at_us  BIGINT NOT NULL,
    event  TEXT   NOT NULL,
    data   TEXT   NOT NULL CHECK (json_typeof(data::json) <> ''),

    PRIMARY KEY (run_id, seq)
);

-- What the guest said, and the host about it.
CREATE TABLE run_logs (
    run_id  TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    seq     BIGINT NOT NULL CHECK (seq >= 1),
    at_us   BIGINT NOT NULL,
    level   TEXT   NOT NULL,
    -- `guest`, `stdout`, `stderr` or `host`.
    origin  TEXT   NOT NULL,
    message TEXT   NOT NULL,
    -- A JSON array of pairs.
    fields  TEXT   NOT NULL CHECK (json_typeof(fields::json) <> ''),

    PRIMARY KEY (run_id, seq)
);

-- The stages of the work a plugin reported, with its row count at each.
CREATE TABLE run_stages (
    run_id   TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    position BIGINT NOT NULL,
    stage    TEXT   COLLATE "C" NOT NULL,
    rows     BIGINT NOT NULL,

    PRIMARY KEY (run_id, position)
);

-- Results of quality checks.
CREATE TABLE quality_results (
    run_id     TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    position   BIGINT NOT NULL,
    check_name TEXT   COLLATE "C" NOT NULL,
    dataset    TEXT   COLLATE "C" NOT NULL,
    category   TEXT   NOT NULL CHECK (category IN ('INTEGRITY', 'COMPLETENESS', 'BUSINESS_RULE')),
    severity   TEXT   NOT NULL CHECK (severity IN ('block', 'warn')),
    status     TEXT   NOT NULL CHECK (status IN ('PASS', 'WARN', 'FAIL')),
    message    TEXT   NOT NULL,
    actual     TEXT,
    expected   TEXT,

    PRIMARY KEY (run_id, position)
);

-- Serves `quality --dataset`.
CREATE INDEX quality_results_dataset ON quality_results (dataset, run_id);

-- Input lines that are not in the output.
CREATE TABLE rejects (
    run_id   TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    position BIGINT NOT NULL,
    code     TEXT   NOT NULL,
    message  TEXT   NOT NULL,
    -- 1 is the first line of the file.
    line     BIGINT,
    raw      TEXT,

    PRIMARY KEY (run_id, position)
);

-- How far a source has come, kept with the rows it stands for.
CREATE TABLE source_cursors (
    source        TEXT   COLLATE "C" PRIMARY KEY,
    cursor        BYTEA  NOT NULL,
    run_id        TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    updated_at_us BIGINT NOT NULL
);
