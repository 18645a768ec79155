//! The plugin in a host of memory, on small files and on the real ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spine_sdk::prelude::*;
use spine_sdk::testing::MemoryHost;

use crate::{RowCountBand, Russell3000, Surprises, SurprisesPipeline, VendorSurprise, Zacks};

const RUSSELL: &str = "ticker,date,period_ending,estimate,reported,surprise,surprise%\n";
const ZACKS: &str = "\"Symbol\",\"Company\",\"Market Cap(M)\",\"Time\",\"Estimate\",\"Reported\",\"Surprise\",\"%Surp\",\
                     \"%Price Change**\",\"%Rev Surprise\",\"Date\"\n";

fn russell(rows: &str) -> MemoryHost {
    MemoryHost::new().file_text::<Russell3000>("file", "r.csv", &format!("{RUSSELL}{rows}"))
}

fn zacks(rows: &str) -> MemoryHost {
    MemoryHost::new().file_text::<Zacks>("file", "z.csv", &format!("{ZACKS}{rows}"))
}

/// A real file below `SPINE_REAL_DATA` (default: `../shared/data` beside the project), or none with a message that the
/// test is skipped.
#[expect(clippy::disallowed_methods, reason = "tests of real files are told where they are by the environment")]
fn real(path: &str) -> Option<String> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SPINE_REAL_DATA").map_or_else(beside, PathBuf::from);
    let text = std::fs::read_to_string(folder.join(path)).ok();
    if text.is_none() {
        println!("skipped: no real file `{path}`; set SPINE_REAL_DATA to the folder that has it");
    }
    text
}

fn rows_by_month(rows: &Surprises) -> Vec<(String, usize)> {
    let mut months = BTreeMap::new();
    rows.report_month.iter().for_each(|month| *months.entry(month.to_owned()).or_default() += 1);
    months.into_iter().collect()
}

fn months<const N: usize>(expected: [(&str, usize); N]) -> Vec<(String, usize)> {
    expected.map(|(month, rows)| (month.to_owned(), rows)).to_vec()
}

#[test]
fn russell_rows_are_judged_and_keep_their_fiscal_period() {
    let host = russell("ON,2024-10-01,2024-09-30,1.00,1.0101,0.0101,1.01\nTRUE,2024-11-25,2024-10-31,0.00,0.5,0.5,\n");
    host.run(&SurprisesPipeline).unwrap();
    let rows = host.written::<Surprises>();
    assert_eq!(rows.ticker.iter().collect::<Vec<_>>(), ["ON", "TRUE"]);
    assert_eq!(rows.direction.iter().collect::<Vec<_>>(), ["beat", "beat"]);
    assert_eq!(rows.magnitude.iter().collect::<Vec<_>>(), [Some("small"), None]);
    assert_eq!(rows.surprise_pct.iter().collect::<Vec<_>>(), [Some(1.01), None]);
    assert_eq!(rows.unstable_pct.iter().collect::<Vec<_>>(), [false, true]);
    assert_eq!(rows.surprise.get(0), Some(10_100));
    assert_eq!(rows.report_time.null_count(), 2);
    assert_eq!(rows.period_ending.dates().flatten().count(), 2);
    assert_eq!(rows_by_month(&rows), months([("2024-10", 1), ("2024-11", 1)]));
    assert!(rows.source_format.iter().all(|format| format == "russell3000"));
    assert_eq!(host.lines::<Surprises>(), [2, 3]);
}

