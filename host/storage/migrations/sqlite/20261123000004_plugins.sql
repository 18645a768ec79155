-- Every plugin version that was ever found, by digest.
CREATE TABLE plugins (
    name               TEXT    NOT NULL,
    digest             TEXT    NOT NULL,
    version            TEXT    NOT NULL,
    -- As it was found last.
    state              TEXT    NOT NULL CHECK (state IN ('active', 'refused')),
    file               TEXT    NOT NULL,
    exports            TEXT    NOT NULL CHECK (json_valid(exports)),
    reasons            TEXT    NOT NULL CHECK (json_valid(reasons)),
    manifest           TEXT    CHECK (json_valid(manifest)),
    first_loaded_at_us INTEGER NOT NULL,
    loaded_at_us       INTEGER NOT NULL,
    -- Counts activations over all plugins: the greatest of a name is the version that was active last, whatever the
    -- clock did. None if it never was.
    activation         INTEGER UNIQUE,

    PRIMARY KEY (name, digest),
    CHECK (state = 'refused' OR activation IS NOT NULL)
) STRICT, WITHOUT ROWID;
