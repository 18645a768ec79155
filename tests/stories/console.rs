//! What commands answer to people and to programs, and to names that nothing has.

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::{THREE_ROWS, regsho};

/// A host with a published day, an unchanged one, and one that a check blocked; and the id of the blocked run.
fn host() -> (TestHost, String) {
    let host = TestHost::new();
    let good = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run("finra.regsho_daily", &good, &[]).exits(0);
    host.run("finra.regsho_daily", &good, &[]).exits(0);
    let wrong = host.file("CNMSshvol20210129.txt", regsho("20210129", &THREE_ROWS).replace("\n3\n", "\n9\n"));
    let blocked = host.run("finra.regsho_daily", &wrong, &[]).exits(3).json();
    (host, blocked["run_id"].as_str().unwrap().to_owned())
}

/// CSV as a program reads it: a map for each row.
fn csv(text: &str) -> Vec<Value> {
    let record = |line: &str| -> Vec<String> {
        let (mut fields, mut quoted) = (vec![String::new()], false);
        for sign in line.chars() {
            match sign {
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                _ => fields.last_mut().unwrap().push(sign),
            }
        }
        fields
    };
    let mut lines = text.lines();
    let header = record(lines.next().unwrap());
    lines.map(|line| header.iter().cloned().zip(record(line).into_iter().map(Value::from)).collect()).collect()
}

#[test]
fn a_run_that_failed_is_explained_wherever_it_is_shown() {
    let (host, run) = host();
    let shown = host.show(&["runs", "show", &run]).exits(0).stdout;
    for part in [
        "failed  finra.regsho_daily",
        "quality_blocked",
        "FAIL      trailer_count",
        "PASS",
        "quarantined",
        "attempts  1",
        "created",
        "finished",
        "input     CNMSshvol20210129.txt  sha256:",
    ] {
        assert!(shown.contains(part), "`{part}` is not in\n{shown}");
    }
    let whole = host.ask(&["runs", "show", &run]).exits(0).json();
    assert_eq!(whole["inputs"][0]["file_name"], "CNMSshvol20210129.txt");
    assert_eq!(whole["inputs"][0]["digest"], whole["input_hash"]);
    assert_eq!(whole["error"]["code"], "quality_blocked");

    let absent = format!("file={}", host.folder().join("absent.txt").display());
    let failed = host.show(&["run", "finra.regsho_daily", "-p", &absent, "-o", "csv"]).exits(1);
    let rows = csv(&failed.stdout);
    assert_eq!((rows.len(), &rows[0]["error_code"], &rows[0]["dataset"]), (1, &json!("not_found"), &json!("")));
    assert!(failed.stderr.contains("error: "), "{}", failed.stderr);
}

#[test]
fn what_a_dry_run_would_do_is_told_apart_from_what_was_done() {
    let (host, _) = host();
    let dry = |date: &str, trailer: &str| {
        let text = regsho(date, &THREE_ROWS).replace("\n3\n", trailer);
        let file = host.file(&format!("dry/CNMSshvol{date}.txt"), text);
        let file = format!("file={}", file.display());
        let args = ["run", "finra.regsho_daily", "--dry-run", "-p", &file];
        (host.show(&args), host.ask(&args))
    };
    for (date, trailer, words, state, code) in [
        ("20210127", "\n3\n", "would be published", "would_publish", 0),
        ("20210127", "\n9\n", "would be quarantined", "would_quarantine", 3),
        ("20210128", "\n3\n", "revision 1, unchanged", "unchanged", 0),
    ] {
        let (people, program) = dry(date, trailer);
        assert!(people.stdout.contains(words), "{}", people.stdout);
        assert_eq!(program.exits(code).json()["captures"][0]["state"], state);
    }
    let real = host.ask(&["runs", "list", "--status", "completed"]).exits(0).json();
    let state = |at: usize| {
        let run = real["runs"][at]["run_id"].as_str().unwrap().to_owned();
        host.ask(&["runs", "show", &run]).exits(0).json()["captures"][0]["state"].clone()
    };
    assert_eq!((state(0), state(1)), (json!("unchanged"), json!("published")));
}

