//! What is delivered while kills come: files whose every row carries the number of its delivery, so that a mixture or
//! a part would show.

use std::path::PathBuf;
use std::process::Command;

use tests::TestHost;
use tests::files::{otc_weekly, regsho};

/// A dataset and the column that is one and the same in all rows of one delivery.
pub(super) const DATASETS: [(&str, &str); 5] = [
    ("finra.regsho_daily", "short_volume"),
    ("earnings.surprises", "reported"),
    ("finra.otc_venue_volume", "total_shares"),
    ("finra.otc_symbol_summary", "total_shares"),
    ("finra.otc_venue_share", "symbol_count"),
];

/// Datasets that one run replaces as a whole, so that the latest rows of all of them are of one run.
pub(super) const TOGETHER: [&[&str]; 2] =
    [&["earnings.surprises"], &["finra.otc_venue_volume", "finra.otc_symbol_summary", "finra.otc_venue_share"]];

const MONTHS: [&str; 4] = ["2024-09", "2024-10", "2024-11", "2024-12"];

/// One file for one pipeline.
pub(super) struct Delivery {
    pipeline: &'static str,
    file: PathBuf,
}

impl Delivery {
    /// One partition of one dataset.
    pub(super) fn day(host: &TestHost, day: &str, number: u64) -> Self {
        let row = |at| format!("S{at:05}|{number}|0|{}|Q", number + at);
        let mut rows: Vec<String> = (0..2_000 + number).map(row).collect();
        // One line that is rejected.
        rows.push("|0|0|0|Q".to_owned());
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let file = host.file(&format!("{number}/CNMSshvol{day}.txt"), regsho(day, &rows));
        Self { pipeline: "finra.regsho_daily", file }
    }

    /// Several partitions of one dataset.
    pub(super) fn months(host: &TestHost, number: u64) -> Self {
        let mut text = "ticker,date,period_ending,estimate,reported,surprise,surprise%\n".to_owned();
        for month in MONTHS {
            for at in 0..500 + number {
                let (surprise, percent) = (number - 1, 100 * (number - 1));
                text.push_str(&format!("S{at:05},{month}-02,2024-08-31,1,{number},{surprise},{percent}\n"));
            }
        }
        Self { pipeline: "earnings.surprises", file: host.file(&format!("{number}/russell.csv"), text) }
    }

    /// One partition of each of three datasets.
    pub(super) fn week(host: &TestHost, number: u64) -> Self {
        let row = |at| format!("OTC|S{at:05}|S Co|ALFA ATS|ALFA|{number}|1|2025-12-15");
        let rows: Vec<String> = (0..1_000 + number).map(row).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let file = host.file(&format!("{number}/finra_otc_weekly_otc_20251215.csv"), otc_weekly(&rows));
        Self { pipeline: "finra.otc_weekly", file }
    }

    pub(super) fn command(&self, host: &TestHost) -> Command {
        let file = format!("file={}", self.file.display());
        host.command(&["run", self.pipeline, "-p", &file, "-o", "json"])
    }
}

/// How many captures a run of this pipeline publishes: all of them, or none.
pub(super) fn captures_due(pipeline: &str) -> usize {
    match pipeline {
        "finra.regsho_daily" => 1,
        "earnings.surprises" => MONTHS.len(),
        "finra.otc_weekly" => 3,
        other => panic!("no delivery is for `{other}`"),
    }
}
