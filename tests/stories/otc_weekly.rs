//! OTC weekly files become three datasets of one week and tier, together.

use serde_json::{Value, json};
use tests::files::otc_weekly;
use tests::{TestHost, real_file};

const PIPELINE: &str = "finra.otc_weekly";

const ROWS: [&str; 4] = [
    "OTC|AAAA|Alpha, Inc.|OTCN OTC LINK NQB IDQS|OTCN|300|3|2025-12-15",
    "OTC|AAAA|Alpha, Inc.|OTCX OTC LINK ECN ATS|OTCX|100|1|2025-12-15",
    "OTC|BBBB|Beta Corp|ARCA GLOBAL OTC|ARCA|300|2|2025-12-22",
    "OTC|BBBB|Beta Corp|OTCN OTC LINK NQB IDQS|OTCN|300|2|2025-12-15",
];

fn partition_of(report: &Value) -> Value {
    let captures = report["captures"].as_array().unwrap();
    let first = captures[0]["partition"].clone();
    assert!(captures.iter().all(|capture| capture["partition"] == first));
    first
}

#[test]
fn one_file_publishes_three_datasets_at_once() {
    let host = TestHost::new();
    let file = host.file("finra_otc_weekly_otc_20251215.csv", otc_weekly(&ROWS));
    let report = host.run(PIPELINE, &file, &[]).exits(0).json();
    let datasets: Vec<&str> =
        report["captures"].as_array().unwrap().iter().map(|capture| capture["dataset"].as_str().unwrap()).collect();
    assert_eq!(datasets, ["finra.otc_venue_volume", "finra.otc_symbol_summary", "finra.otc_venue_share"]);
    assert_eq!(partition_of(&report), json!({"tier": "OTC", "week_ending": "2025-11-14"}));

    let summary = "SELECT symbol, total_shares, total_trades, venue_count, avg_trade_size, hhi
                   FROM finra.otc_symbol_summary ORDER BY symbol";
    assert_eq!(
        host.query(summary),
        json!([
            {"symbol": "AAAA", "total_shares": 400.0, "total_trades": 4, "venue_count": 2, "avg_trade_size": 100.0, "hhi": 0.625},
            {"symbol": "BBBB", "total_shares": 600.0, "total_trades": 4, "venue_count": 2, "avg_trade_size": 150.0, "hhi": 0.5},
        ])
    );
    let share = "SELECT rank, mpid, total_shares, symbol_count, share FROM finra.otc_venue_share ORDER BY rank";
    assert_eq!(
        host.query(share),
        json!([
            {"rank": 1, "mpid": "OTCN", "total_shares": 600.0, "symbol_count": 2, "share": 0.6},
            {"rank": 2, "mpid": "ARCA", "total_shares": 300.0, "symbol_count": 1, "share": 0.3},
            {"rank": 3, "mpid": "OTCX", "total_shares": 100.0, "symbol_count": 1, "share": 0.1},
        ])
    );
    let snapshots = host.query(
        "SELECT count(DISTINCT _captured_at) AS n FROM (SELECT _captured_at FROM finra.otc_venue_volume
         UNION ALL SELECT _captured_at FROM finra.otc_symbol_summary)",
    );
    assert_eq!(snapshots, json!([{"n": 1}]), "published in one snapshot");
}

#[test]
fn equal_venues_rank_by_their_identifier() {
    let host = TestHost::new();
    let rows = ["OTC|A|A Co|Z ATS|ZZZZ|5|1|2025-12-15", "OTC|A|A Co|B ATS|BBBB|5|1|2025-12-15"];
    let file = host.file("finra_otc_weekly_otc_20251215.csv", otc_weekly(&rows));
    host.run(PIPELINE, &file, &[]).exits(0);
    let ranks = host.query("SELECT mpid, rank FROM finra.otc_venue_share ORDER BY rank");
    assert_eq!(ranks, json!([{"mpid": "BBBB", "rank": 1}, {"mpid": "ZZZZ", "rank": 2}]));
}

