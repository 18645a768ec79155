-- Small states that processes share: of circuit breakers and rate limits, by the name of the pipeline.
CREATE TABLE shared_states (
    kind          TEXT   COLLATE "C" NOT NULL CHECK (kind IN ('breaker', 'rate_limit')),
    key           TEXT   COLLATE "C" NOT NULL,
    -- Each change adds 1: who changes a state names the version that it saw.
    version       BIGINT NOT NULL CHECK (version > 0),
    state         TEXT   NOT NULL CHECK (json_typeof(state::json) <> ''),
    updated_at_us BIGINT NOT NULL,

    PRIMARY KEY (kind, key)
);
