//! `finra.regsho_drop`: picks daily files up from a folder that the operator granted.
//!
//! Files are found in order of name, a page at a time. The cursor lists every file already taken with its size and
//! time, so a late file is found although its name sorts early, and a corrected file is taken again. A file whose name
//! is not one of the publishers' is left alone.
//!
//! One run takes one file of a day and feed, since a capture is one delivery: of several, the oldest, and by name among
//! equals. The others wait for the next run and become revisions of their own. Until the last page of a run, the cursor
//! remembers who waits, or the next page would find them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use spine_sdk::date::in_file_name;
use spine_sdk::prelude::*;

use super::facility::{Facility, Layout, Whose};
use super::land::{self, land};
use super::tables::{FiveColumns, RegshoDaily, RegshoFacilityDaily, SixColumns};

/// The operator's folder, by the plugin's word for it.
const FOLDER: &str = "drop";

/// Files of one page of a discovery: few enough that one page of full days stays within the memory of an attempt.
const PAGE_FILES: usize = 16;

/// The files of the folder `drop`.
#[derive(Debug)]
pub struct Drop;

impl Source for Drop {
    const NAME: &'static str = "finra.regsho_drop";
    type Params = NoParams;

    fn spec() -> SourceSpec {
        SourceSpec::new("Takes daily short-sale volume files (CNMSshvol20210127.txt, ...) from the folder `drop`.")
            .output::<RegshoDaily>()
            .output::<RegshoFacilityDaily>()
    }

    fn discover(&self, _params: NoParams, since: Option<Cursor>, host: &Host) -> Result<Discovery, Error> {
        if since.is_none() {
            land::forget();
        }
        let present = host.files(FOLDER)?;
        let taken = since.as_ref().map(taken_of).transpose()?.unwrap_or_default();
        let page = page(&present, &taken);
        for file in &page.waiting {
            let why = "another file of its day and feed is taken now, and a capture is one delivery";
            host.log(Level::Info, "a file waits for the next run", &[("file", file.as_str()), ("why", why)]);
        }
        let partitions = page
            .new
            .iter()
            .map(|(file, version)| Partition::new().key("file", file.as_str()).version(version.as_str()));
        Ok(Discovery::new(partitions.collect::<Vec<_>>()).cursor(Cursor::text(&page.cursor)).more(page.more))
    }

    fn fetch(
        &self,
        _params: NoParams,
        partition: &Partition,
        _cursor: Option<Cursor>,
        host: &Host,
    ) -> Result<Page, Error> {
        let file = partition
            .get("file")
            .ok_or_else(|| Error::internal("bad_partition", "a partition of finra.regsho_drop has the key `file`"))?;
        let facility = Facility::from_file_name(file)
            .ok_or_else(|| Error::source("unknown_file", format!("`{file}` does not begin with a known facility")))?;
        let reader = match facility.layout() {
            Layout::Six => host.folder_file::<SixColumns>(FOLDER, file)?,
            Layout::Five => host.folder_file::<FiveColumns>(FOLDER, file)?,
        };
        Ok(Page::done(land(host, reader, file, Whose { facility, assumed: false })?.rows))
    }
}

/// Files already taken, with the version each had.
type Taken = BTreeMap<String, String>;

/// In place of a version: the file is new, and waits for the next run.
const WAITING: &str = "waiting";

/// One page of what is new.
#[derive(Debug, PartialEq)]
struct NewFiles {
    new: Vec<(String, String)>,
    /// Files that begin to wait in this page.
    waiting: Vec<String>,
    cursor: String,
    more: bool,
}

/// A file of the folder that is one of the publishers'.
struct Known<'a> {
    name: &'a str,
    version: String,
    modified_us: Option<i64>,
    /// What its rows are a partition of.
    delivery: (&'static str, NaiveDate),
}

impl<'a> Known<'a> {
    fn of(file: &'a FileEntry) -> Option<Self> {
        let delivery = delivery(&file.name)?;
        Some(Self { name: &file.name, version: version(file), modified_us: file.modified_us, delivery })
    }
}

/// The next files that were not taken in this version, and the cursor after them. Files that are gone leave the
/// cursor, so it grows with the folder and not with time.
fn page(present: &[FileEntry], taken: &Taken) -> NewFiles {
    // The host lists files in order of name.
    let known: Vec<Known<'_>> = present.iter().filter_map(Known::of).collect();
    let before = |file: &Known<'_>| taken.get(file.name).map(String::as_str);
    let new = |file: &&Known<'_>| ![Some(file.version.as_str()), Some(WAITING)].contains(&before(file));
    let mut first: BTreeMap<_, &Known<'_>> = BTreeMap::new();
    for file in known.iter().filter(new) {
        let first = first.entry(file.delivery).or_insert(file);
        if (file.modified_us, file.name) < (first.modified_us, first.name) {
            *first = file;
        }
    }
    let (mut now, mut waiting) = (Vec::new(), Vec::new());
    for file in known.iter().filter(new) {
        match first.get(&file.delivery) {
            Some(first) if first.name == file.name => now.push(file),
            _ => waiting.push(file.name),
        }
    }
    let more = now.len() > PAGE_FILES;
    now.truncate(PAGE_FILES);
    let mut cursor = String::new();
    for file in &known {
        let version = if now.iter().any(|taken| taken.name == file.name) {
            Some(file.version.as_str())
        } else if waiting.contains(&file.name) {
            Some(WAITING)
        } else {
            before(file)
        };
        // The run ends with this page: whoever waits is new to the next run.
        let version = version.filter(|version| more || *version != WAITING);
        if let Some(version) = version {
            // Writing to a text does not fail.
            let _ = writeln!(cursor, "{version}\t{}", file.name);
        }
    }
    NewFiles {
        new: now.into_iter().map(|file| (file.name.to_owned(), file.version.clone())).collect(),
        waiting: waiting.into_iter().map(str::to_owned).collect(),
        cursor,
        more,
    }
}

