//! Bad input gets a clear error, the right exit code and code word, and nothing is lost.

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::{THREE_ROWS, exchange, otc_weekly, regsho};

const PIPELINE: &str = "finra.regsho_daily";

/// Runs a consolidated file of 2021-01-28 with these bytes.
fn deliver(host: &TestHost, bytes: impl AsRef<[u8]>) -> tests::Answer {
    host.run(PIPELINE, &host.file("CNMSshvol20210128.txt", bytes), &[])
}

#[track_caller]
fn fails(answer: tests::Answer, exit: i32, kind: &str, code: &str) -> Value {
    let report = answer.exits(exit).json();
    assert_eq!(report["status"], "failed");
    assert_eq!((&report["error"]["kind"], &report["error"]["code"]), (&json!(kind), &json!(code)), "{report}");
    assert!(!report["error"]["message"].as_str().unwrap().is_empty());
    report
}

/// The checks that failed, by name.
fn failed_checks(report: &Value) -> Vec<&str> {
    let results = report["quality"].as_array().unwrap().iter();
    results.filter(|result| result["status"] == "FAIL").map(|result| result["check"].as_str().unwrap()).collect()
}

/// Blocked: quarantined whole, invisible to readers, releasable.
#[track_caller]
fn blocked(host: &TestHost, answer: tests::Answer, check: &str) -> Value {
    let report = fails(answer, 3, "validation", "quality_blocked");
    assert!(failed_checks(&report).contains(&check), "{report}");
    assert_eq!(report["captures"][0]["revision"], Value::Null);
    let quarantined = host.ask(&["quarantine", "list"]).exits(0).json();
    assert_eq!(quarantined[0]["state"], "quarantined");
    assert_eq!(host.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 0}]));
    report
}

fn no_capture(host: &TestHost) {
    assert_eq!(host.ask(&["captures", "finra.regsho_daily"]).exits(0).json(), json!([]));
}

#[test]
fn an_absent_file() {
    let host = TestHost::new();
    let report = fails(host.run(PIPELINE, &host.folder().join("CNMSshvol20210128.txt"), &[]), 1, "source", "not_found");
    let listed = host.ask(&["runs", "list", "--status", "failed"]).exits(0).json();
    assert_eq!(listed["runs"][0]["run_id"], report["run_id"], "the ledger remembers it");
}

#[test]
fn a_folder_in_place_of_a_file() {
    let host = TestHost::new();
    let folder = host.folder().join("CNMSshvol20210128.txt");
    std::fs::create_dir(&folder).unwrap();
    fails(host.run(PIPELINE, &folder, &[]), 1, "source", "not_a_file");
}

