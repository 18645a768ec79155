//! What `spine.toml` names must be there: a misspelt entry is told before anything runs.

use serde_json::json;
use tests::TestHost;
use tests::files::{THREE_ROWS, regsho};

const PIPELINE: &str = "finra.regsho_daily";

/// Runs a sound file under this configuration.
fn run_under(host: &TestHost, config: &str) -> tests::Answer {
    host.file("spine.toml", config);
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run(PIPELINE, &file, &[])
}

#[test]
fn a_misspelt_entry_is_an_error_with_the_nearest_name_and_no_run_is_made() {
    let host = TestHost::new();
    run_under(&host, "").exits(0);
    for (config, entry, nearest) in [
        (
            "[quality.\"finra.regsho_daily\".row_count_bnad]\nseverity = \"block\"",
            "`quality.\"finra.regsho_daily\".row_count_bnad`",
            "`row_count_band`",
        ),
        (
            "[quality.\"finra.regsho_dayly\".row_count_band]\nseverity = \"block\"",
            "`quality.\"finra.regsho_dayly\"`",
            "`finra.regsho_daily`",
        ),
        ("[plugins.finra.limits]\nwall_clok = \"1m\"", "`plugins.finra.limits.wall_clok`", "`wall_clock`"),
    ] {
        let answer = run_under(&host, config).exits(2);
        assert_eq!(answer.error_code(), "bad_config");
        let message = answer.json()["error"]["message"].to_string().replace("\\\"", "\"");
        for expected in ["spine.toml", entry, nearest] {
            assert!(message.contains(expected), "{expected} is not in {message}");
        }
        let mut serving = host.command(&["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(serving.output().unwrap().status.code(), Some(2), "a host does not start with it");
    }
    // A command that loads no plugins has nothing to compare the names with.
    host.file("spine.toml", "[quality.\"finra.regsho_daily\".row_count_bnad]\nseverity = \"block\"");
    let runs = host.ask(&["runs", "list"]).exits(0).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "only the first run was made");
}

#[test]
fn a_grant_that_nobody_asks_for_is_a_warning_with_the_nearest_and_the_host_goes_on() {
    let host = TestHost::new();
    let answer = run_under(&host, "[plugins.finra.grants]\nfolders = { dorp = \"inbox\" }").exits(0);
    for expected in ["`plugins.finra.grants.folders.dorp` has no effect", "did you mean `drop`?"] {
        assert!(answer.stderr.contains(expected), "{expected} is not in {}", answer.stderr);
    }
}

#[test]
fn a_plugin_that_is_not_there_is_a_warning_with_the_nearest_and_the_host_goes_on() {
    let host = TestHost::new();
    let config = "[plugins.fimra.grants]\nfolders = { drop = \"inbox\" }\n\
                  [quality.\"earnigns.surprises\".not_empty]\nseverity = \"warn\"";
    let answer = run_under(&host, config).exits(0);
    for expected in ["fimra", "did you mean `finra`?", "earnigns", "did you mean `earnings`?"] {
        assert!(answer.stderr.contains(expected), "{expected} is not in {}", answer.stderr);
    }
    assert_eq!(answer.json()["status"], json!("completed"));
}

#[test]
fn a_configuration_that_can_be_read_only_once_is_refused_and_so_is_a_filter_of_logs_that_is_none() {
    let host = TestHost::new();
    let folder = host.plugins().display().to_string();
    for (config, what) in [("/dev/null", "not a regular file"), (folder.as_str(), "a folder")] {
        let answer = host.ask(&["runs", "list", "--config", config]).exits(2);
        assert_eq!(answer.error_code(), "bad_config");
        assert!(answer.stderr.contains(what), "{}", answer.stderr);
    }
    let mut command = host.command(&["plugins", "list"]);
    let answer = tests::Answer::from(command.env("SPINE_LOG", "foo=bar=baz").output().unwrap()).exits(2);
    assert!(answer.stderr.contains("`SPINE_LOG` is not a filter"), "{}", answer.stderr);
}
