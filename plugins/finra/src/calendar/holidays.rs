//! The rules of the exchange's holidays and early closes.

use spine_sdk::prelude::*;

/// The holiday for which the exchange is closed on this weekday, if there is one.
pub(super) fn name(day: NaiveDate) -> Option<&'static str> {
    let monday = day.weekday() == Weekday::Mon;
    let nth_monday = |nth: u32| monday && day.day0() / 7 + 1 == nth;
    match day.month() {
        // A New Year's Day on a Saturday is not moved: the Friday before belongs to the old accounting year.
        1 if day.day() == 1 || (day.day() == 2 && monday) => Some("New Year's Day"),
        1 if nth_monday(3) => Some("Martin Luther King Jr. Day"),
        2 if nth_monday(3) => Some("Washington's Birthday"),
        3 | 4 if is_good_friday(day) => Some("Good Friday"),
        5 if monday && day.day() > 24 => Some("Memorial Day"),
        6 if day.year() >= 2022 && observed(day, 19) => Some("Juneteenth"),
        7 if observed(day, 4) => Some("Independence Day"),
        9 if nth_monday(1) => Some("Labor Day"),
        11 if is_thanksgiving(day) => Some("Thanksgiving Day"),
        12 if observed(day, 25) => Some("Christmas Day"),
        _ => None,
    }
}

/// Returns whether trading ends at 13:00 on this session.
pub(super) fn is_early_close(day: NaiveDate) -> bool {
    match day.month() {
        7 => day.day() == 3,
        11 => day.pred_opt().is_some_and(is_thanksgiving),
        12 => day.day() == 24,
        _ => false,
    }
}

/// Returns whether a holiday of this month's day `date` is kept on `day`: on itself, on the Friday before its
/// Saturday, or on the Monday after its Sunday.
fn observed(day: NaiveDate, date: u32) -> bool {
    match day.weekday() {
        Weekday::Fri => day.day() == date || day.day() + 1 == date,
        Weekday::Mon => day.day() == date || day.day() == date + 1,
        Weekday::Tue | Weekday::Wed | Weekday::Thu => day.day() == date,
        Weekday::Sat | Weekday::Sun => false,
    }
}

/// The fourth Thursday of November.
fn is_thanksgiving(day: NaiveDate) -> bool {
    day.month() == 11 && day.weekday() == Weekday::Thu && (22..=28).contains(&day.day())
}

fn is_good_friday(day: NaiveDate) -> bool {
    // In days after the last of February, so that Easter Sunday minus two needs no calendar.
    let after_february = if day.month() == 3 { day.day() } else { day.day() + 31 };
    i64::from(after_february) == i64::from(easter_in_march(day.year())) - 2
}

/// Easter Sunday by the Gregorian computus, as a day of March; the 1st of April is 32.
fn easter_in_march(year: i32) -> i32 {
    let golden = year % 19;
    let century = year / 100;
    let moon_shift = (8 * century + 13) / 25;
    let epact = (19 * golden + century - century / 4 - moon_shift + 15) % 30;
    let late = epact / 28;
    let full_moon = epact - late * (1 - late * (29 / (epact + 1)) * ((21 - golden) / 11));
    let weekday = (year + year / 4 + full_moon + 2 - century + century / 4) % 7;
    28 + full_moon - weekday
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_falls_where_it_is_known_to_fall() {
        let known =
            [(2014, 20 + 31), (2016, 27), (2018, 1 + 31), (2019, 21 + 31), (2024, 31), (2025, 20 + 31), (2027, 28)];
        for (year, expected) in known {
            assert_eq!(easter_in_march(year), expected, "{year}");
        }
    }
}
