-- Small states that processes share: of circuit breakers and rate limits, by the name of the pipeline.
CREATE TABLE shared_states (
    kind          TEXT    NOT NULL CHECK (kind IN ('breaker', 'rate_limit')),
    key           TEXT    NOT NULL,
    -- Each change adds 1: who changes a state names the version that it saw.
    version       INTEGER NOT NULL CHECK (version > 0),
    state         TEXT    NOT NULL CHECK (json_valid(state)),
    updated_at_us INTEGER NOT NULL,

    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
