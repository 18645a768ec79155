-- What an attempt ran under, beside plugin and inputs: what a replay has to repeat. None for attempts of versions that
-- did not keep it.
ALTER TABLE attempts ADD COLUMN host_version TEXT;
ALTER TABLE attempts ADD COLUMN wasmtime_version TEXT;
-- Over the granted folders, names and paths.
ALTER TABLE attempts ADD COLUMN grants_hash TEXT;
