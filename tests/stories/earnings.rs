//! Earnings announcements of two vendors become surprises, by vendor and month.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::{TestHost, real_file};

const PIPELINE: &str = "earnings.surprises";
const RUSSELL: &str = "ticker,date,period_ending,estimate,reported,surprise,surprise%\n";
const ZACKS: &str = "\"Symbol\",\"Company\",\"Market Cap(M)\",\"Time\",\"Estimate\",\"Reported\",\"Surprise\",\"%Surp\",\
                     \"%Price Change**\",\"%Rev Surprise\",\"Date\"\n";

fn surprises(host: &TestHost) -> Value {
    host.query(
        "SELECT ticker, surprise, surprise_pct, direction, magnitude, unstable_pct FROM earnings.surprises
         ORDER BY ticker",
    )
}

/// Rows by partition `format/month`.
fn rows_by_partition(report: &Value) -> BTreeMap<String, u64> {
    let captures = report["captures"].as_array().unwrap().iter();
    captures
        .map(|capture| {
            let part = |name: &str| capture["partition"][name].as_str().unwrap().to_owned();
            (format!("{}/{}", part("source_format"), part("report_month")), capture["rows"].as_u64().unwrap())
        })
        .collect()
}

/// Cases 96 to 99, in percent: direction and magnitude of a surprise.
#[test]
fn cases_96_to_99_direction_and_magnitude() {
    let host = TestHost::new();
    let rows = [
        "C96,2024-11-25,2024-10-31,2.35,2.42,0.07,2.9787",
        "C97,2024-11-25,2024-10-31,2.80,2.50,-0.3,-10.7143",
        "C98A,2024-11-25,2024-10-31,1.00,1.01,0.01,1",
        "C98B,2024-11-25,2024-10-31,1.00,1.0101,0.0101,1.01",
        "C99A,2024-11-25,2024-10-31,0,0,0,",
        "C99B,2024-11-25,2024-10-31,,0.5,,",
        "NA,2024-11-25,2024-10-31,-0.04,-0.02,0.02,50",
        "NONE,2024-11-25,2024-10-31,0.5,,,",
    ];
    let text = format!("{RUSSELL}{}\n", rows.join("\n"));
    host.run(PIPELINE, &host.file("russell.csv", text), &[]).exits(0);
    let rows = surprises(&host);
    let row = |ticker: &str| rows.as_array().unwrap().iter().find(|row| row["ticker"] == ticker).unwrap().clone();
    let summary = |ticker: &str| {
        let row = row(ticker);
        let percent = row["surprise_pct"].as_f64().map(|percent| (percent * 1e4).round() / 1e4);
        json!([percent, row["direction"], row["magnitude"], row["unstable_pct"]])
    };
    assert_eq!(summary("C96"), json!([2.9787, "beat", "small", false]));
    assert_eq!(summary("C97"), json!([-10.7143, "miss", "large", false]));
    assert_eq!(summary("C98A")[1], "inline");
    assert_eq!(summary("C98B")[1], "beat");
    assert_eq!(summary("C99A"), json!([null, "inline", null, true]));
    assert_eq!(row("C99B")["direction"], "no_estimate");
    assert_eq!(row("C99B")["surprise"], Value::Null);
    assert_eq!(summary("NA"), json!([50.0, "beat", "large", true]), "NA is a ticker");
    assert_eq!(row("NONE")["direction"], "not_reported");
}

#[test]
fn day_first_dates_dashes_and_thousands_are_read_as_their_columns_say() {
    let host = TestHost::new();
    let text = format!(
        "{ZACKS}{}\n{}\n",
        "\"AMD\",\"Advanced Micro Devices\",\"168,143\",\"amc\",\"0.57\",\"0.58\",\"+0.01 \",\"+1.75% \",\"-7.02%\",\"\", 01/08/2023",
        "\"ON\",\"Comma, Inc\",\"71\",\"bmo\",\"--\",\"0.62\",\"--\",\"--\",\"-1.86%\",\"\", 08/09/2023",
    );
    let report = host.run(PIPELINE, &host.file("zacks.csv", text), &[]).exits(0).json();
    assert_eq!(
        rows_by_partition(&report),
        BTreeMap::from([("zacks/2023-08".to_owned(), 1), ("zacks/2023-09".to_owned(), 1)])
    );
    let rows =
        host.query("SELECT ticker, report_date, report_time, estimate, reported FROM earnings.surprises ORDER BY 1");
    assert_eq!(rows[0]["report_date"], "2023-08-01");
    assert_eq!((&rows[1]["ticker"], &rows[1]["estimate"]), (&json!("ON"), &Value::Null));
    assert_eq!(rows[1]["reported"].as_f64(), Some(0.62));
}

