//! Reg SHO daily files become published captures.

use serde_json::json;
use tests::files::{THREE_ROWS, exchange, regsho};
use tests::{TestHost, real_file};

const PIPELINE: &str = "finra.regsho_daily";

#[test]
fn a_daily_file_becomes_a_published_capture() {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));

    let report = host.run(PIPELINE, &file, &[]).exits(0).json();

    assert_eq!(report["status"], "completed");
    assert_eq!(report["kind"], "pipeline");
    assert_eq!(report["unchanged"], false);
    assert_eq!((&report["rows_in"], &report["rows_out"], &report["rejected"]), (&json!(3), &json!(3), &json!(0)));
    let capture = &report["captures"][0];
    assert_eq!(capture["dataset"], "finra.regsho_daily");
    assert_eq!(capture["partition"], json!({"trade_date": "2021-01-28"}));
    assert_eq!((&capture["revision"], &capture["rows"]), (&json!(1), &json!(3)));
    assert!(capture["content_hash"].as_str().unwrap().starts_with("sha256:"));
    assert!(report["input_hash"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(report["plugin"]["name"], "finra");

    let rows = host.query("SELECT symbol, short_volume, short_ratio, market FROM finra.regsho_daily ORDER BY symbol");
    assert_eq!(
        rows,
        json!([
            {"symbol": "AAA", "short_volume": 100.0, "short_ratio": 0.25, "market": "B,Q,N"},
            {"symbol": "BBB", "short_volume": 50.5, "short_ratio": 0.5, "market": "Q"},
            {"symbol": "TPC", "short_volume": 7.0, "short_ratio": 1.0, "market": "N"},
        ])
    );
    let listed = host.ask(&["captures", "finra.regsho_daily"]).exits(0).json();
    assert_eq!(listed[0]["state"], "published");
    assert_eq!(listed[0]["run_id"], report["run_id"]);
}

#[test]
fn symbols_that_look_like_other_values_stay_symbols_and_case_matters() {
    let host = TestHost::new();
    let rows = ["E|1|0|2|Q", "NAN|1|0|2|Q", "ON|1|0|2|Q", "TPC|1|0|2|Q", "TRUE|1|0|2|Q", "TpC|2|0|2|Q"];
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &rows));
    host.run(PIPELINE, &file, &[]).exits(0);
    let symbols = host.query("SELECT symbol FROM finra.regsho_daily");
    let symbols: Vec<&str> = symbols.as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["E", "NAN", "ON", "TPC", "TRUE", "TpC"]);
}

#[test]
fn fractional_volumes_come_back_digit_for_digit() {
    let host = TestHost::new();
    let rows = ["AAAC|1|0|1.029900|Q", "BIG|999999999999.999999|0|999999999999.999999|Q"];
    let file = host.file("CNMSshvol20260504.txt", regsho("20260504", &rows));
    host.run(PIPELINE, &file, &[]).exits(0);
    let answer = host.ask(&["query", "SELECT total_volume FROM finra.regsho_daily ORDER BY symbol"]).exits(0);
    assert!(answer.stdout.contains("1.029900"), "{}", answer.stdout);
    assert!(answer.stdout.contains("999999999999.999999"), "{}", answer.stdout);
}

#[test]
fn line_ends_marks_and_compression_do_not_change_the_content() {
    let host = TestHost::new();
    let text = regsho("20210128", &THREE_ROWS);
    let first = host.run(PIPELINE, &host.file("CNMSshvol20210128.txt", &text), &[]).exits(0).json();
    let variants = [text.replace('\n', "\r\n"), text.trim_end().to_owned(), format!("\u{feff}{text}")];
    for (at, variant) in variants.iter().enumerate() {
        let file = host.file(&format!("{at}/CNMSshvol20210128.txt"), variant);
        let again = host.run(PIPELINE, &file, &[]).exits(0).json();
        assert_eq!(again["unchanged"], true, "variant {at}: {again}");
        assert_eq!(again["captures"][0]["content_hash"], first["captures"][0]["content_hash"]);
        assert_ne!(again["input_hash"], first["input_hash"]);
    }
}

