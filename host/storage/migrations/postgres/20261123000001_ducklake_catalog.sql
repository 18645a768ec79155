-- The DuckLake 1.0 catalog: the 28 tables that a reader of this version expects, with its columns and the types that
-- DuckDB gives them on PostgreSQL.
--
-- The host is the only writer. Readers attach read-only and fail if one table is missing, so those that the host never
-- fills are here too. Rows live from `begin_snapshot` to before `end_snapshot`; a NULL end means until further notice.
-- Nothing is ever deleted.

-- Key and value: `version`, `created_by`, `data_path` (absolute, with a trailing `/`), `encrypted`.
CREATE TABLE ducklake_metadata (
    "key"    VARCHAR NOT NULL,
    "value"  VARCHAR NOT NULL,
    "scope"  VARCHAR,
    scope_id BIGINT
);

-- One state of the whole lake. Ids follow each other without a gap and times strictly increase, also when the clock
-- steps back; the writer takes both from the row before.
CREATE TABLE ducklake_snapshot (
    snapshot_id     BIGINT PRIMARY KEY CHECK (snapshot_id >= 0),
    snapshot_time   TIMESTAMPTZ NOT NULL UNIQUE,
    -- One more only where a schema, table or column begins.
    schema_version  BIGINT NOT NULL,
    -- The next free id of a schema, table or partitioning; the next free id of a data file.
    next_catalog_id BIGINT NOT NULL,
    next_file_id    BIGINT NOT NULL
);

CREATE TABLE ducklake_snapshot_changes (
    snapshot_id       BIGINT PRIMARY KEY REFERENCES ducklake_snapshot (snapshot_id),
    changes_made      VARCHAR NOT NULL,
    author            VARCHAR,
    commit_message    VARCHAR,
    -- A JSON array of objects: capture_id, run_id, plugin_digest, content_hash.
    commit_extra_info VARCHAR
);

CREATE TABLE ducklake_schema (
    schema_id        BIGINT PRIMARY KEY,
    schema_uuid      UUID NOT NULL,
    begin_snapshot   BIGINT NOT NULL,
    end_snapshot     BIGINT,
    schema_name      VARCHAR NOT NULL,
    path             VARCHAR NOT NULL,
    path_is_relative BOOLEAN NOT NULL
);

CREATE UNIQUE INDEX ducklake_schema_name ON ducklake_schema (schema_name) WHERE end_snapshot IS NULL;

CREATE TABLE ducklake_table (
    table_id         BIGINT NOT NULL,
    table_uuid       UUID NOT NULL,
    begin_snapshot   BIGINT NOT NULL,
    end_snapshot     BIGINT,
    schema_id        BIGINT NOT NULL REFERENCES ducklake_schema (schema_id),
    table_name       VARCHAR NOT NULL,
    path             VARCHAR NOT NULL,
    path_is_relative BOOLEAN NOT NULL
);

CREATE UNIQUE INDEX ducklake_table_name ON ducklake_table (schema_id, table_name) WHERE end_snapshot IS NULL;

-- `column_id` is the Parquet `field_id`: readers find a column of a file by it, not by name.
CREATE TABLE ducklake_column (
    column_id             BIGINT NOT NULL CHECK (column_id >= 1),
    begin_snapshot        BIGINT NOT NULL,
    end_snapshot          BIGINT,
    table_id              BIGINT NOT NULL,
    column_order          BIGINT NOT NULL,
    column_name           VARCHAR NOT NULL,
    column_type           VARCHAR NOT NULL,
    initial_default       VARCHAR,
    default_value         VARCHAR,
    nulls_allowed         BOOLEAN NOT NULL,
    parent_column         BIGINT,
    default_value_type    VARCHAR,
    default_value_dialect VARCHAR
);

CREATE UNIQUE INDEX ducklake_column_identity ON ducklake_column (table_id, column_id) WHERE end_snapshot IS NULL;

CREATE TABLE ducklake_schema_versions (
    begin_snapshot BIGINT NOT NULL,
    schema_version BIGINT NOT NULL,
    table_id       BIGINT NOT NULL
);

