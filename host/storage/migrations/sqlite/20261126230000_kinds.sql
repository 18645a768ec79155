-- More kinds of runs, and runs of the host itself: what carries out others calls no plugin.
--
-- Only conditions of the tables change, and no row does, so their definitions are edited in place as SQLite allows:
-- https://www.sqlite.org/lang_altertable.html#otheralter
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
SET sql = replace(
    replace(
        sql,
        'kind IN (''pipeline'', ''source'', ''task'')',
        'kind IN (''pipeline'', ''source'', ''task'', ''workflow'', ''backfill'', ''replay'')'
    ),
    'CHECK ((attempt > 0) = (plugin_digest IS NOT NULL))',
    'CHECK ((attempt > 0 AND kind NOT IN (''workflow'', ''backfill'')) = (plugin_digest IS NOT NULL))'
)
WHERE type = 'table' AND name = 'runs';

-- The plugin of an attempt: none where there is none to call.
UPDATE sqlite_schema
SET sql = replace(
    replace(
        replace(sql, 'plugin_name    TEXT    NOT NULL', 'plugin_name    TEXT'),
        'plugin_version TEXT    NOT NULL',
        'plugin_version TEXT'
    ),
    'plugin_digest  TEXT    NOT NULL',
    'plugin_digest  TEXT'
)
WHERE type = 'table' AND name = 'attempts';

PRAGMA writable_schema = RESET;
