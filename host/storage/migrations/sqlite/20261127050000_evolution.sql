-- The ids that columns have in files, by name, as JSON; none where they are still the places in `spec`.
ALTER TABLE datasets ADD COLUMN fields TEXT CHECK (json_valid(fields));

-- What the table of a dataset was from a snapshot on, until the next: queries as of then show it so.
CREATE TABLE table_specs (
    dataset        TEXT    NOT NULL REFERENCES datasets (name),
    begin_snapshot INTEGER NOT NULL,
    -- A `DatasetSpec` as JSON.
    spec           TEXT    NOT NULL CHECK (json_valid(spec)),

    PRIMARY KEY (dataset, begin_snapshot)
) STRICT, WITHOUT ROWID;

INSERT INTO table_specs (dataset, begin_snapshot, spec)
SELECT datasets.name, ducklake_table.begin_snapshot, datasets.spec
FROM datasets
JOIN ducklake_table ON ducklake_table.table_id = datasets.table_id AND ducklake_table.end_snapshot IS NULL;