/// Takes all rights to a file or folder away, or gives those of its owner back.
fn set_readable(path: &std::path::Path, readable: bool) {
    use std::os::unix::fs::PermissionsExt;
    let mode = if readable { 0o700 } else { 0o000 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_this_user_may_not_read() {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    set_readable(&file, false);
    let param = format!("file={}", file.display());
    let Some(mut command) = host.unprivileged(&["run", PIPELINE, "-p", &param, "-o", "json"]) else { return };
    let report = fails(command.output().unwrap().into(), 1, "source", "permission_denied");
    let listed = host.ask(&["runs", "list", "--status", "failed"]).exits(0).json();
    assert_eq!(listed["runs"][0]["run_id"], report["run_id"], "the ledger remembers it");
    no_capture(&host);
}

#[test]
fn a_folder_that_this_user_may_not_read() {
    let host = TestHost::new();
    for folder in [host.plugins(), host.data()] {
        set_readable(&folder, false);
        let listed = host.unprivileged(&["plugins", "list", "-o", "json"]);
        let answer = listed.map(|mut command| tests::Answer::from(command.output().unwrap()));
        set_readable(&folder, true);
        let Some(answer) = answer else { return };
        assert_eq!(answer.exits(2).error_code(), "bad_folder", "{}", folder.display());
    }
}

#[test]
fn an_empty_file() {
    let host = TestHost::new();
    fails(deliver(&host, ""), 1, "parse", "empty_file");
    no_capture(&host);
}

#[test]
fn a_binary_file() {
    let host = TestHost::new();
    let bytes: Vec<u8> = (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fails(deliver(&host, bytes), 1, "parse", "not_text");
}

#[test]
fn a_wrong_header() {
    let host = TestHost::new();
    let text = regsho("20210128", &THREE_ROWS).replace("ShortVolume", "SoldVolume");
    let report = fails(deliver(&host, text), 1, "parse", "header_mismatch");
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("SoldVolume") && message.contains("ShortVolume"), "names both: {message}");
    no_capture(&host);
}

#[test]
fn five_columns_where_six_are_due() {
    let host = TestHost::new();
    fails(deliver(&host, exchange("20210128", &["AAA|1|2|B"])), 1, "parse", "header_mismatch");
    no_capture(&host);
}

#[test]
fn five_columns_of_an_unknown_facility_ask_for_the_parameter() {
    let host = TestHost::new();
    let file = host.file("shvol20210128.txt", exchange("20210128", &["AAA|1|2|B"]));
    let report = fails(host.run(PIPELINE, &file, &[]), 1, "parse", "header_mismatch");
    assert!(report["error"]["message"].as_str().unwrap().contains("facility"));
    host.run(PIPELINE, &file, &["-p", "facility=NQBX"]).exits(0);
}

#[test]
fn a_header_alone() {
    let host = TestHost::new();
    let report = deliver(&host, "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market\n");
    blocked(&host, report, "not_empty");
}

#[test]
fn a_header_alone_fails_its_check_even_where_no_partition_can_be_told() {
    let host = TestHost::new();
    let regsho = "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market\n";
    let zacks = "\"Symbol\",\"Company\",\"Market Cap(M)\",\"Time\",\"Estimate\",\"Reported\",\"Surprise\",\"%Surp\",\
                 \"%Price Change**\",\"%Rev Surprise\",\"Date\"\n";
    for (pipeline, name, text, dataset) in [
        (PIPELINE, "day.txt", regsho, "finra.regsho_daily"),
        ("finra.otc_weekly", "week_20251215.csv", &otc_weekly(&[]), "finra.otc_venue_volume"),
        ("earnings.surprises", "quarter.csv", zacks, "earnings.surprises"),
    ] {
        let report = fails(host.run(pipeline, &host.file(name, text), &[]), 3, "validation", "quality_blocked");
        assert_eq!(failed_checks(&report), ["not_empty"], "{name}");
        assert_eq!(report["captures"], json!([]));
        let found = host.ask(&["quality", "--run", report["run_id"].as_str().unwrap()]).exits(0).json();
        assert_eq!((&found[0]["dataset"], &found[0]["status"]), (&json!(dataset), &json!("FAIL")), "{found}");
    }
    // Where the week and the tier are known, the empty week waits in quarantine.
    let file = host.file("week.csv", otc_weekly(&[]));
    let known = host.run("finra.otc_weekly", &file, &["-p", "tier=OTC", "-p", "week_ending=2025-11-14"]);
    let report = fails(known, 3, "validation", "quality_blocked");
    assert_eq!(failed_checks(&report), ["not_empty"]);
    assert_eq!(report["captures"][0]["partition"], json!({"week_ending": "2025-11-14", "tier": "OTC"}));
}

#[test]
fn an_empty_consolidated_day() {
    let host = TestHost::new();
    let answer = deliver(&host, regsho("20210128", &[]));
    blocked(&host, answer, "not_empty");
}

#[test]
fn a_cut_last_line() {
    let host = TestHost::new();
    let text = regsho("20210128", &THREE_ROWS);
    let answer = deliver(&host, &text[..text.find("TPC").unwrap() + 5]);
    let report = blocked(&host, answer, "last_line_complete");
    assert!(failed_checks(&report).contains(&"trailer_count"), "the trailer is missing too");
    assert_eq!(report["rejected"], 1);
}

#[test]
fn a_last_line_cut_just_before_its_last_field() {
    let host = TestHost::new();
    let file = host.file("NQBXshvol20210128.txt", "DATE|SYMBOL|SHORT VOLUME|TOTAL VOLUME|MARKET\n20210128|AAA|1|25|");
    let report = fails(host.run(PIPELINE, &file, &[]), 3, "validation", "quality_blocked");
    assert_eq!(failed_checks(&report), ["last_line_complete"]);
    let text = otc_weekly(&["OTC|A|A Co|ALPHA CROSSING ATS|ALFA|5|12|2025-12-15"]);
    let cut = text.trim_end().trim_end_matches("2025-12-15");
    let file = host.file("finra_otc_weekly_otc_20251215.csv", cut);
    let report = fails(host.run("finra.otc_weekly", &file, &[]), 3, "validation", "quality_blocked");
    assert_eq!(failed_checks(&report), ["last_line_complete"]);
}

#[test]
fn a_missing_trailer_blocks_unless_the_operator_says_that_none_is_due() {
    let host = TestHost::new();
    let text = regsho("20210128", &THREE_ROWS).replace("\n3\n", "\n");
    let answer = deliver(&host, &text);
    blocked(&host, answer, "trailer_count");
    let file = host.file("CNMSshvol20210128.txt", &text);
    host.run(PIPELINE, &file, &["-p", "trailer=none"]).exits(0);
}

#[test]
fn a_trailer_that_differs_can_be_released_or_discarded_once() {
    let host = TestHost::new();
    let text = regsho("20210128", &THREE_ROWS).replace("\n3\n", "\n4\n");
    let answer = deliver(&host, &text);
    let report = blocked(&host, answer, "trailer_count");
    let found = |check: &str| report["quality"].as_array().unwrap().iter().find(|result| result["check"] == check);
    assert_eq!(found("header").unwrap()["status"], "PASS");
    let result = found("trailer_count").unwrap();
    assert_eq!((&result["actual"], &result["expected"]), (&json!("3"), &json!("4")));

    let capture = report["captures"][0]["capture_id"].as_str().unwrap();
    let released = host.ask(&["quarantine", "release", capture]).exits(0).json();
    assert_eq!((&released[0]["state"], &released[0]["revision"]), (&json!("published"), &json!(1)));
    assert_eq!(host.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 3}]));
    assert_eq!(host.ask(&["quarantine", "discard", capture]).exits(3).error_code(), "not_releasable");
}