#[test]
fn each_facility_has_a_partition_of_its_own_and_never_touches_the_consolidated_one() {
    let host = TestHost::new();
    host.run(PIPELINE, &host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS)), &[]).exits(0);
    let before = host.query("SELECT * FROM finra.regsho_daily");

    let carteret = host.file("FNSQshvol20210128.txt", regsho("20210128", &["AAA|1|0|2|Q"]));
    let exchange = host.file("NQBXshvol20210128.txt", exchange("20210128", &["AAA|3|4|B", "ACIC+|0|9|B"]));
    for file in [&carteret, &exchange] {
        let report = host.run(PIPELINE, file, &[]).exits(0).json();
        assert_eq!(report["captures"][0]["dataset"], "finra.regsho_facility_daily");
    }

    assert_eq!(host.query("SELECT * FROM finra.regsho_daily"), before);
    assert_eq!(
        host.query(
            "SELECT facility, symbol, short_volume, short_exempt_volume FROM finra.regsho_facility_daily ORDER BY 1, 2"
        ),
        json!([
            {"facility": "FNSQ", "symbol": "AAA", "short_volume": 1.0, "short_exempt_volume": 0.0},
            {"facility": "NQBX", "symbol": "AAA", "short_volume": 3.0, "short_exempt_volume": null},
            {"facility": "NQBX", "symbol": "ACIC+", "short_volume": 0.0, "short_exempt_volume": null},
        ])
    );
}

#[test]
fn a_facility_that_disagrees_with_the_name_of_the_file_is_a_recorded_warning() {
    let host = TestHost::new();
    let file = host.file("FNSQshvol20210128.txt", regsho("20210128", &["AAA|1|0|2|Q"]));
    let status = |args: &[&str]| {
        let report = host.run(PIPELINE, &file, args).exits(0).json();
        let results = report["quality"].as_array().unwrap();
        let found = results.iter().find(|result| result["check"] == "facility_matches").unwrap();
        assert_eq!((&found["category"], &found["severity"]), (&json!("INTEGRITY"), &json!("warn")));
        json!([report["captures"][0]["dataset"], found["status"]])
    };
    assert_eq!(status(&["-p", "facility=CNMS"]), json!(["finra.regsho_daily", "WARN"]));
    assert_eq!(status(&["-p", "facility=FNSQ"]), json!(["finra.regsho_facility_daily", "PASS"]));
    assert_eq!(status(&[]), json!(["finra.regsho_facility_daily", "PASS"]));
}

#[test]
fn an_empty_day_of_one_facility_is_a_capture_of_zero_rows() {
    let host = TestHost::new();
    let file = host.file("FNRAshvol20210128.txt", regsho("20210128", &[]));
    let report = host.run(PIPELINE, &file, &[]).exits(0).json();
    assert_eq!(report["captures"][0]["rows"], 0);
    assert_eq!(report["captures"][0]["partition"], json!({"facility": "FNRA", "trade_date": "2021-01-28"}));
    let captures = host.ask(&["captures", "finra.regsho_facility_daily"]).exits(0).json();
    assert_eq!((&captures[0]["rows"], &captures[0]["state"]), (&json!(0), &json!("published")));
}

#[test]
fn a_row_without_shares_has_no_ratio() {
    let host = TestHost::new();
    let file = host.file("NPSXshvol20210128.txt", exchange("20210128", &["ZZZ|0|0|X"]));
    host.run(PIPELINE, &file, &[]).exits(0);
    assert_eq!(host.query("SELECT short_ratio FROM finra.regsho_facility_daily"), json!([{"short_ratio": null}]));
}

/// Runs the source on the granted folder `drop`.
fn pick_up(host: &TestHost) -> tests::Answer {
    let config = host.file("spine.toml", "[plugins.finra.grants]\nfolders = { drop = \"drop\" }\n");
    host.ask(&["run", "finra.regsho_drop", "--config", config.to_str().unwrap()])
}

#[test]
fn a_file_and_its_correction_in_one_folder_become_two_revisions() {
    let host = TestHost::new();
    host.file("drop/CNMSshvol20210201.txt", regsho("20210201", &["AAA|1|0|2|Q", "BBB|1|0|2|Q"]));
    host.file("drop/CNMSshvol20210201_Updated.txt", regsho("20210201", &["CCC|1|0|2|Q"]));
    host.file("drop/FNSQshvol20210201.txt", regsho("20210201", &["AAA|1|0|2|Q"]));
    let first = pick_up(&host).exits(0).json();
    assert_eq!(first["captures"].as_array().unwrap().len(), 2, "a consolidated file and a facility's: {first}");
    let second = pick_up(&host).exits(0).json();
    assert_eq!((&second["captures"][0]["revision"], &second["rows_in"]), (&json!(2), &json!(1)), "{second}");
    assert_eq!(host.query("SELECT symbol FROM finra.regsho_daily"), json!([{"symbol": "CCC"}]));
    let history = host.query("SELECT count(*) AS n FROM finra.regsho_daily_history WHERE _revision = 1");
    assert_eq!(history, json!([{"n": 2}]));
    assert_eq!(pick_up(&host).exits(0).json()["captures"], json!([]));
}

