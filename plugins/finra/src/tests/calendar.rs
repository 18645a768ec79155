//! The rules against the published sessions of every year the calendar knows.

use super::real;
use crate::calendar::{Session, YEARS, session, sessions};
use spine_sdk::prelude::*;

#[test]
fn the_rules_give_every_session_that_was_published_and_no_other() {
    let Some(text) = real::read("calendar/xnys_sessions_2014_2027.csv") else { return };
    let published: Vec<(NaiveDate, bool)> = text
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (spine_sdk::date::parse(fields[0]).unwrap(), fields[3].trim() == "1")
        })
        .collect();
    // The last year is published up to some day of autumn.
    let (first, last) = (published[0].0, published[published.len() - 1].0);
    assert_eq!(first.year(), *YEARS.start());
    let ours: Vec<(NaiveDate, bool)> =
        sessions(first, last).map(|day| (day, session(day) == Session::EarlyClose)).collect();
    assert_eq!(ours.len(), published.len());
    for (ours, published) in ours.iter().zip(&published) {
        assert_eq!(ours, published);
    }
}