#[test]
fn a_duplicate_key_makes_no_capture_and_each_line_a_reject() {
    let host = TestHost::new();
    let answer = deliver(&host, regsho("20210128", &["AAA|1|0|2|Q", "BBB|1|0|2|Q", "AAA|9|0|9|Q"]));
    let report = answer.exits(3).json();
    assert_eq!((&report["status"], &report["error"]["kind"]), (&json!("failed"), &json!("validation")));
    assert!(failed_checks(&report).contains(&"unique_key"), "{report}");
    assert_eq!(report["captures"], json!([]));
    no_capture(&host);
    assert_eq!(host.ask(&["quarantine", "list"]).exits(0).json(), json!([]));
    let rejects = host.ask(&["rejects", "--run", report["run_id"].as_str().unwrap()]).exits(0).json();
    let seen: Vec<(&Value, &Value)> =
        rejects.as_array().unwrap().iter().map(|reject| (&reject["line"], &reject["code"])).collect();
    let (shared, good) = (json!("duplicate_key"), json!("not_published"));
    assert_eq!(seen, [(&json!(2), &shared), (&json!(3), &good), (&json!(4), &shared)]);
    assert_eq!(rejects[2]["raw"], "20210128|AAA|9|0|9|Q");
}

#[test]
fn a_file_of_a_holiday_or_a_weekend() {
    for (day, name) in [("20210118", "a holiday"), ("20210130", "a Saturday")] {
        let host = TestHost::new();
        let file = host.file(&format!("CNMSshvol{day}.txt"), regsho(day, &THREE_ROWS));
        let answer = host.run(PIPELINE, &file, &[]);
        let report = blocked(&host, answer, "session_date");
        assert_eq!(report["rows_in"], 3, "{name}");
    }
}

#[test]
fn rows_of_another_day() {
    let host = TestHost::new();
    let answer = deliver(&host, regsho("20210127", &THREE_ROWS));
    blocked(&host, answer, "date_matches_file");
}

#[test]
fn rows_of_several_days_replace_no_day() {
    let host = TestHost::new();
    let whole = host.file("CNMSshvol20210127.txt", regsho("20210127", &THREE_ROWS));
    host.run(PIPELINE, &whole, &[]).exits(0);
    let text = regsho("20210128", &THREE_ROWS).replacen("20210128", "20210127", 1);
    let report = fails(host.run(PIPELINE, &host.file("day.txt", text), &[]), 3, "validation", "quality_blocked");
    assert_eq!(failed_checks(&report), ["date_matches_file"]);
    assert_eq!(host.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 3}]));
}

#[test]
fn volumes_that_cannot_be() {
    for (row, check) in [("AAA|3|0|2|Q", "short_le_total"), ("AAA|1|2|3|Q", "exempt_le_short")] {
        let host = TestHost::new();
        let answer = deliver(&host, regsho("20210128", &[row]));
        blocked(&host, answer, check);
    }
}