#[test]
fn zacks_rows_have_nulls_where_the_vendor_has_none_and_tickers_stay_tickers() {
    let host = zacks(
        "\"NA\",\"N, A\",\"NA\",\"amc\",\"--\",\"0.58\",\"--\",\"--\",\"-7.02%\",\"\", 01/08/2023\n\
         \"E\",\"E\",\"1\",\"--\",\"-1,200.50\",\"--\",\"--\",\"--\",\"--\",\"\", 13/08/2023\n\
         \"ON\",\"ON\",\"1\",\"bmo\",\"--\",\"--\",\"--\",\"--\",\"--\",\"\", 31/07/2023\n",
    );
    host.run(&SurprisesPipeline).unwrap();
    let rows = host.written::<Surprises>();
    assert_eq!(host.rejects().len(), 0);
    assert_eq!(rows.ticker.iter().collect::<Vec<_>>(), ["NA", "E", "ON"]);
    assert_eq!(rows.estimate.iter().collect::<Vec<_>>(), [None, Some(-1_200_500_000), None]);
    assert_eq!(rows.reported.iter().collect::<Vec<_>>(), [Some(580_000), None, None]);
    assert_eq!(rows.direction.iter().collect::<Vec<_>>(), ["no_estimate", "not_reported", "no_estimate"]);
    assert_eq!(rows.report_time.iter().collect::<Vec<_>>(), [Some("amc"), None, Some("bmo")]);
    assert_eq!(rows.report_date.dates().next().unwrap().to_string(), "2023-08-01", "the day comes first");
    assert_eq!(rows_by_month(&rows), months([("2023-07", 1), ("2023-08", 2)]));
    assert_eq!(rows.period_ending.null_count(), 3);
}

#[test]
fn a_surprise_that_no_column_holds_is_a_reject() {
    let host = russell("A,2024-10-01,,-999999999999,999999999999,,\nB,2024-10-01,,1,1,,\n");
    host.run(&SurprisesPipeline).unwrap();
    assert_eq!(host.written::<Surprises>().ticker.iter().collect::<Vec<_>>(), ["B"]);
    assert_eq!((host.rejects()[0].line, host.rejects()[0].code.as_str()), (Some(2), "bad_field"));
}

#[test]
fn a_ticker_that_cannot_be_read_is_a_reject() {
    let host = russell("A\u{a0},2024-10-01,,1,1,,\nB,2024-10-01,,1,1,,\n\u{410}B,2024-10-01,,1,1,,\n");
    host.run(&SurprisesPipeline).unwrap();
    assert_eq!(host.written::<Surprises>().ticker.iter().collect::<Vec<_>>(), ["B"]);
    let rejects = host.rejects();
    let seen: Vec<_> = rejects.iter().map(|reject| (reject.line, reject.code.as_str())).collect();
    assert_eq!(seen, [(Some(2), "bad_key"), (Some(4), "bad_key")]);
}

#[test]
fn a_month_with_far_fewer_or_more_rows_than_the_capture_it_replaces_is_a_warning() {
    let rows =
        |month: &str, rows: usize| (0..rows).map(|row| format!("T{row},{month}-01,,1,1,,\n")).collect::<String>();
    let first = russell(&format!("{}{}", rows("2024-10", 200), rows("2025-02", 2)));
    first.run(&SurprisesPipeline).unwrap();
    assert_eq!(first.check(&RowCountBand, Surprises::NAME).unwrap(), [], "there was nothing before");
    let published = first.written::<Surprises>();
    let warns = |text: &str| {
        let host = russell(text).published(published.clone());
        host.run(&SurprisesPipeline).unwrap();
        let findings = host.check(&RowCountBand, Surprises::NAME).unwrap();
        findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>()
    };
    assert_eq!(
        warns(&rows("2024-10", 4)),
        ["the month 2024-10 of `r.csv` (russell3000) has 4 rows, but the capture before has 200"]
    );
    assert_eq!(warns(&rows("2024-10", 221)).len(), 1, "a month may grow too far as well");
    for fine in [rows("2024-10", 180), rows("2024-10", 220), rows("2025-02", 12), rows("2025-02", 1)] {
        assert_eq!(warns(&fine), [""; 0]);
    }
    assert_eq!(warns(&rows("2024-11", 4)), [""; 0], "a month of its own is not held against its neighbours");
    let other =
        zacks("\"A\",\"A\",\"1\",\"amc\",\"1\",\"1\",\"0\",\"0%\",\"\",\"\", 01/10/2024\n").published(published);
    other.run(&SurprisesPipeline).unwrap();
    assert_eq!(other.check(&RowCountBand, Surprises::NAME).unwrap(), [], "nor against another vendor");
}