#[test]
fn a_file_replaces_the_months_it_has_and_no_others() {
    let host = TestHost::new();
    let text = |rows: &[&str]| format!("{RUSSELL}{}\n", rows.join("\n"));
    let first = text(&["A,2024-10-01,2024-09-30,1,2,1,100", "B,2024-11-01,2024-09-30,1,2,1,100"]);
    host.run(PIPELINE, &host.file("1.csv", first), &[]).exits(0);
    let second = text(&["C,2024-11-02,2024-09-30,1,2,1,100"]);
    let report = host.run(PIPELINE, &host.file("2.csv", second), &[]).exits(0).json();
    assert_eq!(report["captures"][0]["revision"], 2);
    let tickers = host.query("SELECT ticker FROM earnings.surprises ORDER BY 1");
    assert_eq!(tickers, json!([{"ticker": "A"}, {"ticker": "C"}]));
}

#[test]
fn a_cut_file_that_shrinks_a_published_month_is_a_warning_and_a_small_month_alone_is_none() {
    let host = TestHost::new();
    let deliver = |name: &str, rows: usize| {
        let rows: String = (0..rows).map(|row| format!("T{row},2024-10-01,2024-09-30,1,2,1,100\n")).collect();
        let file = host.file(name, format!("{RUSSELL}Z,2025-02-03,2024-12-31,1,2,1,100\n{rows}"));
        let report = host.run(PIPELINE, &file, &[]).exits(0).json();
        let results = report["quality"].as_array().unwrap().iter();
        let found: Vec<Value> = results.filter(|result| result["check"] == "row_count_band").cloned().collect();
        assert_eq!((found.len(), &found[0]["category"]), (1, &json!("COMPLETENESS")));
        found[0].clone()
    };
    assert_eq!(deliver("whole.csv", 120)["status"], "PASS");
    let cut = deliver("cut.csv", 4);
    let expected = "the month 2024-10 of `cut.csv` (russell3000) has 4 rows, but the capture before has 120";
    assert_eq!((&cut["status"], &cut["message"]), (&json!("WARN"), &json!(expected)));
}

#[test]
fn the_real_russell_file_agrees_with_its_own_percent() {
    let Some(file) = real_file("earnings/Russell3000EarningsAnnouncements.csv") else { return };
    let host = TestHost::new();
    let report = host.run(PIPELINE, &file, &[]).exits(0).json();
    assert_eq!(report["rows_out"], 2551);
    let months =
        [("2024-09", 5), ("2024-10", 1162), ("2024-11", 1222), ("2024-12", 124), ("2025-01", 36), ("2025-02", 2)];
    let expected = months.map(|(month, rows)| (format!("russell3000/{month}"), rows));
    assert_eq!(rows_by_partition(&report), BTreeMap::from(expected));

    let rows = host.query("SELECT ticker, report_date, surprise_pct FROM earnings.surprises");
    let ours: BTreeMap<(String, String), Option<f64>> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            ((text("ticker"), text("report_date")), row["surprise_pct"].as_f64())
        })
        .collect();
    let text = std::fs::read_to_string(file).unwrap();
    let mut compared = 0;
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let key = (fields[0].to_owned(), fields[1].to_owned());
        let ours = ours[&key];
        match fields[6].parse::<f64>() {
            Ok(theirs) => assert!((ours.unwrap() - theirs).abs() <= 0.000_051, "{line}: {ours:?}"),
            Err(_) => assert!(ours.is_none(), "{line}: {ours:?}"),
        }
        compared += 1;
    }
    assert_eq!(compared, 2551);
}

#[test]
fn the_real_zacks_quarter_is_all_there_and_missing_estimates_are_nulls() {
    let Some(file) = real_file("earnings/zacks_earnings_2023Q3.csv") else { return };
    let host = TestHost::new();
    let report = host.run(PIPELINE, &file, &[]).exits(0).json();
    let (rows_in, rows_out) = (report["rows_in"].as_u64().unwrap(), report["rows_out"].as_u64().unwrap());
    assert_eq!(rows_in, rows_out + report["rejected"].as_u64().unwrap());
    assert_eq!((rows_out, &report["rejected"]), (6313, &json!(0)));
    let expected = [("zacks/2023-07", 1475), ("zacks/2023-08", 4145), ("zacks/2023-09", 693)];
    assert_eq!(rows_by_partition(&report), expected.map(|(name, rows)| (name.to_owned(), rows)).into());
    let nulls = host.query("SELECT count(*) AS n FROM earnings.surprises WHERE estimate IS NULL");
    assert_eq!(nulls, json!([{"n": 2268}]));
}