#[test]
fn bad_lines_are_rejects_and_the_rest_is_published() {
    let host = TestHost::new();
    let rows = ["AAA|1|0|2|Q", "|1|0|2|Q", "BBB|x|0|2|Q", "CCC|1|0|2", "DDD|1|0|0.0000001|Q"];
    let report = deliver(&host, regsho("20210128", &rows)).exits(0).json();
    assert_eq!((&report["rows_in"], &report["rows_out"], &report["rejected"]), (&json!(5), &json!(1), &json!(4)));
    let rejects = host.ask(&["rejects", "--run", report["run_id"].as_str().unwrap()]).exits(0).json();
    let seen: Vec<(u64, &str, &str)> = rejects
        .as_array()
        .unwrap()
        .iter()
        .map(|reject| {
            (reject["line"].as_u64().unwrap(), reject["code"].as_str().unwrap(), reject["raw"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            (3, "blank_key", "20210128||1|0|2|Q"),
            (4, "bad_field", "20210128|BBB|x|0|2|Q"),
            (5, "field_count", "20210128|CCC|1|0|2"),
            (6, "bad_field", "20210128|DDD|1|0|0.0000001|Q"),
        ]
    );
}

#[test]
fn a_symbol_of_megabytes_is_a_reject_that_names_the_limit() {
    let host = TestHost::new();
    let long = format!("{}|1|0|2|Q", "X".repeat(10 << 20));
    let report = deliver(&host, regsho("20210128", &["AAA|1|0|2|Q", &long])).exits(0).json();
    assert_eq!((&report["rows_out"], &report["rejected"]), (&json!(1), &json!(1)));
    let reject = host.ask(&["rejects"]).exits(0).json()[0].clone();
    assert_eq!((&reject["line"], &reject["code"]), (&json!(3), &json!("bad_field")));
    let message = reject["message"].as_str().unwrap();
    assert!(message.contains("`Symbol`") && message.contains("28 characters"), "{message}");
}

#[test]
fn a_file_whose_every_line_is_bad() {
    let host = TestHost::new();
    let report =
        fails(deliver(&host, regsho("20210128", &["|1|0|2|Q", "BBB|x|0|2|Q"])), 1, "validation", "all_rejected");
    assert_eq!(report["rejected"], 2);
    assert_eq!(host.ask(&["rejects"]).exits(0).json().as_array().unwrap().len(), 2);
    no_capture(&host);
}

#[test]
fn unknown_names_suggest_the_nearest_and_no_run_is_made() {
    let host = TestHost::new();
    let answer = host.ask(&["run", "finra.regsho_dayly"]).exits(2);
    assert_eq!(answer.error_code(), "unknown_name");
    assert!(answer.stderr.contains("finra.regsho_daily"), "{}", answer.stderr);
    let answer = host.ask(&["query", "SELECT * FROM finra.regsho_dayly"]).exits(2);
    assert!(answer.stderr.contains("regsho_daily"), "{}", answer.stderr);
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]));
}

#[test]
fn wrong_parameters_are_all_named_at_once() {
    let host = TestHost::new();
    let answer = host.ask(&["run", "finra.regsho_daily", "-p", "fiel=x", "-p", "trailer=perhaps"]).exits(2);
    assert_eq!(answer.error_code(), "bad_params");
    for word in ["`fiel`", "`file`", "`trailer`"] {
        assert!(answer.stderr.contains(word), "{word} is not in {}", answer.stderr);
    }
    let file = host
        .file("finra_otc_weekly_otc_20251215.csv", otc_weekly(&["OTC|A|A Co|ALPHA CROSSING ATS|ALFA|1|1|2025-12-15"]));
    let saturday = host.run("finra.otc_weekly", &file, &["-p", "week_ending=2025-11-15"]);
    assert_eq!(saturday.code, 2, "{}", saturday.stderr);
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]), "no run is made");
}

#[test]
fn slips_on_the_command_line_are_told() {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run(PIPELINE, &file, &[]).exits(0);
    let file_twice = format!("file={}", file.display());
    host.run(PIPELINE, &file, &["-p", &file_twice]).exits(2);
    host.run(PIPELINE, &file, &["--key", ""]).exits(2);
    let answer = host.run(PIPELINE, &file, &["--key", &"k".repeat(1_025)]).exits(2);
    assert!(answer.stderr.contains("has 1025 bytes, and 1024 at most"), "{}", answer.stderr);
    for (words, told) in [
        (["runs", "list", "--limit", "-1"], "`-1` is no whole number from 1 to 200"),
        (["run", PIPELINE, "--priority", "-5"], "unknown priority `-5`; there are `realtime`"),
        (["dlq", "list", "--limit", "-9223372036854775809"], "invalid value '-9223372036854775809'"),
        (["runs", "list", "--limit", "99999999999999999999"], "`99999999999999999999` is no whole number"),
    ] {
        let answer = host.ask(&words).exits(2);
        assert!(answer.stderr.contains(told), "{}", answer.stderr);
    }
    host.ask(&["captures", "finra.regsho_daily", "--partition", "trade_dat=2021-01-28"]).exits(2);
    let config = host.file("spine.toml", "[limits]\nmemory_byte = 1\n");
    let answer = host.ask(&["runs", "list", "--config", config.to_str().unwrap()]).exits(2);
    assert!(answer.stderr.contains("did you mean `memory_bytes`"), "{}", answer.stderr);
    let config = host.file("spine.toml", "[quality.\"finra.regsho_daily\".unique_key]\nseverity = \"warn\"\n");
    host.ask(&["runs", "list", "--config", config.to_str().unwrap()]).exits(2);
}

