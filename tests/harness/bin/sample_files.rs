//! Writes a folder of sample files in the publishers' formats, for `make demo` and for trying things out.
//!
//! `sample-files FOLDER` makes the folder if needed and prints the path of each file. The content is invented and
//! always the same.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::NaiveDate;
use tests::fixtures::otc::Tier;
use tests::fixtures::{Fixture, earnings, otc, regsho};

const SEED: u64 = 20_210_127;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        return fail("usage: sample-files FOLDER");
    };
    match write_all(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("could not write to `{}`: {error}", Path::new(&folder).display())),
    }
}

fn fail(message: &str) -> ExitCode {
    // Nothing is left to do if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(2)
}

fn write_all(folder: &Path) -> std::io::Result<()> {
    let corrected = folder.join("corrected");
    std::fs::create_dir_all(&corrected)?;
    let mut out = std::io::stdout().lock();
    for file in samples() {
        writeln!(out, "{}", file.write_to(folder)?.display())?;
    }
    for file in corrections() {
        let path: PathBuf = file.write_to(&corrected)?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

/// Two consolidated days, one facility, one exchange, two weekly files and two vendors' announcements.
fn samples() -> Vec<Fixture> {
    vec![
        regsho::consolidated(day(2021, 1, 27), 2_000, SEED),
        regsho::consolidated(day(2021, 1, 28), 2_000, SEED),
        regsho::facility("FNSQ", day(2021, 1, 28), 1_500, SEED),
        regsho::exchange("NQBX", day(2021, 1, 28), 1_200, SEED),
        otc::weekly(Tier::Otc, day(2025, 12, 15), 800, SEED),
        otc::weekly(Tier::One, day(2025, 12, 15), 400, SEED),
        earnings::russell3000(600, SEED),
        earnings::zacks(900, SEED),
    ]
}

/// The second day again, as a publisher corrects it: one security gone, one volume changed, the count right.
fn corrections() -> Vec<Fixture> {
    let file = regsho::consolidated(day(2021, 1, 28), 2_000, SEED);
    vec![file.without_line(10).with_field(5, 4, '|', "999999999").with_trailer(1_999)]
}
