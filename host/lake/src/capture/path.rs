//! Where a capture lies: `<column>=<value>/.../<capture id>.parquet` below the folder of its table.
//!
//! A file that is not whole yet lies there as `.<capture id>.parquet.tmp`.

use std::fmt::Write as _;

use model::{CaptureId, DatasetName, Partition};
use sha2::{Digest as _, Sha256};

use crate::inputs::UNFINISHED;

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

/// The name of a file until it is whole.
pub(super) fn unfinished_name(name: &str) -> String {
    format!(".{name}{UNFINISHED}")
}

/// The capture whose file lies at this path below `captures/`; none if no capture of ours would lie there.
pub(crate) fn capture_at(path: &str) -> Option<CaptureId> {
    let (folders, name) = path.rsplit_once('/')?;
    let mut folders = folders.split('/');
    let table = format!("{}.{}", folders.next()?, folders.next()?);
    if table.parse::<DatasetName>().is_err() || !folders.all(is_partition_folder) {
        return None;
    }
    let capture = name.strip_suffix(".parquet")?.parse::<CaptureId>().ok()?;
    // Ids may be written in more ways than ours.
    (file_name(capture) == name).then_some(capture)
}

/// Whether a file at this path below `captures/` was left by a writer that did not end.
pub(crate) fn is_unfinished_capture(path: &str) -> bool {
    let parts = path.rsplit_once('/').and_then(|(folders, name)| Some((folders, name.strip_prefix('.')?)));
    let whole = parts.and_then(|(folders, name)| Some(format!("{folders}/{}", name.strip_suffix(UNFINISHED)?)));
    whole.is_some_and(|whole| capture_at(&whole).is_some())
}

fn is_partition_folder(name: &str) -> bool {
    name.split_once('=').is_some_and(|(column, _)| !column.is_empty())
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
    fn only_the_exact_place_and_name_of_a_capture_is_one() {
        let capture = CaptureId::new(model::Timestamp::from_micros(1_700_000_000_000_000), [7; 10]);
        let hex = capture.to_string().replace("cap_", "");
        let ours = |path: &str| capture_at(path) == Some(capture);
        for folder in ["finra/regsho_daily/trade_date=2021-01-28", "finra/otc/week=2025-11-14/tier=", "finra/whole"] {
            assert!(ours(&format!("{folder}/{capture}.parquet")), "{folder}");
            let unfinished = format!("{folder}/{}", unfinished_name(&file_name(capture)));
            assert!(is_unfinished_capture(&unfinished) && capture_at(&unfinished).is_none(), "{unfinished}");
        }
        let theirs = [
            format!("{capture}.parquet"),
            format!("finra/{capture}.parquet"),
            format!("finra/regsho_daily/2021/{capture}.parquet"),
            format!("My Files/holiday/{capture}.parquet"),
            format!("finra/regsho_daily/day=1/{capture}.parquet.bak"),
            format!("finra/regsho_daily/day=1/cap_{}.parquet", hex.to_uppercase()),
            format!("finra/regsho_daily/day=1/cap_{}-{}.parquet", &hex[..8], &hex[8..]),
            "finra/regsho_daily/day=1/prices.parquet".to_owned(),
        ];
        for path in theirs {
            assert!(capture_at(&path).is_none() && !is_unfinished_capture(&path), "{path}");
        }
    }

    #[test]
    fn folders_follow_the_order_of_the_partition_columns() {
        let partition: Partition = [("tier", "OTC"), ("week_ending", "2025-11-14")].into_iter().collect();
        let columns = ["week_ending".to_owned(), "tier".to_owned()];
        assert_eq!(partition_folders(&columns, &partition), ["week_ending=2025-11-14", "tier=OTC"]);
    }
}
