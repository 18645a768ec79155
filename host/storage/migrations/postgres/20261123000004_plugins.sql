-- Every plugin version that was ever found, by digest.
CREATE TABLE plugins (
    name               TEXT   COLLATE "C" NOT NULL,
    digest             TEXT   COLLATE "C" NOT NULL,
    version            TEXT   NOT NULL,
    -- As it was found last.
    state              TEXT   NOT NULL CHECK (state IN ('active', 'refused')),
    file               TEXT   NOT NULL,
    exports            TEXT   NOT NULL CHECK (json_typeof(exports::json) <> ''),
    reasons            TEXT   NOT NULL CHECK (json_typeof(reasons::json) <> ''),
    manifest           TEXT   CHECK (json_typeof(manifest::json) <> ''),
    first_loaded_at_us BIGINT NOT NULL,
    loaded_at_us       BIGINT NOT NULL,
    -- Counts activations over all plugins: the greatest of a name is the version that was active last, whatever the
    -- clock did. None if it never was.
    activation         BIGINT UNIQUE,

    PRIMARY KEY (name, digest),
    CHECK (state = 'refused' OR activation IS NOT NULL)
);
