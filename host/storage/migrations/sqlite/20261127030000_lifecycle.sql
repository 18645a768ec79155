-- More states of plugin versions, what was decided about them, and what happened to them.
--
-- Only conditions change, so the definition is edited in place as SQLite allows:
-- https://www.sqlite.org/lang_altertable.html#otheralter
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
SET sql = replace(
    replace(
        sql,
        'state IN (''active'', ''refused'')',
        'state IN (''active'', ''draining'', ''quarantined'', ''pending'', ''refused'')'
    ),
    'CHECK (state = ''refused'' OR activation IS NOT NULL)',
    'CHECK (state IN (''pending'', ''refused'') OR activation IS NOT NULL)'
)
WHERE type = 'table' AND name = 'plugins';

PRAGMA writable_schema = RESET;

-- 1 where an operator rolled back from the version: it does not become active by itself.
ALTER TABLE plugins ADD COLUMN held_back INTEGER NOT NULL DEFAULT 0 CHECK (held_back IN (0, 1));

-- What happened to the versions of a plugin, numbered from 1 for each name.
CREATE TABLE plugin_events (
    name    TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    at_us   INTEGER NOT NULL,
    digest  TEXT    NOT NULL,
    version TEXT    NOT NULL,
    event   TEXT    NOT NULL,
    detail  TEXT    NOT NULL,

    PRIMARY KEY (name, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX plugin_events_by_digest ON plugin_events (name, digest, seq);

-- What an operator approved for a plugin name.
CREATE TABLE plugin_approvals (
    name  TEXT    NOT NULL PRIMARY KEY,
    -- Below the plugins folder.
    place TEXT    NOT NULL,
    -- The capabilities it asked for, a JSON array.
    asked TEXT    NOT NULL CHECK (json_valid(asked)),
    at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
