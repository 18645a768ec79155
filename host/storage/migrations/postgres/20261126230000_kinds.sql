-- More kinds of runs, and runs of the host itself: what carries out others calls no plugin.
ALTER TABLE runs DROP CONSTRAINT runs_kind_check;
ALTER TABLE runs ADD CONSTRAINT runs_kind_check
    CHECK (kind IN ('pipeline', 'source', 'task', 'workflow', 'backfill', 'replay'));
ALTER TABLE runs DROP CONSTRAINT runs_check2;
ALTER TABLE runs ADD CONSTRAINT runs_check2
    CHECK ((attempt > 0 AND kind NOT IN ('workflow', 'backfill')) = (plugin_digest IS NOT NULL));

-- The plugin of an attempt: none where there is none to call.
ALTER TABLE attempts ALTER COLUMN plugin_name DROP NOT NULL;
ALTER TABLE attempts ALTER COLUMN plugin_version DROP NOT NULL;
ALTER TABLE attempts ALTER COLUMN plugin_digest DROP NOT NULL;