-- One Parquet file of one table: the rows of one published capture.
CREATE TABLE ducklake_data_file (
    data_file_id     BIGINT PRIMARY KEY,
    table_id         BIGINT NOT NULL,
    begin_snapshot   BIGINT NOT NULL REFERENCES ducklake_snapshot (snapshot_id) DEFERRABLE INITIALLY DEFERRED,
    -- The snapshot of the correction that replaced it.
    end_snapshot     BIGINT REFERENCES ducklake_snapshot (snapshot_id) DEFERRABLE INITIALLY DEFERRED,
    file_order       BIGINT,
    path             VARCHAR NOT NULL,
    path_is_relative BOOLEAN NOT NULL,
    file_format      VARCHAR NOT NULL,
    record_count     BIGINT NOT NULL CHECK (record_count > 0),
    file_size_bytes  BIGINT NOT NULL CHECK (file_size_bytes > 0),
    -- The four bytes before the final `PAR1`.
    footer_size      BIGINT NOT NULL CHECK (footer_size > 0),
    row_id_start     BIGINT NOT NULL CHECK (row_id_start >= 0),
    partition_id     BIGINT,
    encryption_key   VARCHAR,
    mapping_id       BIGINT,
    partial_max      BIGINT,

    CHECK (end_snapshot IS NULL OR end_snapshot > begin_snapshot),
    UNIQUE (table_id, path)
);

CREATE TABLE ducklake_delete_file (
    delete_file_id   BIGINT PRIMARY KEY,
    table_id         BIGINT,
    begin_snapshot   BIGINT,
    end_snapshot     BIGINT,
    data_file_id     BIGINT,
    path             VARCHAR,
    path_is_relative BOOLEAN,
    format           VARCHAR,
    delete_count     BIGINT,
    file_size_bytes  BIGINT,
    footer_size      BIGINT,
    encryption_key   VARCHAR,
    partial_max      BIGINT
);

-- Never shrinks: rows of corrected files stay counted, so that bounds made from them stay true as of any snapshot.
CREATE TABLE ducklake_table_stats (
    table_id        BIGINT PRIMARY KEY,
    record_count    BIGINT NOT NULL,
    next_row_id     BIGINT NOT NULL,
    file_size_bytes BIGINT NOT NULL
);

-- Bounds over every file the table ever had, or none. A bound that is too narrow makes rows vanish under a filter.
CREATE TABLE ducklake_table_column_stats (
    table_id      BIGINT NOT NULL,
    column_id     BIGINT NOT NULL,
    contains_null BOOLEAN NOT NULL,
    contains_nan  BOOLEAN,
    min_value     VARCHAR,
    max_value     VARCHAR,
    extra_stats   VARCHAR,

    PRIMARY KEY (table_id, column_id),
    CHECK (contains_nan IS NOT TRUE OR (min_value IS NULL AND max_value IS NULL))
);

-- Exact, or absent per value. `value_count` counts the values that are not null.
CREATE TABLE ducklake_file_column_stats (
    data_file_id      BIGINT NOT NULL REFERENCES ducklake_data_file (data_file_id),
    table_id          BIGINT NOT NULL,
    column_id         BIGINT NOT NULL,
    column_size_bytes BIGINT,
    value_count       BIGINT NOT NULL CHECK (value_count >= 0),
    null_count        BIGINT NOT NULL CHECK (null_count >= 0),
    min_value         VARCHAR,
    max_value         VARCHAR,
    contains_nan      BOOLEAN,
    extra_stats       VARCHAR,

    PRIMARY KEY (data_file_id, column_id),
    -- DuckDB leaves out a file whose only number is 0.1 under `x <> 0.1` although the file holds NaN, so a column with
    -- NaN has no bounds.
    CHECK (contains_nan IS NOT TRUE OR (min_value IS NULL AND max_value IS NULL))
);

-- Serves the question whether a table may have bounds for a column again; see `catalog::bounds`.
CREATE INDEX ducklake_file_column_unbounded ON ducklake_file_column_stats (table_id, column_id)
WHERE value_count > 0 AND min_value IS NULL;

-- Readers look for files by column.
CREATE INDEX ducklake_file_column_stats_column ON ducklake_file_column_stats (table_id, column_id, data_file_id);

CREATE TABLE ducklake_partition_info (
    partition_id   BIGINT NOT NULL,
    table_id       BIGINT NOT NULL,
    begin_snapshot BIGINT NOT NULL,
    end_snapshot   BIGINT
);

