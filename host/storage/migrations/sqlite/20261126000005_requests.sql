-- What a key stands for beyond the parameters that a run shows: name, kind, parameters with their secrets, and the
-- content of files, in one hash. None for keys that were bound before this was kept.
ALTER TABLE idempotency_keys ADD COLUMN request_hash TEXT;
