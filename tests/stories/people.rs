//! What people see: each command with its exit code and both of its outputs, word for word.
//!
//! The texts lie in `tests/snapshots`. Whoever changes one on purpose runs the stories with `INSTA_UPDATE=always` and
//! reads the difference as a user would.

mod redact;

use tests::files::{THREE_ROWS, otc_weekly, regsho};
use tests::{Answer, TestHost};

/// What a command of this host shows, without what differs from one time to the next.
fn seen(host: &TestHost, args: &[&str]) -> String {
    let mut command = host.command(args);
    // As somebody has it who works in the folder that holds both.
    command.env("SPINE_PLUGINS", "plugins").env("SPINE_DATA", "data");
    if args == ["--help"] {
        command.env_remove("SPINE_PLUGINS").env_remove("SPINE_DATA");
    }
    let Answer { code, stdout, stderr } = command.output().unwrap().into();
    let quoted = |arg: &&str| if arg.contains(' ') { format!("\"{arg}\"") } else { (*arg).to_owned() };
    let mut text = format!("$ spine-host {}\n", args.iter().map(quoted).collect::<Vec<_>>().join(" "));
    text.push_str(&stdout);
    if !stderr.is_empty() {
        text.push_str("--- standard error\n");
        text.push_str(&stderr);
    }
    text.push_str(&format!("--- exit {code}\n"));
    redact::text(&text.replace(&*host.folder().to_string_lossy(), "/here"))
}

/// Holds what a command shows against the snapshot of that name.
#[track_caller]
fn shows(name: &str, host: &TestHost, args: &[&str]) {
    let text = seen(host, args);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

const RUN: [&str; 4] = ["run", "finra.regsho_daily", "-p", "file=CNMSshvol20210128.txt"];

/// A host that has read a day of three good rows and two bad lines.
fn delivered() -> TestHost {
    let host = TestHost::new();
    let rows = [&THREE_ROWS[..], &["|1|0|2|Q", "XYZ|many|0|2|Q"]].concat();
    host.file("CNMSshvol20210128.txt", regsho("20210128", &rows));
    assert_eq!(host.show(&RUN).exits(0).code, 0);
    host
}

/// A host that has also been given a day whose count is wrong.
fn blocked() -> TestHost {
    let host = delivered();
    host.file("CNMSshvol20210129.txt", regsho("20210129", &THREE_ROWS).replace("\n3\n", "\n4\n"));
    host.show(&["run", "finra.regsho_daily", "-p", "file=CNMSshvol20210129.txt"]).exits(3);
    host
}

#[test]
fn help() {
    shows("help", &TestHost::without_plugins(), &["--help"]);
}

#[test]
fn runs_that_go_well() {
    let host = TestHost::new();
    host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    shows("run", &host, &RUN);
    shows("run_unchanged", &host, &RUN);
    let rows = [&THREE_ROWS[..], &["|1|0|2|Q", "XYZ|many|0|2|Q"]].concat();
    host.file("CNMSshvol20210129.txt", regsho("20210129", &rows));
    shows("run_dry", &host, &["run", "finra.regsho_daily", "-p", "file=CNMSshvol20210129.txt", "--dry-run"]);
    let rows =
        ["OTC||No Name|X ATS|X|1|1|2025-12-15", "OTC|AAAA|Alpha, Inc.|OTCX OTC LINK ECN ATS|OTCX|100|1|2025-12-15"];
    host.file("finra_otc_weekly_otc_20251215.csv", otc_weekly(&rows));
    let file = "file=finra_otc_weekly_otc_20251215.csv";
    shows("run_with_rejects", &host, &["run", "finra.otc_weekly", "-p", file]);
}

#[test]
fn runs_that_do_not() {
    let host = TestHost::new();
    host.file("CNMSshvol20210129.txt", regsho("20210129", &THREE_ROWS).replace("\n3\n", "\n4\n"));
    shows("run_blocked", &host, &["run", "finra.regsho_daily", "-p", "file=CNMSshvol20210129.txt"]);
    host.file("CNMSshvol20210128.txt", "Date|Symbol|Sold\n");
    shows("run_wrong_header", &host, &RUN);
    shows("run_absent_file", &host, &["run", "finra.regsho_daily", "-p", "file=absent.txt"]);
    let wrong = ["run", "finra.regsho_daily", "-p", "fiel=x.txt", "-p", "trailer=perhaps"];
    shows("run_wrong_parameters", &host, &wrong);
    shows("run_unknown_name", &host, &["run", "finra.regsho_dayly", "-p", "file=CNMSshvol20210128.txt"]);
}

#[test]
fn what_was_captured() {
    let host = delivered();
    shows("captures", &host, &["captures", "finra.regsho_daily"]);
    let sql = "SELECT symbol, short_volume, short_ratio, market FROM finra.regsho_daily ORDER BY symbol";
    shows("query", &host, &["query", sql]);
    shows("query_csv", &host, &["query", sql, "-o", "csv"]);
    shows("query_without_rows", &host, &["query", "SELECT symbol FROM finra.regsho_daily WHERE symbol = 'ZZZ'"]);
    shows("query_wrong", &host, &["query", "SELECT simbol FROM finra.regsho_daily"]);
    shows("datasets_show", &host, &["datasets", "show", "finra.regsho_daily"]);
}

#[test]
fn what_was_found() {
    let host = blocked();
    shows("rejects", &host, &["rejects"]);
    shows("quality", &host, &["quality"]);
    shows("quarantine_list", &host, &["quarantine", "list"]);
}

#[test]
fn what_ran() {
    let host = blocked();
    shows("runs_list", &host, &["runs", "list"]);
    let runs = host.ask(&["runs", "list"]).json();
    let id = runs["runs"][0]["run_id"].as_str().unwrap();
    shows("runs_show", &host, &["runs", "show", id]);
    shows("runs_events", &host, &["runs", "events", id]);
}

#[test]
fn plugins() {
    let host = TestHost::new();
    let future = wat::parse_str(
        r#"(component
            (import "spine:plugin/host@0.9.0" (instance (export "run-id" (func (result string))))))"#,
    );
    std::fs::write(host.plugins().join("future.wasm"), future.unwrap()).unwrap();
    shows("plugins_list", &host, &["plugins", "list"]);
    shows("plugin_check", &host, &["plugin", "check", "plugins/future.wasm"]);
}

#[test]
fn what_operators_look_at() {
    let host = delivered();
    shows("health", &host, &["health"]);
    shows("runs_stats", &host, &["runs", "stats"]);
    shows("locks_list", &host, &["locks", "list"]);
    shows("retention_run", &host, &["retention", "run", "--dry-run"]);
    let bare = TestHost::without_plugins();
    shows("locks_release_help", &bare, &["locks", "release", "--help"]);
    shows("retention_run_help", &bare, &["retention", "run", "--help"]);
    shows("doctor_help", &bare, &["doctor", "--help"]);
}
