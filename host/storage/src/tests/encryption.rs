//! Connections to a server over a network.

use std::sync::Arc;

use model::failure::Failure;
use private_postgres::Encrypted;

use super::support::{Counter, hand_clock};
use crate::Storage;

/// Holds if every connection over the network is encrypted, and there is one.
const ALL_ENCRYPTED: &str = r"
    DO $$ BEGIN
        ASSERT (
            SELECT COALESCE(BOOL_AND(ssl), FALSE)
            FROM pg_stat_ssl
            JOIN pg_stat_activity USING (pid)
            WHERE client_addr IS NOT NULL
        );
    END $$
";

async fn open(url: &str) -> Result<Storage, Failure> {
    let folder = tempfile::tempdir().unwrap();
    Storage::open_database(url, folder.path(), hand_clock(), Arc::new(Counter::default())).await
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_alone_and_talked_to_in_cipher() {
    let server = match Encrypted::start() {
        Ok(server) => server,
        Err(absent) => return eprintln!("skipped: {}", absent.0),
    };
    let authority = server.authority().display().to_string();
    for more in ["", "sslmode=require", &format!("sslmode=verify-full&sslrootcert={authority}")] {
        let storage = open(&server.url(more)).await.unwrap();
        server.run(ALL_ENCRYPTED).unwrap_or_else(|refused| panic!("{more}: {}", refused.0));
        storage.close().await;
    }
    // The machine knows nothing of this authority; and it vouches for an address, not for a name.
    let by_name = format!("sslmode=verify-full&sslrootcert={authority}");
    let by_name = server.url(&by_name).replace("127.0.0.1", "localhost");
    for url in [server.url("sslmode=verify-full"), server.url("sslmode=verify-ca"), by_name] {
        let failure = open(&url).await.unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.exit_code(), failure.retryable),
            ("bad_config", 2, false),
            "{failure:?}"
        );
        assert!(failure.message.contains("`sslmode` and `sslrootcert`"), "{failure}");
        assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
    }
    open(&server.url("sslmode=disable")).await.unwrap();
}
