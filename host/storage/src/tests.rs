//! What the ledger promises, held against both databases: a test under `on_sqlite` has its twin under `on_postgres`.
//!
//! Those that stand alone are about a file (`recovery`, `growth`) or a server (`server`, `encryption`, `unanswered`).

mod catalog;
mod dead_letters;
mod encryption;
mod evolution;
mod growth;
mod keepers;
mod keys;
mod kinds;
mod lease_table;
mod leases;
mod lists;
mod logs;
mod machine;
mod places;
mod plugins;
mod publish;
mod quarantine;
mod reaping;
mod recovery;
mod retention;
mod retries;
mod server;
mod shared_states;
mod stages;
mod support;
mod transitions;
mod unanswered;
mod vitals;
