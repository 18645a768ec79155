//! The lines that the bench is read by: `KIND WHAT: MEDIAN (best BEST, bar BAR: met)`.

use std::io::Write;

/// What is asked of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    None,
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn told(self, value: f64) -> String {
        let met = |met: bool| if met { "met" } else { "missed" };
        match self {
            Self::None => "no bar".to_owned(),
            Self::AtLeast(bar) => format!("bar >= {bar}: {}", met(value >= bar)),
            Self::AtMost(bar) => format!("bar <= {bar}: {}", met(value <= bar)),
        }
    }
}

/// Prints how many a second; the most are the best.
pub(crate) fn rate(what: &str, values: &[f64], bar: Bar) {
    let (median, best) = (median(values), values.iter().copied().fold(0.0, f64::max));
    say(&format!("rate {what}: {median:.0}/s (best {best:.0}, {})", bar.told(median)));
}

/// Prints a quotient of two times; the least is the best.
pub(crate) fn ratio(what: &str, values: &[f64], bar: Bar) {
    let (median, best) = (median(values), least(values));
    say(&format!("ratio {what}: {median:.2} (best {best:.2}, {})", bar.told(median)));
}

/// Prints a time in microseconds.
pub(crate) fn micros(what: &str, values: &[f64]) {
    say(&format!("time {what}: {:.0} us (best {:.0})", median(values), least(values)));
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    // Nobody is left to be told that nobody reads.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