fn taken_of(cursor: &Cursor) -> Result<Taken, Error> {
    let unreadable = || Error::source("bad_cursor", "the cursor of finra.regsho_drop is not one that it wrote");
    let mut taken = Taken::new();
    for line in cursor.as_text().ok_or_else(unreadable)?.lines() {
        let (version, name) = line.split_once('\t').ok_or_else(unreadable)?;
        taken.insert(name.to_owned(), version.to_owned());
    }
    Ok(taken)
}

/// Feed and day of a file with a publisher's name: `<facility>shvol<YYYYMMDD>` and anything after it.
fn delivery(name: &str) -> Option<(&'static str, NaiveDate)> {
    let named_so = name.get(4..9).is_some_and(|word| word.eq_ignore_ascii_case("shvol"));
    // A line of the cursor holds one name.
    let one_line = !name.contains(['\n', '\r']);
    let feed = Facility::from_file_name(name).filter(|_| named_so && one_line)?;
    Some((feed.name(), in_file_name(name)?))
}

fn version(file: &FileEntry) -> String {
    let modified = file.modified_us.map_or_else(String::new, |time| time.to_string());
    format!("{}-{modified}", file.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, size: u64) -> FileEntry {
        FileEntry { name: name.to_owned(), size, modified_us: Some(7) }
    }

    fn names(page: &NewFiles) -> Vec<&str> {
        page.new.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn next(files: &[FileEntry], page_before: &NewFiles) -> NewFiles {
        page(files, &taken_of(&Cursor::text(&page_before.cursor)).unwrap())
    }

    #[test]
    fn files_come_in_order_of_name_and_only_once() {
        let files = [
            entry("CNMSshvol.txt", 5),
            entry("CNMSshvol20210127.txt", 5),
            entry("NQBXshvol20210127.txt", 5),
            entry("readme.txt", 1),
        ];
        let first = page(&files, &Taken::new());
        assert_eq!(names(&first), ["CNMSshvol20210127.txt", "NQBXshvol20210127.txt"]);
        assert!(!first.more);
        assert_eq!(names(&next(&files, &first)), [""; 0]);
    }

    #[test]
    fn a_late_file_and_a_corrected_file_are_found() {
        let before = page(&[entry("FNSQshvol20210127.txt", 5)], &Taken::new());
        let late = [entry("CNMSshvol20210126.txt", 5), entry("FNSQshvol20210127.txt", 6)];
        assert_eq!(names(&next(&late, &before)), ["CNMSshvol20210126.txt", "FNSQshvol20210127.txt"]);
    }

    #[test]
    fn many_files_come_in_pages_and_none_is_lost() {
        let file = |facility: &str, day: u32| entry(&format!("{facility}shvol202102{day:02}.txt"), 5);
        let files: Vec<FileEntry> =
            ["CNMS", "FNSQ"].iter().flat_map(|facility| (1..=28).map(|day| file(facility, day))).collect();
        let mut current = page(&files, &Taken::new());
        let mut found: Vec<String> = names(&current).into_iter().map(str::to_owned).collect();
        while current.more {
            assert_eq!(current.new.len(), PAGE_FILES);
            current = next(&files, &current);
            found.extend(names(&current).into_iter().map(str::to_owned));
        }
        assert_eq!(found, files.iter().map(|file| file.name.clone()).collect::<Vec<_>>());
    }

    #[test]
    fn of_two_files_of_one_day_and_feed_the_older_comes_first_and_the_other_in_the_next_run() {
        let at = |name: &str, modified_us| FileEntry { modified_us: Some(modified_us), ..entry(name, 5) };
        let (first, updated) = ("CNMSshvol20210201.txt", "CNMSshvol20210201_Updated.txt");
        let files = [at(first, 9), at(updated, 8), at("FNSQshvol20210201.txt", 1)];
        let run = page(&files, &Taken::new());
        assert_eq!(names(&run), [updated, "FNSQshvol20210201.txt"]);
        assert_eq!((run.waiting.as_slice(), run.more), ([first.to_owned()].as_slice(), false));
        let second = next(&files, &run);
        assert_eq!((names(&second), second.waiting.len()), (vec![first], 0));
        assert_eq!(names(&next(&files, &second)), [""; 0]);
        let same_time = page(&[at(first, 7), at(updated, 7)], &Taken::new());
        assert_eq!(names(&same_time), [first]);
    }

    #[test]
    fn a_file_that_waits_is_not_found_by_a_later_page_of_its_run() {
        let mut files: Vec<FileEntry> = (1..=20).map(|day| entry(&format!("CNMSshvol202102{day:02}.txt"), 5)).collect();
        files.insert(1, entry("CNMSshvol20210201_Updated.txt", 5));
        let first = page(&files, &Taken::new());
        assert_eq!((first.new.len(), first.waiting.len(), first.more), (PAGE_FILES, 1, true));
        let second = next(&files, &first);
        assert_eq!((second.new.len(), second.waiting.len(), second.more), (4, 0, false));
        assert_eq!(names(&next(&files, &second)), ["CNMSshvol20210201_Updated.txt"]);
    }

    #[test]
    fn a_foreign_cursor_is_an_error_and_files_that_are_gone_leave_it() {
        assert_eq!(taken_of(&Cursor(vec![0xff])).unwrap_err().code, "bad_cursor");
        assert_eq!(taken_of(&Cursor::text("no tab")).unwrap_err().code, "bad_cursor");
        let before = page(&[entry("CNMSshvol20210127.txt", 5)], &Taken::new());
        assert_eq!(next(&[], &before).cursor, "");
    }
}