/// The files are published 17 days (Tier 1) or 31 days after the Friday they are about.
#[test]
fn case_55_the_week_follows_from_the_tier_and_the_publication_date() {
    for (name, tier, week) in [
        ("finra_otc_weekly_otc_20251215.csv", "OTC", "2025-11-14"),
        ("finra_otc_weekly_otc_20251222.csv", "OTC", "2025-11-21"),
        ("finra_otc_weekly_tier1_20251215.csv", "NMS Tier 1", "2025-11-28"),
        ("finra_otc_weekly_tier2_20251215.csv", "NMS Tier 2", "2025-11-14"),
    ] {
        let host = TestHost::new();
        let row = format!("{tier}|A|A Co|B ATS|BBBB|5|1|2024-01-02");
        let report = host.run(PIPELINE, &host.file(name, otc_weekly(&[&row])), &[]).exits(0).json();
        assert_eq!(partition_of(&report)["week_ending"], week, "{name}");
    }
}

#[test]
fn a_publication_day_that_is_no_monday_is_a_warning() {
    let host = TestHost::new();
    let row = "OTC|A|A Co|B ATS|BBBB|5|1|2025-12-16";
    let file = host.file("finra_otc_weekly_otc_20251216.csv", otc_weekly(&[row]));
    let report = host.run(PIPELINE, &file, &[]).exits(0).json();
    assert_eq!(partition_of(&report)["week_ending"], "2025-11-14");
    let results = report["quality"].as_array().unwrap();
    let found = results.iter().find(|result| result["check"] == "publication_day").unwrap();
    assert_eq!(found["status"], "WARN");
}

#[test]
fn without_a_date_the_week_must_be_given_and_until_then_no_run_is_made() {
    let host = TestHost::new();
    let file = host.file("weekly_otc.csv", otc_weekly(&ROWS));
    let answer = host.run(PIPELINE, &file, &["-p", "tier=NMS Tier 3"]).exits(2);
    assert_eq!(answer.error_code(), "bad_params");
    for expected in ["`week_ending` is missing", "`weekly_otc.csv` holds no date", "`tier` is \"NMS Tier 3\""] {
        assert!(answer.stderr.contains(expected), "{expected} is not in {}", answer.stderr);
    }
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]));
    let report = host.run(PIPELINE, &file, &["-p", "week_ending=2025-11-14"]).exits(0).json();
    assert_eq!(partition_of(&report)["week_ending"], "2025-11-14");
}

#[test]
fn a_name_that_does_not_tell_one_possible_publication_ends_as_a_mistake_of_usage() {
    let host = TestHost::new();
    let file = host.file("otc_20251215_20251222.csv", otc_weekly(&ROWS));
    let answer = host.run(PIPELINE, &file, &[]).exits(2);
    assert_eq!(answer.error_code(), "bad_params");
    assert!(answer.stderr.contains("holds several dates (2025-12-15, 2025-12-22)"), "{}", answer.stderr);
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]), "no run is made");
    let report = host.run(PIPELINE, &file, &["-p", "week_ending=2025-11-14"]).exits(0).json();
    assert_eq!(partition_of(&report)["week_ending"], "2025-11-14");
    // Only the plugin knows since when there are such files, and what day it is.
    for (name, why) in [("otc_19000101.csv", "since 2014"), ("otc_99991231.csv", "today is 20")] {
        let report = host.run(PIPELINE, &host.file(name, otc_weekly(&ROWS)), &[]).exits(2).json();
        assert_eq!((&report["status"], &report["error"]["code"]), (&json!("failed"), &json!("bad_params")));
        let message = report["error"]["message"].as_str().unwrap();
        assert!(message.contains(why) && message.contains("-p week_ending="), "{message}");
    }
}

#[test]
fn a_tier_may_be_given_in_any_spelling() {
    let row = "NMS Tier 1|A|A Co|B ATS|BBBB|5|1|2024-01-02";
    for tier in ["NMS_TIER_1", "NMS Tier 1", "t1", "tier-1"] {
        let host = TestHost::new();
        let file = host.file("finra_otc_weekly_20251215.csv", otc_weekly(&[row]));
        let report = host.run(PIPELINE, &file, &["-p", &format!("tier={tier}")]).exits(0).json();
        assert_eq!(partition_of(&report), json!({"tier": "NMS_TIER_1", "week_ending": "2025-11-28"}), "{tier}");
    }
}

