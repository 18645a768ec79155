//! Plugins that misbehave harm nobody but themselves: each ends with an error that says what it did and which limit
//! ended it, the work of others goes on, and nothing of it is left.

use std::time::Duration;

use serde_json::{Value, json};
use tests::hostile::{HostileHost, describes};
use tests::{component, foreign};

/// What a host may keep of its work with guests, in KiB: places for instances stay in RAM once they were used.
const GROWTH_KIB: u64 = 150 << 10;

/// Name, parameters; kind and code of the error; words of its message.
type Deed = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

/// Every way to misbehave that has a name of its own.
const DEEDS: [Deed; 19] = [
    ("misbehave.do", "loop", "pipeline", "cpu_limit", &["`misbehave`", "2 s", "`limits.cpu_time`"]),
    ("sleepless.do", "loop", "pipeline", "wall_clock_limit", &["`sleepless`", "0.3 s", "`limits.wall_clock`"]),
    ("misbehave.do", "recursion", "pipeline", "stack_limit", &["`misbehave`", "`limits.stack_bytes`"]),
    ("misbehave.do", "memory", "pipeline", "memory_limit", &["`misbehave`", "67108864", "`limits.memory_bytes`"]),
    ("misbehave.do", "trap", "pipeline", "trapped", &["`misbehave`", "`unreachable`"]),
    ("misbehave.do", "panic", "pipeline", "trapped", &["`misbehave`", "there is always a first row"]),
    ("misbehave.do", "exit", "pipeline", "trapped", &["`misbehave`", "exit status"]),
    ("misbehave.do", "calls", "pipeline", "host_calls_limit", &["`misbehave`", "100000", "`limits.host_calls`"]),
    ("misbehave.do", "log", "pipeline", "host_calls_limit", &["`misbehave`", "`limits.host_calls`"]),
    ("misbehave.do", "output", "pipeline", "host_calls_limit", &["`misbehave`", "`limits.host_calls`"]),
    ("misbehave.do", "metrics", "pipeline", "trapped", &["`misbehave`", "that was enough"]),
    ("misbehave.do", "stages", "pipeline", "stage_limit", &["`misbehave`", "stages"]),
    ("misbehave.do", "handles", "pipeline", "handle_limit", &["`misbehave`", "64", "`limits.handles`"]),
    ("misbehave.do", "paths", "auth", "nothing_reached", &["no path leads out"]),
    ("misbehave.do", "network", "auth", "nothing_reached", &["no address can be reached"]),
    ("misbehave.do", "secret", "auth", "not_granted", &["`misbehave`", "`somebody_elses`"]),
    ("misbehave.write", "endless", "pipeline", "output_rows_limit", &["`misbehave`", "100000", "`limits.output_rows`"]),
    ("misbehave.write", "held", "pipeline", "held_limit", &["`misbehave`", "`limits.held_bytes`"]),
    ("misbehave.write", "heavy", "pipeline", "call_limit", &["`misbehave`", "`limits.call_bytes`"]),
];

/// Fails unless the run of a good plugin completes.
#[track_caller]
fn assert_others_go_on(host: &HostileHost, after: &str) {
    let good = host.run("hello_rust.echo", &json!({ "text": "good" }));
    assert_eq!(good["status"], "completed", "after {after}: {good}");
}

#[test]
fn whatever_a_plugin_does_it_ends_with_a_reason_and_others_go_on() {
    let host = HostileHost::start();
    assert_others_go_on(&host, "the start");
    let before = host.serving.resident_kib();
    for (name, how, kind, code, words) in DEEDS {
        let report = host.run(name, &json!({ "how": how }));
        let error = &report["error"];
        assert_eq!((&error["kind"], &error["code"]), (&json!(kind), &json!(code)), "{name} {how}: {report}");
        let message = error["message"].as_str().unwrap();
        assert!(words.iter().all(|word| message.contains(word)), "{how}: {message}");
        assert!(report["captures"].as_array().unwrap().is_empty(), "{report}");
        assert_others_go_on(&host, how);
    }
    assert_eq!(host.run("misbehave.do", &json!({ "how": "nothing" }))["status"], "completed", "it may go on as well");
    host.serving.assert_no_guest_is_left();
    if let (Some(before), Some(after)) = (before, host.serving.resident_kib()) {
        assert!(after <= before + GROWTH_KIB, "{before} KiB before, {after} KiB after");
    }
    let series = host.serving.metrics().lines().filter(|line| line.starts_with("spine_plugin_metric{")).count();
    assert_eq!(series, 100, "2,000 were asked for");
    assert_eq!(host.serving.stop().0, 0);
}

