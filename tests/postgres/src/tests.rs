//! The server comes, answers and goes. Without PostgreSQL these pass and say why they were skipped.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Absent, Cluster, shared};

fn cluster() -> Option<Arc<Cluster>> {
    match shared() {
        Ok(cluster) => Some(cluster),
        Err(Absent(why)) => {
            println!("skipped: {why}");
            None
        }
    }
}

#[test]
fn databases_are_apart_from_each_other() {
    let Some(cluster) = cluster() else { return };
    let (one, two) = (cluster.database(), cluster.database());
    one.run("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)").unwrap();
    assert!(two.run("SELECT n FROM t").unwrap_err().0.contains("does not exist"));
    assert_ne!(one.url(), two.url());
}

#[test]
fn what_is_wrong_is_said_and_the_server_goes_on() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database();
    assert!(database.run("SELEC").unwrap_err().0.contains("syntax error"));
    database.run("SELECT 1").unwrap();
    assert!(cluster.run("nothing_of_the_kind", "SELECT 1").unwrap_err().0.contains("does not exist"));
}

#[test]
fn nothing_is_left_of_a_server_that_nobody_needs() {
    let Ok(cluster) = Cluster::start() else {
        println!("skipped: PostgreSQL is not installed");
        return;
    };
    let cluster = Arc::new(cluster);
    let url = cluster.database().url();
    let encoded = url.split(['@', '/']).find(|part| part.starts_with('%')).unwrap();
    let bytes = encoded.split('%').skip(1).map(|hex| u8::from_str_radix(hex, 16).unwrap());
    let folder = PathBuf::from(String::from_utf8(bytes.collect()).unwrap());
    assert!(folder.join("data").exists());
    drop(cluster);
    assert!(!folder.exists());
}
