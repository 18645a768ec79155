//! The date of the rows, of the file's name and of the exchange's calendar.

use spine_sdk::prelude::*;

use super::super::land::{Landed, landed_in};
use super::super::tables::{RegshoDaily, RegshoFacilityDaily};
use crate::calendar::{self, Session};

/// Every row has one date, and the file's name has the same if it has one.
#[derive(Debug)]
pub struct DateMatchesFile;

impl Check for DateMatchesFile {
    const NAME: &'static str = "date_matches_file";

    fn spec() -> CheckSpec {
        CheckSpec::block(Category::Integrity, "The rows have one date, the one in the name of the file.")
            .on::<RegshoDaily>()
            .on::<RegshoFacilityDaily>()
    }

    fn check(&self, dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        Ok(landed_in(dataset)?.iter().filter_map(of_one_day).collect())
    }
}

/// A finding if the file is not of one day, or not of the day in its name.
///
/// Whoever published several days in one file would replace each of them with a fragment.
fn of_one_day(file: &Landed) -> Option<Finding> {
    let name = &file.file;
    let days: Vec<String> = file.dates.iter().map(|(day, rows)| format!("{day} ({rows} rows)")).collect();
    let named = file.named.map(|named| named.to_string());
    if days.len() > 1 {
        let days = days.join(", ");
        let message = format!("`{name}` has rows of several days, {days}, but a daily file is of one");
        return Some(Finding::fail(message).actual(days).expected(named.unwrap_or_else(|| "one date".to_owned())));
    }
    let (day, rows) = file.dates.first_key_value()?;
    let named = named.filter(|named| named != &day.to_string())?;
    let message = format!(
        "{rows} rows of `{name}` have the date {day}, but its name says {named}: the content is of another day"
    );
    Some(Finding::fail(message).actual(day.to_string()).expected(named))
}

/// Every date is a session of the exchange.
#[derive(Debug)]
pub struct SessionDate;

impl Check for SessionDate {
    const NAME: &'static str = "session_date";

    fn spec() -> CheckSpec {
        CheckSpec::block(Category::BusinessRule, "Every date is a session of the exchange.")
            .on::<RegshoDaily>()
            .on::<RegshoFacilityDaily>()
    }

    fn check(&self, dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        let files = landed_in(dataset)?;
        // An empty day has no row to give a date; its name is all there is.
        let days = files.iter().flat_map(|file| {
            let empty_day = file.named.filter(|_| file.data_lines == 0);
            file.dates.keys().copied().chain(empty_day).map(move |day| (file, day))
        });
        Ok(days.filter_map(|(file, day)| finding(&file.file, day)).collect())
    }
}

fn finding(file: &str, day: NaiveDate) -> Option<Finding> {
    let why = match calendar::session(day) {
        Session::Regular | Session::EarlyClose => return None,
        Session::Unknown => {
            let (first, last) = (calendar::YEARS.start(), calendar::YEARS.end());
            let message = format!(
                "the calendar of this plugin covers {first} to {last}, so whether {day} was a session is not known: \
                 update the plugin, or release the capture from quarantine, or lower this check in spine.toml"
            );
            return Some(Finding::fail(message).actual(day.to_string()));
        }
        Session::Weekend => "a weekend",
        Session::Closed(name) => name,
    };
    let message = format!("`{file}` is of {day}, when the exchange was closed ({why}): no such file can exist");
    Some(Finding::fail(message).actual(day.to_string()).expected("a session"))
}
