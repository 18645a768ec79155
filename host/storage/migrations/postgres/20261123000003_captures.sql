-- Datasets and captures. The captures table decides what exists; files only hold it.

-- A table that a plugin owns, as its manifest declares it.
CREATE TABLE datasets (
    -- `domain.dataset`.
    name             TEXT   COLLATE "C" PRIMARY KEY,
    -- A `DatasetSpec` as JSON.
    spec             TEXT   NOT NULL CHECK (json_typeof(spec::json) <> ''),
    plugin_digest    TEXT   COLLATE "C" NOT NULL,
    -- Its table in the catalog; none before the first capture was published. From then on the schema is fixed.
    table_id         BIGINT UNIQUE,
    registered_at_us BIGINT NOT NULL
);

-- What one run delivered for one partition of one dataset. Immutable but for its state.
CREATE TABLE captures (
    capture_id      TEXT   COLLATE "C" PRIMARY KEY,
    run_id          TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    dataset         TEXT   COLLATE "C" NOT NULL REFERENCES datasets (name),
    -- A JSON object with ordered keys and no spaces: the identity of the partition.
    partition       TEXT   COLLATE "C" NOT NULL CHECK (json_typeof(partition::json) <> ''),
    state           TEXT   NOT NULL CHECK (state IN ('published', 'quarantined', 'discarded')),
    -- 1, 2, 3... within the partition.
    revision        BIGINT CHECK (revision >= 1),
    rows            BIGINT NOT NULL CHECK (rows >= 0),
    -- Over the data columns ordered by natural key.
    content_hash    TEXT   COLLATE "C" NOT NULL,
    plugin_digest   TEXT   COLLATE "C" NOT NULL,
    -- When the run ended.
    concluded_at_us BIGINT NOT NULL,
    -- The snapshot that published it, and its time.
    snapshot_id     BIGINT REFERENCES ducklake_snapshot (snapshot_id) DEFERRABLE INITIALLY DEFERRED,
    captured_at_us  BIGINT,
    -- When an operator discarded it.
    discarded_at_us BIGINT,
    -- Relative to the folder of its table; none for zero rows.
    file_path       TEXT,
    file_bytes      BIGINT,
    footer_bytes    BIGINT,
    -- Statistics of the columns as JSON, kept until they are in the catalog.
    file_stats      TEXT   CHECK (json_typeof(file_stats::json) <> ''),
    data_file_id    BIGINT UNIQUE REFERENCES ducklake_data_file (data_file_id),

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
);

-- Serves the catalog as of a snapshot.
CREATE INDEX captures_snapshot ON captures (snapshot_id) WHERE state = 'published';

-- Serves the list of what waits for an operator.
CREATE INDEX captures_quarantined ON captures (dataset, capture_id) WHERE state = 'quarantined';

-- What a run reports: captures of its own, and those it found to hold the same content already.
CREATE TABLE run_captures (
    run_id     TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    position   BIGINT NOT NULL,
    capture_id TEXT   COLLATE "C" NOT NULL REFERENCES captures (capture_id),
    unchanged  BIGINT NOT NULL CHECK (unchanged IN (0, 1)),

    PRIMARY KEY (run_id, position)
);