#[test]
fn a_bad_file_that_stays_in_the_folder_is_in_quarantine_once() {
    let host = TestHost::new();
    host.file("drop/CNMSshvol20210201.txt", regsho("20210201", &THREE_ROWS).replace("\n3\n", "\n4\n"));
    let first = pick_up(&host).exits(3).json();
    let second = pick_up(&host).exits(3).json();
    assert_eq!(first["captures"], second["captures"]);
    assert_eq!(host.ask(&["quarantine", "list"]).exits(0).json().as_array().unwrap().len(), 1);
    let shown = host.ask(&["runs", "show", second["run_id"].as_str().unwrap()]).exits(0).json();
    assert_eq!(shown["captures"], second["captures"]);
    let capture = first["captures"][0]["capture_id"].as_str().unwrap();
    host.ask(&["quarantine", "release", capture]).exits(0);
    assert_eq!(host.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 3}]));
}

#[test]
fn the_five_real_days_have_the_known_totals() {
    let host = TestHost::new();
    for day in 25..=29 {
        let Some(file) = real_file(&format!("regsho/CNMSshvol202101{day}.txt")) else { return };
        let report = host.run(PIPELINE, &file, &[]).exits(0).json();
        assert_eq!(report["rows_in"], report["rows_out"], "{report}");
    }
    let totals = host.query(
        "SELECT trade_date, count(*) AS n, sum(short_volume) AS short, sum(total_volume) AS total
         FROM finra.regsho_daily WHERE trade_date IN ('2021-01-27', '2021-01-28') GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(
        totals,
        json!([
            {"trade_date": "2021-01-27", "n": 9311, "short": 3_965_051_656.0, "total": 10_032_670_190.0},
            {"trade_date": "2021-01-28", "n": 9260, "short": 3_526_835_165.0, "total": 7_824_337_557.0},
        ])
    );
    let gme = host.query(
        "SELECT round(short_ratio, 6) AS r FROM finra.regsho_daily WHERE symbol = 'GME' AND trade_date = '2021-01-28'",
    );
    assert_eq!(gme, json!([{"r": 0.508264}]));
}

#[test]
fn the_real_exchange_files_go_to_their_facility() {
    let host = TestHost::new();
    for (feed, day) in [("NQBX", 27), ("NQBX", 28), ("NPSX", 27), ("NPSX", 28)] {
        let Some(file) = real_file(&format!("regsho/{feed}shvol202101{day}.txt")) else { return };
        host.run(PIPELINE, &file, &[]).exits(0);
    }
    let gme = host.query(
        "SELECT facility, short_volume, total_volume FROM finra.regsho_facility_daily
         WHERE symbol = 'GME' AND trade_date = '2021-01-28' ORDER BY 1",
    );
    assert_eq!(
        gme,
        json!([
            {"facility": "NPSX", "short_volume": 17_320.0, "total_volume": 55_294.0},
            {"facility": "NQBX", "short_volume": 142_435.0, "total_volume": 183_256.0},
        ])
    );
}

#[test]
fn a_correction_that_lost_most_of_its_rows_is_published_with_a_warning() {
    let host = TestHost::new();
    let whole: Vec<String> = (0..40).map(|at| format!("S{at:02}|1|0|2|B,Q,N")).collect();
    let cut: Vec<&str> = whole.iter().take(12).map(String::as_str).collect();
    let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
    for (rows, status) in [(&whole, "PASS"), (&cut, "WARN"), (&cut, "PASS")] {
        let file = host.file("CNMSshvol20210128.txt", regsho("20210128", rows));
        let report = host.run("finra.regsho_daily", &file, &[]).exits(0).json();
        let band = report["quality"].as_array().unwrap().iter().find(|it| it["check"] == "row_count_band").unwrap();
        assert_eq!(band["status"], status, "{band}");
    }
}
