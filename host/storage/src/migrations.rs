//! The tables of a ledger: made, brought up to this program, or refused.
//!
//! Both databases have the same migrations under the same numbers, in a folder each.

use model::failure::Failure;
use sqlx::AnyConnection;
use sqlx::migrate::{MigrateError, Migrator};

use crate::dialect::Dialect;
use crate::open::unusable;
use crate::place::Place;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

fn migrator(dialect: Dialect) -> &'static Migrator {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    }
}

/// Brings the tables up to this program, each step in a transaction of its own. Readers that open meanwhile are told to
/// try again.
///
/// # Errors
///
/// The ledger is unusable if a newer program has already changed them further; on a server also if the tables there are
/// those of something else, or their texts are not UTF-8.
pub(crate) async fn migrate(place: &Place, connection: &mut AnyConnection) -> Result<(), Failure> {
    if Dialect::of(connection) == Dialect::Postgres {
        check_server(place, connection).await?;
    }
    match migrator(Dialect::of(connection)).run(&mut *connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)) => Err(place.newer()),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(unusable(place)(error)),
        Err(error) => Err(place.unusable(&error.to_string()).because(&error)),
    }
}

async fn check_server(place: &Place, connection: &mut AnyConnection) -> Result<(), Failure> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .fetch_one(&mut *connection)
        .await
        .map_err(unusable(place))?;
    if encoding != "UTF8" {
        return Err(place.unusable(&format!("its texts are {encoding}; create a database with the encoding UTF8")));
    }
    match tables(connection).await.map_err(unusable(place))? {
        Tables::None | Tables::OfLedger => Ok(()),
        Tables::OfOthers => Err(place.unusable("there are tables of something else; name an empty database")),
    }
}

/// What the schema of a server holds.
enum Tables {
    None,
    OfLedger,
    OfOthers,
}

async fn tables(connection: &mut AnyConnection) -> Result<Tables, sqlx::Error> {
    let (migrations, catalog, others): (i64, i64, i64) = sqlx::query_as(
        r#"
        SELECT
            COUNT(*) FILTER (WHERE table_name = '_sqlx_migrations'),
            COUNT(*) FILTER (WHERE table_name = 'ducklake_metadata'),
            COUNT(*) FILTER (WHERE table_name NOT IN ('_sqlx_migrations', 'ducklake_metadata'))
        FROM information_schema.tables
        WHERE table_schema = current_schema()
        "#,
    )
    .fetch_one(connection)
    .await?;
    Ok(match (migrations, catalog, others) {
        // The first step of the migrations makes the catalog.
        (_, 0, 0) => Tables::None,
        (1, 1, _) => Tables::OfLedger,
        _ => Tables::OfOthers,
    })
}

/// Checks that the tables are those of this program, without changing any.
pub(crate) async fn check_version(place: &Place, connection: &mut AnyConnection) -> Result<(), Failure> {
    let newest = migrator(Dialect::of(connection)).iter().map(|migration| migration.version).max();
    let applied: Result<Option<i64>, sqlx::Error> =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut *connection).await;
    match applied {
        Ok(applied) if applied == newest => Ok(()),
        Ok(applied) if applied > newest => Err(place.newer()),
        Ok(_) => Err(place.unready(
            "it was written by an older version, or a host that is starting is bringing it up to this one; try again in \
             a moment, or start `spine-host` on it once",
        )),
        Err(error) if is_missing_table(&error) => Err(strange(place, connection).await),
        Err(error) => Err(unusable(place)(error)),
    }
}

fn is_missing_table(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    error.code().as_deref() == Some("42P01") || error.message().contains("no such table")
}

/// The failure of a database without the tables of a ledger.
async fn strange(place: &Place, connection: &mut AnyConnection) -> Failure {
    let empty = match place {
        Place::File(_) => sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
            .fetch_one(connection)
            .await
            .map(|count: i64| count == 0),
        Place::Server(_) => tables(connection).await.map(|tables| matches!(tables, Tables::None)),
    };
    match (empty, place) {
        (Ok(true), _) => place.unready(
            "it is empty: a host is setting it up, or died while it did; try again in a moment, or start `spine-host` \
             on it once",
        ),
        (Ok(false), Place::File(_)) => {
            place.unusable("it is a SQLite database, but not a ledger; name the right folder with --data")
        }
        (Ok(false), Place::Server(_)) => place.unusable("it is no ledger; name the right database"),
        (Err(error), _) => unusable(place)(error),
    }
}

/// The tables as an earlier version left them.
#[cfg(test)]
pub(crate) async fn migrate_to(version: i64, connection: &mut AnyConnection) {
    let migrator = migrator(Dialect::of(connection));
    migrator.run_to(version, connection).await.expect("an earlier version had its migrations too");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_versions() {
        let versions = |migrator: &Migrator| -> Vec<(i64, String)> {
            migrator.iter().map(|step| (step.version, step.description.to_string())).collect()
        };
        assert_eq!(versions(&SQLITE), versions(&POSTGRES));
    }
}