#[test]
fn the_host_checks_header_keys_and_the_last_line() {
    let manifest: Json = crate::manifest().parse().unwrap();
    let checks = manifest["datasets"][0]["checks"].as_array().unwrap();
    let of_host: Vec<_> = checks.iter().filter(|check| check["by"] == "host").map(|check| &check["name"]).collect();
    assert_eq!(of_host, ["header", "unique_key", "last_line_complete"]);
    assert_eq!((&checks[0]["category"], &checks[0]["severity"]), (&json!("INTEGRITY"), &json!("block")));
}

#[test]
fn a_header_alone_is_blocked() {
    let error = zacks("").run(&SurprisesPipeline).unwrap_err();
    assert_eq!(error, Error::blocked("not_empty", "earnings.surprises", error.message.clone()));
    assert!(error.message.contains("a header and no rows"), "{}", error.message);
}

#[test]
fn a_vendor_percentage_that_does_not_follow_is_a_warning_with_its_line() {
    let host = russell("A,2024-10-01,,1.00,1.10,0.10,10\nB,2024-10-01,,1.00,1.10,0.10,-10\nC,2024-10-01,,--,1,,\n");
    host.run(&SurprisesPipeline).unwrap();
    let found = host.check(&VendorSurprise, Surprises::NAME).unwrap();
    assert_eq!((found[0].status, found[0].sample_rows.as_slice()), (Status::Warn, &[3][..]));
}

#[test]
fn the_real_russell_file_agrees_with_its_own_percentages() {
    let Some(text) = real("earnings/Russell3000EarningsAnnouncements.csv") else { return };
    let host = MemoryHost::new().file_text::<Russell3000>("file", "Russell3000EarningsAnnouncements.csv", &text);
    host.run(&SurprisesPipeline).unwrap();
    let rows = host.written::<Surprises>();
    assert_eq!((rows.ticker.len(), host.rejects().len()), (2_551, 0));
    let vendor: Vec<&str> = text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
    for (row, line) in host.lines::<Surprises>().iter().enumerate() {
        let theirs: f64 = vendor[usize::try_from(*line).unwrap() - 2].parse().unwrap();
        let ours = rows.surprise_pct.get(row).unwrap();
        assert!((ours - theirs).abs() <= 0.000_050_001, "{}: {ours} is not {theirs}", rows.ticker.get(row));
    }
    let expected =
        [("2024-09", 5), ("2024-10", 1_162), ("2024-11", 1_222), ("2024-12", 124), ("2025-01", 36), ("2025-02", 2)];
    assert_eq!(rows_by_month(&rows), months(expected));
    assert_eq!(host.check(&VendorSurprise, Surprises::NAME).unwrap(), []);
    assert_eq!(host.check(&RowCountBand, Surprises::NAME).unwrap(), []);
    let again = MemoryHost::new().file_text::<Russell3000>("file", "r.csv", &text).published(rows);
    again.run(&SurprisesPipeline).unwrap();
    assert_eq!(again.check(&RowCountBand, Surprises::NAME).unwrap(), [], "the same months again");
}

#[test]
fn the_real_zacks_quarter_is_all_there_and_its_missing_estimates_are_nulls() {
    let Some(text) = real("earnings/zacks_earnings_2023Q3.csv") else { return };
    let host = MemoryHost::new().file_text::<Zacks>("file", "zacks_earnings_2023Q3.csv", &text);
    host.run(&SurprisesPipeline).unwrap();
    let rows = host.written::<Surprises>();
    assert_eq!((rows.ticker.len(), host.rejects().len()), (6_313, 0));
    assert_eq!((rows.estimate.null_count(), rows.reported.null_count()), (2_268, 458));
    assert_eq!(rows_by_month(&rows), months([("2023-07", 1_475), ("2023-08", 4_145), ("2023-09", 693)]));
    let direction = |name| rows.direction.iter().filter(|direction| *direction == name).count();
    assert_eq!((direction("no_estimate"), direction("not_reported")), (2_268, 51));
    assert_eq!(host.check(&VendorSurprise, Surprises::NAME).unwrap(), []);
}
