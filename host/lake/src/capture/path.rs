//! Where a capture lies: `<column>=<value>/.../<capture id>.parquet` below the folder of its table.

use std::fmt::Write as _;

use model::{CaptureId, DatasetName, Partition};
use sha2::{Digest as _, Sha256};

/// Most bytes of the name of one folder; file systems take 255.
const NAME_BYTES_MAX: usize = 200;

/// The folder of a table below `captures/`.
pub(super) fn table_folder(dataset: &DatasetName) -> String {
    format!("{}/{}", dataset.domain(), dataset.dataset())
}

/// The folders of a partition, in the order of the partition columns.
pub(super) fn partition_folders(partition_by: &[String], partition: &Partition) -> Vec<String> {
    partition_by.iter().map(|column| folder(column, partition.get(column).unwrap_or_default())).collect()
}

pub(super) fn file_name(capture: CaptureId) -> String {
    format!("{capture}.parquet")
}

/// One folder. Everything but letters, digits, `-`, `_` and `.` is percent-encoded: no value can climb, hide or collide.
fn folder(column: &str, value: &str) -> String {
    let mut name = format!("{column}=");
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    if name.len() > NAME_BYTES_MAX {
        // The catalog knows the value; the folder only has to be its own.
        name.truncate(NAME_BYTES_MAX - 33);
        let digest = hex::encode(&Sha256::digest(value.as_bytes())[..16]);
        name.push('~');
        name.push_str(&digest);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_folder() {
        assert_eq!(folder("trade_date", "2021-01-28"), "trade_date=2021-01-28");
        assert_eq!(folder("tier", "NMS Tier/1"), "tier=NMS%20Tier%2F1");
        assert_eq!(folder("a", "../../etc"), "a=..%2F..%2Fetc");
        assert_eq!(folder("a", "100%"), "a=100%25");
        assert_eq!(folder("a", "é"), "a=%C3%A9");
        assert_eq!(folder("a", ""), "a=");
    }

    #[test]
    fn long_values_get_short_folders_of_their_own() {
        let (one, two) = (folder("a", &"x".repeat(1000)), folder("a", &"x".repeat(1001)));
        assert!(one.len() <= NAME_BYTES_MAX && one != two, "{one}");
    }

    #[test]
    fn folders_follow_the_order_of_the_partition_columns() {
        let partition: Partition = [("tier", "OTC"), ("week_ending", "2025-11-14")].into_iter().collect();
        let columns = ["week_ending".to_owned(), "tier".to_owned()];
        assert_eq!(partition_folders(&columns, &partition), ["week_ending=2025-11-14", "tier=OTC"]);
    }
}