#[test]
fn a_tier_that_disagrees_with_the_content_blocks() {
    let host = TestHost::new();
    let file = host.file("finra_otc_weekly_otc_20251215.csv", otc_weekly(&ROWS));
    let report = host.run(PIPELINE, &file, &["-p", "tier=T1"]).exits(3).json();
    let results = report["quality"].as_array().unwrap();
    assert!(results.iter().any(|result| result["check"] == "tier_matches" && result["status"] == "FAIL"), "{report}");
}

#[test]
fn unknown_tiers_and_blank_symbols_are_rejects() {
    let host = TestHost::new();
    let rows = [ROWS[0], "OTC||No Name|OTCX ATS|OTCX|1|1|2025-12-15", "Moon|M|M Co|OTCX ATS|OTCX|1|1|2025-12-15"];
    let file = host.file("finra_otc_weekly_otc_20251215.csv", otc_weekly(&rows));
    let report = host.run(PIPELINE, &file, &[]).exits(0).json();
    assert_eq!(
        (&report["rows_in"], &report["rejected"], &report["captures"][0]["rows"]),
        (&json!(3), &json!(2), &json!(1))
    );
    let rejects = host.ask(&["rejects"]).exits(0).json();
    assert_eq!((&rejects[0]["line"], &rejects[0]["code"]), (&json!(3), &json!("blank_key")));
    assert_eq!((&rejects[1]["line"], &rejects[1]["raw"]), (&json!(4), &json!(rows[2])));
}

#[test]
fn keys_with_characters_that_nobody_sees_are_rejects_and_names_are_not() {
    let host = TestHost::new();
    let rows = [
        "OTC|AAAA|Alpha\u{a0}Compañía|OTCN OTC LINK NQB IDQS|OTCN|300|3|2025-12-15",
        "OTC|AA\u{a0}AA|Alpha, Inc.|OTCX OTC LINK ECN ATS|OTCX|100|1|2025-12-15",
        "OTC|BBBB|Beta Corp|ARCA GLOBAL OTC|AR\u{200b}CA|300|2|2025-12-22",
    ];
    let file = host.file("finra_otc_weekly_otc_20251215.csv", otc_weekly(&rows));
    let report = host.run(PIPELINE, &file, &[]).exits(0).json();
    assert_eq!((&report["rows_in"], &report["rejected"]), (&json!(3), &json!(2)));
    let names = host.query("SELECT symbol, issue_name FROM finra.otc_venue_volume");
    assert_eq!(names, json!([{"symbol": "AAAA", "issue_name": "Alpha\u{a0}Compañía"}]));
    let rejects = host.ask(&["rejects"]).exits(0).json();
    for (reject, (line, shown)) in rejects.as_array().unwrap().iter().zip([(3, r"AA\u{a0}AA"), (4, r"AR\u{200b}CA")]) {
        assert_eq!((&reject["line"], &reject["code"]), (&json!(line), &json!("bad_key")));
        assert!(reject["message"].as_str().unwrap().contains(shown), "{reject}");
    }
}

#[test]
fn duplicates_block_unless_the_greater_is_wanted() {
    let host = TestHost::new();
    let rows = [ROWS[0], "OTC|AAAA|Alpha, Inc.|OTCN OTC LINK NQB IDQS|OTCN|900|9|2025-12-15"];
    let file = host.file("finra_otc_weekly_otc_20251215.csv", otc_weekly(&rows));
    host.run(PIPELINE, &file, &[]).exits(3);
    let report = host.run(PIPELINE, &file, &["-p", "duplicates=greatest"]).exits(0).json();
    assert_eq!((&report["captures"][0]["rows"], &report["rejected"]), (&json!(1), &json!(1)));
    let kept = host.query("SELECT total_shares FROM finra.otc_venue_volume");
    assert_eq!(kept, json!([{"total_shares": 900.0}]));
}

