-- Runs that have ended, by when: for counting the latest, and for forgetting the oldest.
CREATE INDEX runs_ended ON runs (finished_at_us, run_id) WHERE finished_at_us IS NOT NULL;

-- Serve the question whether anything refers to a run, which is asked whenever one is forgotten.
CREATE INDEX captures_run ON captures (run_id);
CREATE INDEX runs_retry_of ON runs (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX runs_dead_letter_of ON runs (dead_letter_of) WHERE dead_letter_of IS NOT NULL;
CREATE INDEX idempotency_keys_run ON idempotency_keys (run_id);
CREATE INDEX dead_letters_retry_run ON dead_letters (retry_run_id) WHERE retry_run_id IS NOT NULL;

-- Serves the question whether a run names a kept input.
CREATE INDEX run_inputs_digest ON run_inputs (digest);

-- Serves the dead letters that were dealt with long ago.
CREATE INDEX dead_letters_resolved ON dead_letters (resolved_at_us) WHERE resolved_at_us IS NOT NULL;
