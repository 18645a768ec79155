-- Tokens come from a fixed number of counters instead of a row for each key that ever was: a key always counts at the
-- same counter, which it shares with others. They go on after the last token of any key.
CREATE TABLE lease_counters (
    counter    BIGINT PRIMARY KEY CHECK (counter BETWEEN 0 AND 63),
    -- It only grows, also when nobody holds its keys.
    last_token BIGINT NOT NULL CHECK (last_token >= 0)
);

INSERT INTO lease_counters (counter, last_token)
SELECT counter, (SELECT COALESCE(MAX(last_token), 0) FROM lease_tokens) FROM generate_series(0, 63) AS counters (counter);

-- As before, without the reference to a row for the key, and without indexes that cost more than they save: a table of
-- what is held right now is small.
ALTER TABLE leases DROP CONSTRAINT leases_lease_key_fkey;
ALTER TABLE leases DROP CONSTRAINT leases_lease_key_token_key;
DROP INDEX leases_worker;
DROP TABLE lease_tokens;

-- What a worker holds is found among the running runs, which are few.
DROP INDEX runs_worker;