CREATE TABLE ducklake_partition_column (
    partition_id        BIGINT NOT NULL,
    table_id            BIGINT NOT NULL,
    partition_key_index BIGINT NOT NULL,
    column_id           BIGINT NOT NULL,
    "transform"         VARCHAR NOT NULL
);

CREATE TABLE ducklake_file_partition_value (
    data_file_id        BIGINT NOT NULL REFERENCES ducklake_data_file (data_file_id),
    table_id            BIGINT NOT NULL,
    partition_key_index BIGINT NOT NULL,
    partition_value     VARCHAR NOT NULL,

    PRIMARY KEY (data_file_id, partition_key_index)
);

CREATE INDEX ducklake_data_file_current ON ducklake_data_file (table_id, end_snapshot);

-- The rest stays empty: no views, macros, tags, sort orders, name mappings, inlined rows or deletions.

CREATE TABLE ducklake_column_mapping (
    mapping_id BIGINT,
    table_id   BIGINT,
    "type"     VARCHAR
);

CREATE TABLE ducklake_column_tag (
    table_id       BIGINT,
    column_id      BIGINT,
    begin_snapshot BIGINT,
    end_snapshot   BIGINT,
    "key"          VARCHAR,
    "value"        VARCHAR
);

CREATE TABLE ducklake_file_variant_stats (
    data_file_id      BIGINT,
    table_id          BIGINT,
    column_id         BIGINT,
    variant_path      VARCHAR,
    shredded_type     VARCHAR,
    column_size_bytes BIGINT,
    value_count       BIGINT,
    null_count        BIGINT,
    min_value         VARCHAR,
    max_value         VARCHAR,
    contains_nan      BOOLEAN,
    extra_stats       VARCHAR
);

CREATE TABLE ducklake_files_scheduled_for_deletion (
    data_file_id     BIGINT,
    path             VARCHAR,
    path_is_relative BOOLEAN,
    schedule_start   TIMESTAMPTZ
);

CREATE TABLE ducklake_inlined_data_tables (
    table_id       BIGINT,
    table_name     VARCHAR,
    schema_version BIGINT
);

CREATE TABLE ducklake_macro (
    schema_id      BIGINT,
    macro_id       BIGINT,
    macro_name     VARCHAR,
    begin_snapshot BIGINT,
    end_snapshot   BIGINT
);

CREATE TABLE ducklake_macro_impl (
    macro_id BIGINT,
    impl_id  BIGINT,
    dialect  VARCHAR,
    "sql"    VARCHAR,
    "type"   VARCHAR
);

CREATE TABLE ducklake_macro_parameters (
    macro_id           BIGINT,
    impl_id            BIGINT,
    column_id          BIGINT,
    parameter_name     VARCHAR,
    parameter_type     VARCHAR,
    default_value      VARCHAR,
    default_value_type VARCHAR
);

CREATE TABLE ducklake_name_mapping (
    mapping_id      BIGINT,
    column_id       BIGINT,
    source_name     VARCHAR,
    target_field_id BIGINT,
    parent_column   BIGINT,
    is_partition    BOOLEAN
);

CREATE TABLE ducklake_sort_expression (
    sort_id        BIGINT,
    table_id       BIGINT,
    sort_key_index BIGINT,
    expression     VARCHAR,
    dialect        VARCHAR,
    sort_direction VARCHAR,
    null_order     VARCHAR
);

CREATE TABLE ducklake_sort_info (
    sort_id        BIGINT,
    table_id       BIGINT,
    begin_snapshot BIGINT,
    end_snapshot   BIGINT
);

CREATE TABLE ducklake_tag (
    object_id      BIGINT,
    begin_snapshot BIGINT,
    end_snapshot   BIGINT,
    "key"          VARCHAR,
    "value"        VARCHAR
);

CREATE TABLE ducklake_view (
    view_id        BIGINT,
    view_uuid      UUID,
    begin_snapshot BIGINT,
    end_snapshot   BIGINT,
    schema_id      BIGINT,
    view_name      VARCHAR,
    dialect        VARCHAR,
    "sql"          VARCHAR,
    column_aliases VARCHAR
);
