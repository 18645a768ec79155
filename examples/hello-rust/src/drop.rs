//! Files dropped into a folder, found and fetched page by page.

use spine_sdk::prelude::*;

use crate::shares;
use crate::tables::{HelloPsv, Totals};

/// The folder that the operator grants.
const FOLDER: &str = "drop";
/// Files of one page of a discovery.
const FILES_MAX: usize = 2;
/// Rows of one page of a file, rejected ones included.
const ROWS_MAX: usize = 1_000;

/// Picks up the files of a granted folder, in order of name.
#[derive(Debug)]
pub struct Drop;

impl Source for Drop {
    const NAME: &'static str = "hello_rust.drop";
    type Params = NoParams;

    fn spec() -> SourceSpec {
        SourceSpec::new("Picks up files from a folder.").output::<Totals>()
    }

    /// The cursor is the name of the last file that was found.
    fn discover(&self, _: NoParams, since: Option<Cursor>, host: &Host) -> Result<Discovery, Error> {
        let seen = since.as_ref().map(|cursor| cursor.0.as_slice()).unwrap_or_default();
        let files = host.files(FOLDER)?;
        let mut new = files.iter().filter(|file| file.name.ends_with(".psv") && file.name.as_bytes() > seen);
        let page: Vec<Partition> = new
            .by_ref()
            .take(FILES_MAX)
            .map(|file| Partition::new().key("file", &file.name).version(file.size.to_string()))
            .collect();
        let more = new.next().is_some();
        let last = page.last().and_then(|partition| partition.get("file")).map(Cursor::text);
        Ok(Discovery::new(page).cursor(last.or(since)).more(more))
    }

    /// The cursor counts the rows of the file that were delivered.
    fn fetch(&self, _: NoParams, partition: &Partition, cursor: Option<Cursor>, host: &Host) -> Result<Page, Error> {
        let file = partition
            .get("file")
            .ok_or_else(|| Error::source("bad_partition", "a partition of this source names its `file`"))?;
        let start = match &cursor {
            None => 0,
            Some(cursor) => cursor
                .as_text()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Error::source("bad_cursor", "a cursor of this source is a count of rows"))?,
        };
        let rows: HelloPsv = host.folder_file::<HelloPsv>(FOLDER, file)?.read_all()?;
        let start = rows.volume.len().min(start);
        let end = rows.volume.len().min(start + ROWS_MAX);
        let written = shares::write(&rows, start..end, shares::total(&rows)?, host)?;
        Ok(if end < rows.volume.len() {
            Page::more(written, Cursor::text(end.to_string()))
        } else {
            Page::done(written)
        })
    }
}

#[cfg(test)]
mod tests {
    use spine_sdk::testing::MemoryHost;

    use super::*;

    const HEADER: &str = "Date|Symbol|Volume\n";

    fn folder(files: &[&str]) -> MemoryHost {
        let text = format!("{HEADER}2025-01-02|GME|300\n");
        files
            .iter()
            .fold(MemoryHost::new().folder("drop"), |host, file| host.folder_text::<HelloPsv>("drop", file, &text))
    }

    fn names(discovery: &Discovery) -> Vec<&str> {
        discovery.partitions.iter().filter_map(|partition| partition.get("file")).collect()
    }

    #[test]
    fn files_come_in_pages_of_two_and_each_once() {
        let host = folder(&["c.psv", "a.psv", "b.psv", "notes.txt"]);
        let first = host.discover(&Drop, None).unwrap();
        assert_eq!((names(&first), first.more), (vec!["a.psv", "b.psv"], true));
        let second = host.discover(&Drop, first.cursor).unwrap();
        assert_eq!((names(&second), second.more), (vec!["c.psv"], false));
        let third = host.discover(&Drop, second.cursor.clone()).unwrap();
        assert_eq!((names(&third), third.more, &third.cursor), (vec![], false, &second.cursor));
    }

    #[test]
    fn a_long_file_comes_in_pages_with_shares_of_the_whole() {
        let rows: String = (0..2_500).map(|row| format!("2025-01-02|S{row}|4\n")).collect();
        let host = MemoryHost::new().folder_text::<HelloPsv>("drop", "a.psv", &format!("{HEADER}{rows}"));
        let partition = Partition::new().key("file", "a.psv");
        let (mut cursor, mut pages) = (None, Vec::new());
        loop {
            let page = host.fetch(&Drop, &partition, cursor).unwrap();
            pages.push((page.rows, page.status));
            if page.status == PageStatus::Done {
                break;
            }
            cursor = page.cursor;
        }
        assert_eq!(pages, [(1_000, PageStatus::More), (1_000, PageStatus::More), (500, PageStatus::Done)]);
        let written = host.written::<Totals>();
        assert!(written.share.iter().all(|share| share == Some(1.0 / 2_500.0)));
        assert_eq!(host.lines::<Totals>().last(), Some(&2_501));
    }

    #[test]
    fn without_the_grant_and_with_foreign_cursors_there_is_an_error() {
        let codes = [
            MemoryHost::new().discover(&Drop, None).unwrap_err().code,
            folder(&["a.psv"]).fetch(&Drop, &Partition::new(), None).unwrap_err().code,
            folder(&["a.psv"])
                .fetch(&Drop, &Partition::new().key("file", "a.psv"), Some(Cursor::text("x")))
                .unwrap_err()
                .code,
        ];
        assert_eq!(codes, ["not_granted", "bad_partition", "bad_cursor"]);
    }
}
