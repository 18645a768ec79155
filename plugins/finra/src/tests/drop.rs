//! The source that picks files up from a folder.

use spine_sdk::prelude::*;
use spine_sdk::testing::MemoryHost;

use crate::regsho::{Drop, FiveColumns, RegshoDaily, RegshoFacilityDaily, SessionDate, SixColumns};

const SIX: &str =
    "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market\n20210128|A|1|0|4|Q\n20210128|B|1|0|4|Q\n2\n";
const FIVE: &str = "DATE|SYMBOL|SHORT VOLUME|TOTAL VOLUME|MARKET\n20210128|A|3|4|B\n\n";

#[test]
fn every_file_of_the_folder_is_found_and_landed_where_it_belongs() {
    let host = MemoryHost::new()
        .folder_text::<FiveColumns>("drop", "NQBXshvol20210128.txt", FIVE)
        .folder_text::<SixColumns>("drop", "CNMSshvol20210128.txt", SIX)
        .folder_text::<SixColumns>("drop", "notes.txt", "not ours");
    let found = host.discover(&Drop, None).unwrap();
    let files: Vec<_> = found.partitions.iter().map(|partition| partition.get("file").unwrap()).collect();
    assert_eq!(files, ["CNMSshvol20210128.txt", "NQBXshvol20210128.txt"]);
    assert!(!found.more);
    let rows: Vec<u64> = found
        .partitions
        .iter()
        .map(|partition| {
            let page = host.fetch(&Drop, partition, None).unwrap();
            assert_eq!(page.status, PageStatus::Done);
            page.rows
        })
        .collect();
    assert_eq!(rows, [2, 1]);
    assert_eq!(host.written::<RegshoDaily>().symbol.len(), 2);
    assert_eq!(host.written::<RegshoFacilityDaily>().facility.get(0), "NQBX");
    assert_eq!(host.check(&SessionDate, RegshoDaily::NAME).unwrap(), []);
    assert_eq!(host.discover(&Drop, found.cursor).unwrap().partitions, []);
}

#[test]
fn a_partition_that_is_no_file_of_a_feed_is_an_error() {
    let host = MemoryHost::new();
    let error = host.fetch(&Drop, &Partition::new().key("file", "notes.txt"), None).unwrap_err();
    assert_eq!(error.code, "unknown_file");
    let error = host.fetch(&Drop, &Partition::new(), None).unwrap_err();
    assert_eq!(error.code, "bad_partition");
}
