//! Files that a source picks up from a granted folder.

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::{THREE_ROWS, regsho};

const SOURCE: &str = "finra.regsho_drop";

/// Runs the source on a folder with these files.
fn pick_up(host: &TestHost, files: &[(&str, String)]) -> tests::Answer {
    for (name, text) in files {
        host.file(&format!("incoming/{name}"), text);
    }
    let config = host.file("spine.toml", "[plugins.finra.grants]\nfolders = { drop = \"incoming\" }\n");
    host.ask(&["run", SOURCE, "--config", config.to_str().unwrap()])
}

/// Status and message of a check of a dataset.
fn result<'a>(report: &'a Value, dataset: &str, check: &str) -> (&'a str, &'a str) {
    let mut quality = report["quality"].as_array().unwrap().iter();
    let found = quality.find(|result| result["dataset"] == dataset && result["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no {check} of {dataset} in {report}"));
    (found["status"].as_str().unwrap(), found["message"].as_str().unwrap())
}

#[test]
fn a_bad_trailer_is_told_of_the_dataset_that_its_file_fed_and_of_no_other() {
    let wrong = regsho("20210128", &["AAA|1|0|2|Q"]).replace("\n1\n", "\n7\n");
    let good = regsho("20210128", &THREE_ROWS);
    let cases = [
        ("CNMSshvol20210128.txt", "FNSQshvol20210128.txt", "finra.regsho_daily", "finra.regsho_facility_daily"),
        ("FNSQshvol20210128.txt", "CNMSshvol20210128.txt", "finra.regsho_facility_daily", "finra.regsho_daily"),
    ];
    for (good_file, wrong_file, good_dataset, wrong_dataset) in cases {
        let host = TestHost::new();
        let answer = pick_up(&host, &[(good_file, good.clone()), (wrong_file, wrong.clone())]);
        let report = answer.exits(3).json();
        let (status, message) = result(&report, good_dataset, "trailer_count");
        assert_eq!(status, "PASS", "{message}");
        assert!(message.contains(good_file), "{message}");
        let (status, message) = result(&report, wrong_dataset, "trailer_count");
        assert_eq!(status, "FAIL", "{message}");
        assert!(message.contains(wrong_file), "{message}");
        // A source run is judged whole all the same.
        assert_eq!(report["error"]["code"], "quality_blocked");
        assert_eq!(host.ask(&["quarantine", "list"]).exits(0).json().as_array().unwrap().len(), 2);
    }
}

#[test]
fn good_files_of_both_kinds_are_published_together() {
    let host = TestHost::new();
    let files = ["CNMSshvol20210128.txt", "FNSQshvol20210128.txt"].map(|name| (name, regsho("20210128", &THREE_ROWS)));
    let report = pick_up(&host, &files).exits(0).json();
    assert_eq!((&report["rows_in"], &report["rows_out"], &report["rejected"]), (&json!(6), &json!(6), &json!(0)));
}

#[test]
fn grants_that_are_bound_to_a_component_are_for_no_other() {
    let host = TestHost::new();
    host.file("incoming/CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let listed = host.ask(&["plugins", "list"]).exits(0).json();
    let finra = listed.as_array().unwrap().iter().find(|plugin| plugin["name"] == "finra").unwrap();
    let own = finra["digest"].as_str().unwrap();
    let other = format!("sha256:{}", "ab".repeat(32));
    for (digest, exit_code, granted) in [(other.as_str(), 3, false), (own, 0, true)] {
        let text = format!("[plugins.finra.grants]\ndigest = \"{digest}\"\nfolders = {{ drop = \"incoming\" }}\n");
        let config = host.file("spine.toml", text);
        let config = ["--config", config.to_str().unwrap()];
        let answer = host.ask(&[&["run", SOURCE][..], &config].concat()).exits(exit_code);
        if !granted {
            assert_eq!(answer.error_code(), "not_granted");
        }
        let grants = host.ask(&[&["plugins", "grants", "finra"][..], &config].concat()).exits(0).json();
        assert_eq!((&grants["digest"], &grants["asked"][0]["in_force"]), (&json!(digest), &json!(granted)), "{grants}");
    }
}

/// A host whose configuration grants a folder that is not there.
fn without_its_folder() -> (TestHost, String) {
    let host = TestHost::new();
    let config = host.file("spine.toml", "[plugins.finra.grants]\nfolders = { drop = \"incoming\" }\n");
    let config = config.to_str().unwrap().to_owned();
    (host, config)
}

#[test]
fn a_granted_folder_that_is_not_there_is_a_mistake_of_configuration_and_no_run() {
    let (host, config) = without_its_folder();
    for more in [&[][..], &["--dry-run"]] {
        let answer = host.ask(&[&["run", SOURCE, "--config", &config], more].concat()).exits(2);
        assert_eq!(answer.error_code(), "bad_folder");
        for expected in ["`drop`", "incoming", "[plugins.finra.grants]"] {
            assert!(answer.stderr.contains(expected), "{}", answer.stderr);
        }
    }
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]));
    // A file is no folder either.
    host.file("incoming", "x");
    assert_eq!(host.ask(&["run", SOURCE, "--config", &config]).exits(2).error_code(), "bad_folder");
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run("finra.regsho_daily", &file, &["--config", &config]).exits(0);

    let shown = host.ask(&["plugins", "show", "finra", "--config", &config]).exits(0).json();
    assert_eq!((&shown[0]["state"], &shown[0]["reasons"]), (&json!("active"), &json!([])));
    assert!(shown[0]["warnings"][0].as_str().unwrap().starts_with("bad_folder: the folder `drop`"), "{shown}");
}

#[test]
fn a_serving_host_tells_of_it_at_its_start_and_takes_the_run_once_the_folder_is_there() {
    let (host, config) = without_its_folder();
    let serving = host.serve_with(&["--config", &config]);
    assert!(serving.before.contains("the folder `drop`"), "{}", serving.before);
    let bearer = format!("Bearer {}", serving.token);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let (status, body) = serving.http("POST", "/api/v1/runs", &headers, &json!({ "name": SOURCE }).to_string());
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &problem["failure"]["code"]), (409, &json!("bad_folder")), "{body}");
    assert_eq!(host.ask(&["run", SOURCE]).exits(2).error_code(), "bad_folder");
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]));
    let shown = host.ask(&["plugins", "show", "finra"]).exits(0).json();
    assert!(shown[0]["warnings"][0].as_str().unwrap().contains("`drop`"), "{shown}");

    host.file("incoming/CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    assert_eq!(host.ask(&["run", SOURCE]).exits(0).json()["rows_out"], 3);
    assert_eq!(serving.stop().0, 0);
}
