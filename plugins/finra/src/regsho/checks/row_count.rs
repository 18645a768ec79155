//! The days that a run delivers, with the row counts of the sessions before, for the check `row_count_band`.

use spine_sdk::prelude::*;

use super::super::land::{Landed, landed_in};
use super::super::tables::{RegshoDaily, RegshoFacilityDaily};
use crate::calendar::{self, Session};
use crate::row_count::WINDOW;

/// With fewer sessions nothing is usual yet.
const SESSIONS_MIN: usize = 5;
const PERCENT: u64 = 5;
/// A correction may add or take away so many rows whatever the size of the day.
const SLACK: u64 = 10;

pub(crate) fn deliveries(dataset: &str, host: &Host) -> Result<Vec<Delivery>, Error> {
    let captures = if dataset == RegshoDaily::NAME {
        host.captures::<RegshoDaily>()?
    } else {
        host.captures::<RegshoFacilityDaily>()?
    };
    let mut deliveries = Vec::new();
    for file in landed_in(dataset)? {
        let empty_day = file.named.filter(|_| file.data_lines == 0).map(|day| (day, 0));
        for (day, rows) in file.dates.iter().map(|(day, rows)| (*day, *rows)).chain(empty_day) {
            let early = if calendar::session(day) == Session::EarlyClose { ", which closed early," } else { "" };
            let what = format!("the session {day} of `{}`{early}", file.file);
            let delivery = match replaced(&captures, &file, day) {
                // A correction is held against what it corrects.
                Some(replaced) => Delivery {
                    before: vec![replaced],
                    noun: ["revision", "revisions"],
                    before_min: 1,
                    slack: SLACK,
                    what,
                    rows,
                    percent: PERCENT,
                },
                None => Delivery {
                    before: sessions(&captures, &file, day),
                    noun: ["session", "sessions"],
                    before_min: SESSIONS_MIN,
                    slack: 0,
                    what,
                    rows,
                    percent: PERCENT,
                },
            };
            deliveries.push(delivery);
        }
    }
    Ok(deliveries)
}

/// Rows of the sessions before `day` in the same feed, newest first.
fn sessions(captures: &[Capture], file: &Landed, day: NaiveDate) -> Vec<u64> {
    let mut days: Vec<(NaiveDate, u64)> = of_feed(captures, file).filter(|(date, _)| *date < day).collect();
    days.sort_unstable_by(|one, other| other.cmp(one));
    days.into_iter().take(WINDOW).map(|(_, rows)| rows).collect()
}

/// Rows of the published capture of the same day and feed.
fn replaced(captures: &[Capture], file: &Landed, day: NaiveDate) -> Option<u64> {
    of_feed(captures, file).find(|(date, _)| *date == day).map(|(_, rows)| rows)
}

fn of_feed<'a>(captures: &'a [Capture], file: &'a Landed) -> impl Iterator<Item = (NaiveDate, u64)> + 'a {
    let same_feed = |capture: &&Capture| capture.get("facility").is_none_or(|name| name == file.facility.name());
    captures.iter().filter(same_feed).filter_map(|capture| {
        let date = spine_sdk::date::parse(capture.get("trade_date")?).ok()?;
        Some((date, capture.rows.unsigned_abs()))
    })
}
