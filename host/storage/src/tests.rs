//! What the ledger promises, held against a database in a temporary folder.

mod catalog;
mod keys;
mod logs;
mod plugins;
mod publish;
mod quarantine;
mod recovery;
mod support;
mod transitions;
