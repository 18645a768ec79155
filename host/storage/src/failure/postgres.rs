//! The SQLSTATE codes of PostgreSQL.

use model::failure::FailureKind;

use super::{Meaning, REFUSED, UNREACHABLE};

/// A code is five characters, of which the first two are its class.
pub(super) fn meaning(code: &str) -> Meaning {
    match code {
        // Deadlock, serialization failure.
        "40P01" | "40001" => Meaning::database(
            "contention",
            "another process changed the same at the same time; nothing was changed; try again",
        )
        .retryable(),
        // Query canceled.
        "57014" => Meaning::database(
            "contention",
            "the server cancelled the statement, because somebody asked for it or it took longer than \
             `statement_timeout` allows; nothing was changed; try again",
        )
        .retryable(),
        // Lock not available: it was waited for.
        "55P03" => Meaning::database("locked", "another process holds a lock on the ledger for too long; try again")
            .retryable(),
        // A statement before it failed.
        "25P02" => Meaning::database("aborted", "the transaction had failed already; nothing was changed"),
        // Disk full.
        "53100" => Meaning::new(
            FailureKind::Storage,
            "no_space",
            "the disk of the database is full; nothing was changed; free some space there and try again",
        ),
        // Read-only transaction, insufficient privilege.
        "25006" | "42501" => Meaning::database(
            "read_only",
            "the database cannot be written: it is read-only, or this user may not write to it",
        ),
        "58030" => Meaning::database("io", "the database cannot read or write its disk; look at it"),
        // Out of memory, or of something else that is configured; too many connections.
        "53000" | "53200" | "53300" | "53400" => Meaning::database(
            "unreachable",
            "the server has no room for this now: connections, memory or disk are short there; try again",
        )
        .retryable(),
        // The connection was ended: idle in a transaction or altogether, or a transaction that was too long.
        "25P03" | "25P04" | "57P05" => UNREACHABLE,
        // Shutting down, crashed, starting up; the database was dropped; connection exceptions.
        "57P01" | "57P02" | "57P03" | "57P04" => UNREACHABLE,
        _ => match code.get(..2) {
            Some("08") => UNREACHABLE,
            Some("3D") => Meaning::new(
                FailureKind::Config,
                "bad_config",
                "the server has no database of that name; create it, or name another one in the URL",
            ),
            // Invalid authorization.
            Some("28") => Meaning::new(
                FailureKind::Config,
                "bad_config",
                "the database does not let this user in; check user and password in its URL",
            ),
            Some("23") => Meaning::new(FailureKind::Internal, "constraint", "it would break a rule of the ledger"),
            Some("XX") => Meaning::database("corrupt", "the database says that it is damaged; look at its log"),
            _ => REFUSED,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_server_are_told_apart() {
        for (state, code, retryable) in [
            ("40001", "contention", true),
            ("40P01", "contention", true),
            ("55P03", "locked", true),
            ("53100", "no_space", false),
            ("25006", "read_only", false),
            ("08006", "unreachable", true),
            ("57P01", "unreachable", true),
            ("57P04", "unreachable", true),
            ("57P05", "unreachable", true),
            ("25P03", "unreachable", true),
            ("25P04", "unreachable", true),
            ("57014", "contention", true),
            ("53200", "unreachable", true),
            ("53400", "unreachable", true),
            ("57P03", "unreachable", true),
            ("53300", "unreachable", true),
            ("28P01", "bad_config", false),
            ("3D000", "bad_config", false),
            ("23505", "constraint", false),
            ("42601", "database", false),
            ("", "database", false),
        ] {
            let found = meaning(state);
            assert_eq!((found.code, found.retryable), (code, retryable), "{state}");
        }
    }
}
