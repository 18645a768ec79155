-- Datasets and captures. The captures table decides what exists; files only hold it.

-- A table that a plugin owns, as its manifest declares it.
CREATE TABLE datasets (
    -- `domain.dataset`.
    name             TEXT    PRIMARY KEY,
    -- A `DatasetSpec` as JSON.
    spec             TEXT    NOT NULL CHECK (json_valid(spec)),
    plugin_digest    TEXT    NOT NULL,
    -- Its table in the catalog; none before the first capture was published. From then on the schema is fixed.
    table_id         INTEGER UNIQUE,
    registered_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What one run delivered for one partition of one dataset. Immutable but for its state.
CREATE TABLE captures (
    capture_id     TEXT    PRIMARY KEY,
    run_id         TEXT    NOT NULL REFERENCES runs (run_id),
    dataset        TEXT    NOT NULL REFERENCES datasets (name),
    -- A JSON object with ordered keys and no spaces: the identity of the partition.
    partition      TEXT    NOT NULL CHECK (json_valid(partition)),
    state          TEXT    NOT NULL CHECK (state IN ('published', 'quarantined', 'discarded')),
    -- 1, 2, 3... within the partition.
    revision       INTEGER CHECK (revision >= 1),
    rows           INTEGER NOT NULL CHECK (rows >= 0),
    -- Over the data columns ordered by natural key.
    content_hash   TEXT    NOT NULL,
    plugin_digest  TEXT    NOT NULL,
    -- When the run ended.
    concluded_at_us INTEGER NOT NULL,
    -- The snapshot that published it, and its time.
    snapshot_id    INTEGER REFERENCES ducklake_snapshot (snapshot_id) DEFERRABLE INITIALLY DEFERRED,
    captured_at_us INTEGER,
    -- When an operator discarded it.
    discarded_at_us INTEGER,
    -- Relative to the folder of its table; none for zero rows.
    file_path      TEXT,
    file_bytes     INTEGER,
    footer_bytes   INTEGER,
    -- Statistics of the columns as JSON, kept until they are in the catalog.
    file_stats     TEXT    CHECK (json_valid(file_stats)),
    data_file_id   INTEGER UNIQUE REFERENCES ducklake_data_file (data_file_id),

    UNIQUE (dataset, partition, revision),
    CHECK ((state = 'published') = (revision IS NOT NULL)),
    CHECK ((state = 'published') = (snapshot_id IS NOT NULL)),
    CHECK ((state = 'published') = (captured_at_us IS NOT NULL)),
    CHECK ((state = 'discarded') = (discarded_at_us IS NOT NULL)),
    CHECK ((rows = 0) = (file_path IS NULL)),
    CHECK ((file_path IS NULL) = (file_bytes IS NULL)),
    CHECK ((file_path IS NULL) = (footer_bytes IS NULL)),
    CHECK ((state = 'published' AND rows > 0) = (data_file_id IS NOT NULL)),
    CHECK ((state = 'quarantined' AND rows > 0) = (file_stats IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- Serves the catalog as of a snapshot.
CREATE INDEX captures_snapshot ON captures (snapshot_id) WHERE state = 'published';

-- Serves the list of what waits for an operator.
CREATE INDEX captures_quarantined ON captures (dataset, capture_id) WHERE state = 'quarantined';

-- What a run reports: captures of its own, and those it found to hold the same content already.
CREATE TABLE run_captures (
    run_id     TEXT    NOT NULL REFERENCES runs (run_id),
    position   INTEGER NOT NULL,
    capture_id TEXT    NOT NULL REFERENCES captures (capture_id),
    unchanged  INTEGER NOT NULL CHECK (unchanged IN (0, 1)),

    PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;