#[test]
fn no_buffer_that_breaks_a_rule_becomes_a_row() {
    let host = HostileHost::start();
    let mut rules = 0;
    loop {
        let report = host.run("misbehave.write", &json!({ "how": "buffers", "which": rules }));
        if report["status"] == "completed" {
            break;
        }
        let code = report["error"]["code"].as_str().unwrap().to_owned();
        let expected = ["invalid_buffer", "missing_column", "duplicate_column", "unknown_column"];
        assert!(expected.contains(&code.as_str()), "rule {rules}: {report}");
        rules += 1;
    }
    assert!(rules > 20, "{rules}");
    assert_others_go_on(&host, "all buffers");
    host.serving.assert_no_guest_is_left();
}

#[test]
fn what_a_plugin_says_too_much_is_dropped_and_its_log_says_so() {
    let host = HostileHost::start();
    for (how, limit) in
        [("log", "limits.log_lines"), ("output", "limits.log_lines"), ("metrics", "limits.metric_series")]
    {
        let report = host.run("misbehave.do", &json!({ "how": how }));
        let run = report["run_id"].as_str().unwrap();
        let lines = host.host.ask(&["runs", "logs", run]).exits(0).json();
        let lines = lines.as_array().unwrap();
        assert!(lines.len() <= 103, "{how}: {} lines", lines.len());
        let told =
            lines.iter().any(|line| line["origin"] == "host" && line["message"].as_str().unwrap().contains(limit));
        assert!(told, "{how}: {:?}", lines.last());
    }
}

#[test]
fn more_loops_than_there_are_places_keep_nobody_from_the_work() {
    let host = HostileHost::start();
    let loops: Vec<String> = (0..12).map(|_| host.begin("sleepless.do", &json!({ "how": "loop" }))).collect();
    for after in &loops {
        assert_others_go_on(&host, after);
    }
    for run in loops {
        assert_eq!(host.end_of(&run)["status"], "timed_out");
    }
    host.serving.assert_no_guest_is_left();
}

#[test]
fn a_plugin_that_lies_about_itself_or_does_not_answer_is_refused_alone() {
    let lies = r#"{"contract": "0.1.0", "name": "lies", "version": "1", "tasks": [{"name": "lies.t"}]}"#;
    let thief = r#"{"contract": "0.1.0", "name": "thief", "version": "1", "tasks": [{"name": "hello_rust.echo"}]}"#;
    let other = r#"{"contract": "9.0.0", "name": "other", "version": "1"}"#;
    let host = HostileHost::with(&[
        ("lies.wasm", describes(lies, "$manifest")),
        ("thief.wasm", describes(thief, "$manifest")),
        ("other.wasm", describes(other, "$manifest")),
        ("hangs.wasm", describes("", "(loop (br 0)) unreachable")),
        ("traps.wasm", describes("", "unreachable")),
        ("nonsense.wasm", describes("\u{1}{", "$manifest")),
        ("beyond.wasm", describes("", "(i32.const -4)")),
        ("cut.wasm", std::fs::read(component("hello_rust")).unwrap()[..5_000].to_vec()),
    ]);
    let plugins = host.host.ask(&["plugins", "list"]).exits(0).json();
    let state = |file: &str| {
        let found = plugins.as_array().unwrap().iter().find(|it| it["file"].as_str().unwrap().ends_with(file));
        let found = found.unwrap_or_else(|| panic!("{file} is not listed: {plugins}"));
        (found["state"].as_str().unwrap().to_owned(), found["reasons"].to_string())
    };
    for (file, words) in [
        ("lies.wasm", "does not export"),
        ("thief.wasm", "thief"),
        ("other.wasm", "9.0.0"),
        ("hangs.wasm", "limits.cpu_time"),
        ("traps.wasm", "unreachable"),
        ("nonsense.wasm", "manifest"),
        ("beyond.wasm", "describe"),
        ("cut.wasm", "not a valid one"),
    ] {
        let (state, reasons) = state(file);
        assert_eq!(state, "refused", "{file}: {reasons}");
        assert!(reasons.contains(words), "{file}: {reasons}");
    }
    assert_others_go_on(&host, "all of them");
    host.serving.assert_no_guest_is_left();
}

