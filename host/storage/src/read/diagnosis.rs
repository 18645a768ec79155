//! Whether the database is whole, for somebody who looks closer.

use model::Timestamp;
use model::failure::Failure;

use crate::dialect::Dialect;
use crate::failure::failed;
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