/// Cases 35 to 44: the totals of the real file of 2025-12-15.
#[test]
fn cases_35_to_44_the_real_file_has_the_known_totals() {
    let Some(file) = real_file("otc-weekly/finra_otc_weekly_otc_20251215.csv") else { return };
    let host = TestHost::new();
    let report = host.run(PIPELINE, &file, &[]).exits(0).json();
    // 35
    assert_eq!((&report["rows_in"], &report["rejected"]), (&json!(5328), &json!(0)));
    assert_eq!(report["captures"][0]["rows"], 5328);
    // 36, 37
    let totals = "SELECT sum(total_shares) AS shares, sum(total_trades) AS trades, count(DISTINCT symbol) AS symbols,
                  count(DISTINCT mpid) AS mpids FROM finra.otc_venue_volume";
    assert_eq!(
        host.query(totals),
        json!([{"shares": 1_335_995_901.0, "trades": 472_776, "symbols": 3111, "mpids": 9}])
    );
    // 38, 39, 40
    let venues = host.query("SELECT * FROM finra.otc_venue_share ORDER BY rank");
    assert_eq!((&venues[0]["mpid"], &venues[0]["total_shares"]), (&json!("OTCN"), &json!(1_098_033_568.0)));
    assert_eq!((&venues[0]["total_trades"], &venues[0]["symbol_count"]), (&json!(132_031), &json!(2300)));
    close(&venues[0]["share"], 0.821_883_934_807_072_4);
    assert_eq!((&venues[1]["mpid"], &venues[1]["total_shares"]), (&json!("OTCX"), &json!(192_693_090.0)));
    close(&venues[1]["share"], 0.144_231_797_309_982_92);
    assert_eq!((&venues[2]["mpid"], &venues[2]["total_shares"]), (&json!("ARCA"), &json!(41_003_592.0)));
    close(&venues[2]["share"], 0.030_691_405_541_969_547);
    assert_eq!((&venues[3]["mpid"], &venues[3]["total_shares"]), (&json!("SWCL"), &json!(4_124_679.0)));
    assert_eq!(
        (&venues[8]["mpid"], &venues[8]["rank"], &venues[8]["total_shares"]),
        (&json!("STEN"), &json!(9), &json!(10.0))
    );
    close(&venues[8]["share"], 7.485_052_905_113_666e-9);
    // 41, 42, 43
    for (symbol, shares, trades, venues, hhi) in [
        ("AABB", 6_794_184.0, 174, 2, 0.988_203_497_420_812_9),
        ("AACAY", 25_955.0, 138, 3, 0.417_180_708_679_548_93),
        ("ECOX", 259_127_041.0, 218, 3, 0.929_914_746_621_962_6),
    ] {
        let row = &host.query(&format!("SELECT * FROM finra.otc_symbol_summary WHERE symbol = '{symbol}'"))[0];
        assert_eq!((&row["total_shares"], &row["total_trades"]), (&json!(shares), &json!(trades)), "{symbol}");
        if symbol != "ECOX" {
            assert_eq!(row["venue_count"], venues, "{symbol}");
        }
        close(&row["hhi"], hhi);
    }
    // 44
    let shape = host.query(
        "SELECT count(*) FILTER (WHERE venue_count = 1) AS single, min(hhi) AS least, avg(hhi) AS mean
         FROM finra.otc_symbol_summary",
    );
    assert_eq!(shape[0]["single"], 1625);
    close(&shape[0]["least"], 0.333_592_798_081_386_5);
    close(&shape[0]["mean"], 0.810_250_074_541_985_4);
}

/// Case 48: the next week's file.
#[test]
fn case_48_the_real_file_of_the_next_week() {
    let Some(file) = real_file("otc-weekly/finra_otc_weekly_otc_20251222.csv") else { return };
    let host = TestHost::new();
    let report = host.run(PIPELINE, &file, &[]).exits(0).json();
    assert_eq!((&report["rows_in"], &partition_of(&report)["week_ending"]), (&json!(5192), &json!("2025-11-21")));
    let totals = "SELECT sum(total_shares) AS shares, sum(total_trades) AS trades, count(DISTINCT symbol) AS symbols
                  FROM finra.otc_venue_volume";
    assert_eq!(host.query(totals), json!([{"shares": 943_802_893.0, "trades": 497_191, "symbols": 2985}]));
    let first = &host.query("SELECT * FROM finra.otc_venue_share WHERE rank = 1")[0];
    close(&first["share"], 0.809_064_625_318_964_7);
}

#[track_caller]
fn close(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - expected).abs() <= 1e-9, "{value} is not {expected}");
}
