-- More states of plugin versions, what was decided about them, and what happened to them.
ALTER TABLE plugins DROP CONSTRAINT plugins_state_check;
ALTER TABLE plugins ADD CONSTRAINT plugins_state_check
    CHECK (state IN ('active', 'draining', 'quarantined', 'pending', 'refused'));
ALTER TABLE plugins DROP CONSTRAINT plugins_check;
ALTER TABLE plugins ADD CONSTRAINT plugins_check
    CHECK (state IN ('pending', 'refused') OR activation IS NOT NULL);

-- 1 where an operator rolled back from the version: it does not become active by itself.
ALTER TABLE plugins ADD COLUMN held_back INTEGER NOT NULL DEFAULT 0 CHECK (held_back IN (0, 1));

-- What happened to the versions of a plugin, numbered from 1 for each name.
CREATE TABLE plugin_events (
    name    TEXT   COLLATE "C" NOT NULL,
    seq     BIGINT NOT NULL,
    at_us   BIGINT NOT NULL,
    digest  TEXT   COLLATE "C" NOT NULL,
    version TEXT   NOT NULL,
    event   TEXT   NOT NULL,
    detail  TEXT   NOT NULL,

    PRIMARY KEY (name, seq)
);

CREATE INDEX plugin_events_by_digest ON plugin_events (name, digest, seq);

-- What an operator approved for a plugin name.
CREATE TABLE plugin_approvals (
    name  TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    -- Below the plugins folder.
    place TEXT   NOT NULL,
    -- The capabilities it asked for, a JSON array.
    asked TEXT   NOT NULL CHECK (json_typeof(asked::json) <> ''),
    at_us BIGINT NOT NULL
);