#[test]
fn an_unusable_folder() {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let plain_file = host.file("not-a-folder", "x");
    let answer =
        host.ask(&["run", PIPELINE, "-p", &format!("file={}", file.display()), "--data", plain_file.to_str().unwrap()]);
    assert_eq!(answer.code, 2, "{}", answer.stderr);
    let answer = host.ask(&["plugins", "list", "--plugins", host.folder().join("absent").to_str().unwrap()]);
    assert_eq!(answer.code, 2, "{}", answer.stderr);
}

#[test]
fn a_full_disk_fails_the_run_and_leaves_what_was_there() {
    let host = TestHost::new();
    let mount = host.folder().join("small");
    std::fs::create_dir(&mount).unwrap();
    let Some(_mounted) = Tmpfs::mount(&mount, "3m") else {
        eprintln!("skipped: this user may not mount a small file system");
        return;
    };
    let data = mount.to_str().unwrap();
    let small = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let run = |file: &std::path::Path| {
        let file = format!("file={}", file.display());
        let mut command = host.command(&["run", PIPELINE, "-p", &file, "-o", "json"]);
        command.args(["--data", data]);
        tests::Answer::from(command.output().unwrap())
    };
    std::os::unix::fs::symlink(tests::target_folder().join("test-cache"), mount.join("cache")).unwrap();
    run(&small).exits(0);
    // Symbols that do not compress, so that inputs and captures both need room.
    let rows: Vec<String> = (0..120_000_u64)
        .map(|at| {
            let noise = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!("S{noise:X}|{}|0|{}|Q", noise >> 44, noise >> 40)
        })
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let large = host.file("CNMSshvol20210129.txt", regsho("20210129", &rows));
    let report = fails(run(&large), 1, "storage", "no_space");
    assert_eq!(report["captures"], json!([]));
    let answer =
        host.command(&["query", "SELECT count(*) AS n FROM finra.regsho_daily", "-o", "json", "--data", data]).output();
    assert_eq!(tests::Answer::from(answer.unwrap()).exits(0).json(), json!([{"n": 3}]));
    let id = report["run_id"].as_str().unwrap();
    let shown = host.command(&["runs", "show", id, "-o", "json", "--data", data]).output();
    let shown = tests::Answer::from(shown.unwrap()).exits(0).json();
    assert_eq!((&shown["status"], &shown["error"]["code"]), (&json!("failed"), &json!("no_space")), "it is recorded");
}

#[test]
fn a_disk_that_is_full_at_the_very_first_start_leaves_no_half_a_ledger() {
    let host = TestHost::new();
    let mount = host.folder().join("small");
    std::fs::create_dir(&mount).unwrap();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let file = format!("file={}", file.display());
    // Full while its tables are made, while its log comes into the database, and after that.
    for size in ["300k", "1000k", "1100k", "1200k", "1300k", "1400k"] {
        let Some(mounted) = Tmpfs::mount(&mount, size) else {
            eprintln!("skipped: this user may not mount a small file system");
            return;
        };
        let run = || {
            let mut command = host.command(&["run", PIPELINE, "-p", &file, "-o", "json"]);
            command.args(["--data", mount.join("data").to_str().unwrap()]);
            tests::Answer::from(command.output().unwrap())
        };
        let answer = run();
        assert_eq!((answer.code, answer.error_code().as_str()), (1, "no_space"), "{size}: {}", answer.stderr);
        mounted.grow("64m");
        run().exits(0);
    }
}

/// A small file system of its own; unmounted when dropped.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(at: &std::path::Path, size: &str) -> Option<Self> {
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at);
        let mounted = command.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(at.to_owned()))
    }

    fn grow(&self, size: &str) {
        let mut command = std::process::Command::new("mount");
        command.args(["-o", &format!("remount,size={size}")]).arg(&self.0);
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg(&self.0).output());
    }
}
