-- Who carries runs out, and what they hold alone. Expired means that the time has come: now >= expires_at_us.

-- A process that carries runs out. It is alive until it expires, and says so again before that.
CREATE TABLE workers (
    -- `wrk_` and 32 hex digits.
    worker_id     TEXT   COLLATE "C" PRIMARY KEY,
    -- Where it is, in words. None until its first heartbeat.
    host          TEXT,
    started_at_us BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL
);

-- Who carries the run out. None unless it is running.
ALTER TABLE runs ADD COLUMN worker_id TEXT COLLATE "C" CHECK (worker_id IS NULL OR status = 'running');
-- How many leases its attempt has taken: with fewer of them left it has lost one, and may write nothing more.
ALTER TABLE runs ADD COLUMN leases BIGINT NOT NULL DEFAULT 0 CHECK (leases = 0 OR status = 'running');

-- Serves what a worker holds.
CREATE INDEX runs_worker ON runs (worker_id, run_id) WHERE worker_id IS NOT NULL;

-- The last token of each key. It only grows, also when nobody holds the key.
CREATE TABLE lease_tokens (
    lease_key  TEXT   COLLATE "C" PRIMARY KEY,
    last_token BIGINT NOT NULL CHECK (last_token >= 0)
);

-- A slot of a key, held by a run. How many slots are free follows from the rows that have not expired.
CREATE TABLE leases (
    lease_key      TEXT   COLLATE "C" NOT NULL REFERENCES lease_tokens (lease_key),
    run_id         TEXT   COLLATE "C" NOT NULL REFERENCES runs (run_id),
    worker_id      TEXT   COLLATE "C" NOT NULL,
    -- Greater than that of whoever held the slot before.
    token          BIGINT NOT NULL CHECK (token >= 1),
    acquired_at_us BIGINT NOT NULL,
    expires_at_us  BIGINT NOT NULL,

    PRIMARY KEY (lease_key, run_id),
    UNIQUE (lease_key, token)
);

-- Serve what a run and what a worker hold.
CREATE INDEX leases_run ON leases (run_id);
CREATE INDEX leases_worker ON leases (worker_id);
