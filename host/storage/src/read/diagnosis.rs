//! Whether the database is whole, for somebody who looks closer.

use std::path::Path;

use model::Timestamp;
use model::failure::Failure;
use rustix::fs::{Access, access};

use crate::dialect::Dialect;
use crate::failure::failed;
use crate::place::Place;
use crate::storage::Storage;

impl Storage {
    /// What the database itself finds wrong with its file, at most ten lines; nothing for a server, which looks after its
    /// own. Reads all of it.
    ///
    /// # Errors
    ///
    /// `corrupt` if it is too damaged to be looked at.
    pub async fn damages(&self) -> Result<Vec<String>, Failure> {
        if self.place.dialect() == Dialect::Postgres {
            return Ok(Vec::new());
        }
        let found: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(10)")
            .fetch_all(&mut *self.reader("check the database").await?)
            .await
            .map_err(failed("check the database"))?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    /// Whether this user may write to the ledger, without doing so.
    ///
    /// # Errors
    ///
    /// `read_only` if not.
    pub async fn may_write(&self) -> Result<(), Failure> {
        let may = match &self.place {
            // SQLite keeps its log beside the file.
            Place::File(file) => {
                let folder = file.path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new("."));
                [folder, &file.path].iter().all(|path| access(*path, Access::WRITE_OK).is_ok())
            }
            Place::Server(_) => {
                let (may,): (i64,) = sqlx::query_as(
                    r#"
                    SELECT CAST((
                        NOT pg_is_in_recovery()
                        AND has_table_privilege('runs', 'INSERT, UPDATE')
                        -- As the user and the database have it; a reader of ours asks for it in any case.
                        AND (SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only') = 'off'
                    ) AS INTEGER)::BIGINT
                    "#,
                )
                .fetch_one(&mut *self.reader("look whether the ledger may be written").await?)
                .await
                .map_err(failed("look whether the ledger may be written"))?;
                may == 1
            }
        };
        match may {
            true => Ok(()),
            false => Err(self.place.read_only()),
        }
    }

    /// The version of the tables: the number of the last step that made them what they are.
    pub async fn tables_version(&self) -> Result<i64, Failure> {
        sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations")
            .fetch_one(&mut *self.reader("read the version of the tables").await?)
            .await
            .map_err(failed("read the version of the tables"))
    }

    /// When the newest run was asked for; none if there is none.
    pub async fn newest_run_at(&self) -> Result<Option<Timestamp>, Failure> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT created_at_us FROM runs ORDER BY run_id DESC LIMIT 1")
            .fetch_optional(&mut *self.reader("look for the newest run").await?)
            .await
            .map_err(failed("look for the newest run"))?;
        Ok(newest.map(Timestamp::from_micros))
    }
}
