//! Where the writer can be interrupted, for tests that kill it there.

use std::fmt::Debug;

/// A place in the life of one group of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Nothing of the group was written yet.
    Begin,
    /// The commands of this lane were carried out, in the transaction.
    Lane(&'static str),
    /// The transaction is whole, and not committed.
    Commit,
    /// It is committed, and nobody was told.
    Committed,
}

/// Somebody who is told where the writer is, on the writer's task. The product has nobody.
pub trait Faults: Debug + Send + Sync {
    /// Whether it is to be told of the writer at this point. The statements before it are sent to the database first,
    /// which otherwise may go there together with the commit.
    fn awaits(&self, point: Point, lanes: &[&'static str]) -> bool;

    /// The writer is there. `lanes` are those that the group has commands for.
    fn at(&self, point: Point, lanes: &[&'static str]);
}
