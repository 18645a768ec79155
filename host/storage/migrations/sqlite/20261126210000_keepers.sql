-- Which worker has a queued run in its queue: nobody else begins the run while that worker is alive. None if the run waits
-- for whoever adopts it, and for every run that is not queued.
ALTER TABLE runs ADD COLUMN keeper_id TEXT CHECK (keeper_id IS NULL OR status = 'queued');

-- Serves what a worker keeps.
CREATE INDEX runs_keeper ON runs (keeper_id, run_id) WHERE keeper_id IS NOT NULL;