#[test]
fn csv_has_the_names_and_the_whole_values_of_json() {
    let (host, run) = host();
    for args in [
        vec!["runs", "list"],
        vec!["captures", "finra.regsho_daily"],
        vec!["quarantine", "list"],
        vec!["quality", "--run", &run],
        vec!["rejects"],
        vec!["plugins", "list"],
        vec!["plugins", "show", "finra"],
        vec!["runs", "events", &run],
        vec!["runs", "logs", &run],
        vec!["datasets", "list"],
    ] {
        let json = host.ask(&args).exits(0).json();
        let json = json.get("runs").unwrap_or(&json).as_array().unwrap().clone();
        let text = host.show(&[&args[..], &["-o", "csv"]].concat()).exits(0).stdout;
        let rows = csv(&text);
        assert_eq!(rows.len(), json.len(), "{args:?}: {text}");
        for (row, expected) in rows.iter().zip(&json) {
            for (name, field) in row.as_object().unwrap() {
                let nested = expected.get("error").and_then(|error| error.get(name.trim_start_matches("error_")));
                let Some(value) = expected.get(name).or(nested) else {
                    assert!(name.starts_with("error_"), "{args:?}: JSON has no `{name}`");
                    continue;
                };
                // Without a host that serves, each look loads the plugins anew.
                if name == "loaded_at" {
                    continue;
                }
                let text = field.as_str().unwrap();
                match value {
                    Value::Null => assert_eq!(text, "", "{args:?} {name}"),
                    Value::String(value) => assert_eq!(text, value, "{args:?} {name}"),
                    Value::Bool(_) | Value::Number(_) => assert_eq!(text, value.to_string(), "{args:?} {name}"),
                    // Quotes are not kept by the reader above.
                    Value::Array(_) if name == "columns" => {}
                    Value::Array(_) | Value::Object(_) => {
                        assert_eq!(text, value.to_string().replace('"', ""), "{args:?} {name}");
                    }
                }
            }
        }
    }
    let text = host.show(&["captures", "finra.regsho_daily", "-o", "csv"]).exits(0).stdout;
    assert!(text.contains(r#""{""trade_date"":""2021-01-28""}""#), "{text}");
}

#[test]
fn a_name_that_nothing_has_is_a_mistake_and_not_an_empty_list() {
    let (host, _) = host();
    let nobody = "run_00000000000070008000000000000000";
    let cases: [(&[&str], &str, &str); 9] = [
        (&["rejects", "--run", nobody], "bad_id", nobody),
        (&["quality", "--run", nobody], "bad_id", nobody),
        (&["quality", "--dataset", "nope"], "unknown_name", "`spine-host datasets list`"),
        (&["captures", "finra.regsho_dayly"], "unknown_name", "`finra.regsho_daily`"),
        (&["datasets", "show", "finra.regsho"], "unknown_name", "did you mean `finra.regsho_daily`"),
        (&["captures", "finra.regsho_daily", "--partition", "trade_day=x"], "unknown_name", "`trade_date`"),
        (&["captures", "finra.regsho_daily", "--partition", "trade_date=soon"], "bad_params", "trade_date=2026-01-31"),
        (&["runs", "list", "--name", "finra.regsho_dayly"], "unknown_name", "`finra.regsho_daily`"),
        (&["plugins", "show", "fimra"], "unknown_name", "`finra`"),
    ];
    for (args, code, hint) in cases {
        let answer = host.ask(args).exits(2);
        assert_eq!(answer.error_code(), code, "{args:?}");
        assert!(answer.stderr.contains(hint), "{args:?}: {}", answer.stderr);
    }
    // A name that a plugin offers but nothing ran under is no mistake.
    assert_eq!(host.ask(&["runs", "list", "--name", "finra.otc_weekly"]).exits(0).json()["runs"], json!([]));
    let one = host.ask(&["captures", "finra.regsho_daily", "--partition", "trade_date=2021-01-28"]).exits(0).json();
    assert_eq!(one.as_array().unwrap().len(), 1);
}

#[test]
fn limits_are_named_by_the_keys_that_set_them() {
    let (host, _) = host();
    let config = host.file("limits.toml", "[limits]\nquery_rows = 2\n");
    let with = |args: &[&str]| host.ask(&[args, &["--config", config.to_str().unwrap()]].concat());
    let answer = with(&["query", "SELECT symbol FROM finra.regsho_daily"]).exits(1);
    assert_eq!(answer.error_code(), "too_many_rows");
    assert!(answer.stderr.contains("limits.query_rows"), "{}", answer.stderr);
    with(&["query", "SELECT symbol FROM finra.regsho_daily LIMIT 2"]).exits(0);
    host.file("limits.toml", "[limits]\nhandles = 0\n");
    let answer = with(&["query", "SELECT 1"]).exits(2);
    assert!(answer.stderr.contains("limits.handles"), "{}", answer.stderr);
}
