//! The write-ahead log outlives the process.
//!
//! SQLite removes the log when the last connection that can write closes, and a reader that may not write to the
//! folder can then not open the database at all. The flag against it (`SQLITE_FCNTL_PERSIST_WAL`) needs a raw call,
//! which this workspace denies. Instead a connection that can only read is kept to the end: it cannot delete the
//! log, and while it is open no other connection is the last.

use sqlx::{AnyConnection, Connection};

/// Keeps the log in place for as long as the process lives, and on its ways out.
#[derive(Debug)]
pub(crate) struct WalKeeper(Option<AnyConnection>);

impl WalKeeper {
    /// Takes a read-only connection that has read at least once, or it would not have opened the log yet.
    pub(crate) fn new(connection: AnyConnection) -> Self {
        Self(Some(connection))
    }

    /// Lets go after every connection that can write is closed.
    pub(crate) async fn close(mut self) {
        if let Some(connection) = self.0.take() {
            // Nothing depends on it: the connection read nothing that has to be kept.
            drop(connection.close().await);
        }
    }
}

impl Drop for WalKeeper {
    fn drop(&mut self) {
        // Without an orderly close the writing connection is closed by its own thread at a time nobody knows, so this
        // one has to stay. The operating system takes it back.
        std::mem::forget(self.0.take());
    }
}
