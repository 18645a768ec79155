-- Rejects in bulk: a run with more of them than the ledger keeps as rows has a file for all, and a summary here.

CREATE TABLE reject_files (
    run_id TEXT   COLLATE "C" PRIMARY KEY REFERENCES runs (run_id),
    -- A Parquet file, relative to `rejects/`.
    path   TEXT   COLLATE "C" NOT NULL UNIQUE,
    bytes  BIGINT NOT NULL CHECK (bytes > 0),
    rows   BIGINT NOT NULL CHECK (rows >= 0),
    -- A JSON object: rejected lines by code, those included that a limit kept out of the file.
    codes  TEXT   NOT NULL CHECK (json_typeof(codes::json) <> '')
);