fn texts(of: &Value) -> Vec<&str> {
    of.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn a_trap_is_told_with_names_last_words_last_calls_and_how_to_see_it_again() {
    let host = HostileHost::start();
    let run = host.run("misbehave.do", &json!({ "how": "panic" }));
    let id = run["run_id"].as_str().unwrap();
    let shown = host.host.ask(&["runs", "show", id]).exits(0).json();
    let trap = &shown["error"]["trap"];
    let functions: Vec<&str> =
        trap["frames"].as_array().unwrap().iter().filter_map(|it| it["function"].as_str()).collect();
    assert!(functions.iter().any(|name| name.contains("panic")), "{functions:?}");
    assert!(functions.iter().any(|name| name.contains("misbehave::")), "{functions:?}");
    assert!(texts(&trap["stderr"]).iter().any(|line| line.contains("there is always a first row")), "{trap}");
    assert!(
        trap["log"].as_array().unwrap().iter().any(|line| line["message"] == "about to misbehave: panic"),
        "{trap}"
    );
    assert!(trap["host_calls"].as_array().unwrap().iter().any(|call| call["name"] == "log"), "{trap}");
    assert_eq!(trap["plugin"], shown["plugin"]["digest"]);
    let again = [format!("spine-host replay {id}"), "spine-host run misbehave.do -p how=panic".to_owned()];
    assert_eq!(texts(&trap["reproduce"]), again);
    assert!(trap.to_string().len() < 64 * 1024);

    let told = host.host.show(&["runs", "show", id]).exits(0).stdout;
    for words in
        ["  frames    ", "misbehave::", "  said      ", "  calls     ", "  again     spine-host replay", "  used      "]
    {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
}

#[test]
fn what_an_attempt_used_is_kept_with_it() {
    let host = HostileHost::start();
    let written = host.run("misbehave.write", &json!({ "how": "well" }));
    let usage = &written["usage"];
    assert_eq!((&usage["rows_out"], &usage["rows_in"], &usage["bytes_in"]), (&json!(3), &json!(0), &json!(0)));
    for key in ["cpu_us", "wall_us", "memory_bytes_peak", "host_calls", "bytes_out"] {
        assert!(usage[key].as_u64().unwrap() > 0, "{key}: {usage}");
    }
    let shown = host.host.ask(&["runs", "show", written["run_id"].as_str().unwrap()]).exits(0).json();
    assert_eq!(&shown["usage"], usage, "of the ledger");
    let stopped = host.run("misbehave.do", &json!({ "how": "loop" }));
    let cpu = Duration::from_micros(stopped["usage"]["cpu_us"].as_u64().unwrap());
    assert!((2.0..3.0).contains(&cpu.as_secs_f64()), "{cpu:?}");
}

#[test]
fn an_interpreter_is_bounded_as_well() {
    let Some(script) = foreign("misbehave_javascript") else { return };
    let host = HostileHost::with(&[("misbehave_js.wasm", std::fs::read(script).unwrap())]);
    assert_eq!(host.run("misbehave_js.do", &json!({ "how": "nothing" }))["status"], "completed");
    let deeds = [
        ("loop", "cpu_limit", "`limits.cpu_time`"),
        ("memory", "memory_limit", "`limits.memory_bytes`"),
        ("handles", "handle_limit", "`limits.handles`"),
    ];
    for (how, code, words) in deeds {
        let report = host.run("misbehave_js.do", &json!({ "how": how }));
        assert_eq!(report["error"]["code"], code, "{how}: {report}");
        let message = report["error"]["message"].as_str().unwrap();
        assert!(message.contains("`misbehave_js`") && message.contains(words), "{how}: {message}");
        assert_others_go_on(&host, how);
    }
    host.serving.assert_no_guest_is_left();
}
