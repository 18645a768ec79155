-- What was done under which inputs, for pipelines that say that this is enough to know what would come of it.
CREATE TABLE completed_inputs (
    -- Stands for name, parameters, inputs and plugin.
    input_key TEXT PRIMARY KEY,
    -- The last run that did the work itself.
    run_id    TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX completed_inputs_run ON completed_inputs (run_id);

-- The stages that captures reached, of pipelines that declare an order. Each time is a row, and none changes.
CREATE TABLE capture_stages (
    capture_id TEXT    NOT NULL REFERENCES captures (capture_id) ON DELETE CASCADE,
    -- In order of time, from 1.
    seq        INTEGER NOT NULL CHECK (seq >= 1),
    stage      TEXT    NOT NULL,
    -- Its place in the order that was declared then, from 0.
    rank       INTEGER NOT NULL CHECK (rank >= 0),
    rows       INTEGER NOT NULL CHECK (rows >= 0),
    -- A JSON object of texts.
    metrics    TEXT    NOT NULL CHECK (json_valid(metrics)),
    run_id     TEXT    NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    attempt    INTEGER NOT NULL,
    at_us      INTEGER NOT NULL,

    PRIMARY KEY (capture_id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX capture_stages_run ON capture_stages (run_id);
