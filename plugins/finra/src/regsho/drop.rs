//! `finra.regsho_drop`: picks daily files up from a folder that the operator granted.
//!
//! Files are found in order of name, a page at a time. The cursor lists every file already taken with its size and
//! time, so a late file is found although its name sorts early, and a corrected file is taken again. A file whose name
//! is not one of the publishers' is left alone.

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

/// One page of what is new.
#[derive(Debug, PartialEq)]
struct NewFiles {
    new: Vec<(String, String)>,
    cursor: String,
    more: bool,
}

/// The next files that were not taken in this version, and the cursor after them. Files that are gone leave the
/// cursor, so it grows with the folder and not with time.
fn page(present: &[FileEntry], taken: &Taken) -> NewFiles {
    // The host lists files in order of name.
    let known: Vec<(&str, String)> =
        present.iter().filter(|file| is_daily(&file.name)).map(|file| (file.name.as_str(), version(file))).collect();
    let is_new = |name: &str, version: &String| taken.get(name) != Some(version);
    let new: Vec<(String, String)> = known
        .iter()
        .filter(|(name, version)| is_new(name, version))
        .map(|(name, version)| ((*name).to_owned(), version.clone()))
        .collect();
    let more = new.len() > PAGE_FILES;
    let new: Vec<_> = new.into_iter().take(PAGE_FILES).collect();
    let mut cursor = String::new();
    for (name, version) in &known {
        let in_page = new.iter().any(|(file, _)| file == name);
        let before = if in_page { Some(version) } else { taken.get(*name) };
        if let Some(version) = before {
            // Writing to a text does not fail.
            let _ = writeln!(cursor, "{version}\t{name}");
        }
    }
    NewFiles { new, cursor, more }
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

/// Returns whether this is a publisher's name: `<facility>shvol<YYYYMMDD>` and anything after it.
fn is_daily(name: &str) -> bool {
    let named_so = name.get(4..9).is_some_and(|word| word.eq_ignore_ascii_case("shvol"));
    // A line of the cursor holds one name.
    let one_line = !name.contains(['\n', '\r']);
    named_so && one_line && Facility::from_file_name(name).is_some() && in_file_name(name).is_some()
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
    fn a_foreign_cursor_is_an_error_and_files_that_are_gone_leave_it() {
        assert_eq!(taken_of(&Cursor(vec![0xff])).unwrap_err().code, "bad_cursor");
        assert_eq!(taken_of(&Cursor::text("no tab")).unwrap_err().code, "bad_cursor");
        let before = page(&[entry("CNMSshvol20210127.txt", 5)], &Taken::new());
        assert_eq!(next(&[], &before).cursor, "");
    }
}
