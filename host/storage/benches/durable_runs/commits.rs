//! The limit: one connection that inserts a row, commits, and begins again.

use std::time::{Duration, Instant};

use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection};

use crate::place::Place;

/// The connection of the plain loop.
#[derive(Debug)]
pub(crate) struct Commits(AnyConnection);

/// How long each of some things took, in order of size, and all of them together.
#[derive(Debug)]
pub(crate) struct Times {
    each: Vec<Duration>,
    all: Duration,
}

impl Times {
    pub(crate) fn new(mut each: Vec<Duration>, all: Duration) -> Self {
        each.sort_unstable();
        Self { each, all }
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.each.len() as f64 / self.all.as_secs_f64()
    }

    pub(crate) fn p50_us(&self) -> f64 {
        self.percentile_us(50)
    }

    pub(crate) fn p99_us(&self) -> f64 {
        self.percentile_us(99)
    }

    fn percentile_us(&self, percent: usize) -> f64 {
        self.each[(self.each.len() * percent / 100).min(self.each.len() - 1)].as_secs_f64() * 1e6
    }
}

impl Commits {
    /// In the ledger's place and with its settings, but in a database of its own: nobody waits for anybody.
    pub(crate) async fn begin(place: &Place) -> Self {
        install_default_drivers();
        let (url, settings) = match place {
            Place::Sqlite(folder) => (
                format!("sqlite:{}?mode=rwc", folder.path().join("plain.db").display()),
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
            ),
            Place::Postgres((database, _)) => (database.url(), ""),
        };
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(settings).execute(&mut connection).await.unwrap();
        let table = "CREATE TABLE plain (number INTEGER PRIMARY KEY, content TEXT NOT NULL)";
        sqlx::query(table).execute(&mut connection).await.unwrap();
        Self(connection)
    }

    /// What makes its commits durable, as the database says itself.
    pub(crate) async fn settings(&mut self) -> String {
        let asked: &[&'static str] = match self.0.backend_name() {
            "PostgreSQL" => &["SHOW fsync", "SHOW synchronous_commit", "SHOW full_page_writes"],
            _ => &["PRAGMA journal_mode", "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous"],
        };
        let mut told = Vec::new();
        for asked in asked {
            let value: String = sqlx::query_scalar(*asked).fetch_one(&mut self.0).await.unwrap();
            told.push(format!("{asked}: {value}"));
        }
        told.join(", ")
    }

    pub(crate) async fn measure(&mut self, commits: usize) -> Times {
        let mut each = Vec::with_capacity(commits);
        let began = Instant::now();
        for _ in 0..commits {
            let one = Instant::now();
            sqlx::query("INSERT INTO plain (number, content) SELECT COALESCE(MAX(number), 0) + 1, $1 FROM plain")
                .bind("what a commit of one small row costs")
                .execute(&mut self.0)
                .await
                .unwrap();
            each.push(one.elapsed());
        }
        Times::new(each, began.elapsed())
    }
}
