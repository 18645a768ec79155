//! From nothing to a plugin, with `spine-host` and the tools of a language alone.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tests::{Answer, TestHost, component, foreign, target_folder};

/// A command for authors, in the folder of a host that has nothing.
fn author(host: &TestHost, args: &[&str]) -> Answer {
    prepared(host, args).args(["-o", "json"]).output().unwrap().into()
}

fn prepared(host: &TestHost, args: &[&str]) -> Command {
    let mut command = host.command(args);
    // What other tests built is there already, and no registry is asked.
    command.env("CARGO_TARGET_DIR", target_folder()).env("CARGO_NET_OFFLINE", "true");
    let path = std::env::var("PATH").unwrap_or_default();
    let tools =
        ["componentize-py/bin", "componentize-js/node_modules/.bin"].map(|it| target_folder().join("tools").join(it));
    command.env("PATH", format!("{}:{}:{path}", tools[0].display(), tools[1].display()));
    command
}

fn codes(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// Begins, builds and tests a plugin; the file of its component.
fn begun(host: &TestHost, name: &str, language: &str) -> PathBuf {
    let new = author(host, &["plugin", "new", name, "--lang", language]).exits(0).json();
    assert!(new["files"].as_array().unwrap().iter().any(|file| file == "README.md"), "{new}");
    let built = author(host, &["plugin", "build", name]).exits(0).json();
    assert_eq!(codes(&built), [""; 0]);
    let component = host.folder().join(name).join(format!("{name}.wasm"));
    assert_eq!(built["bytes"], std::fs::metadata(&component).unwrap().len());
    assert_eq!(author(host, &["plugin", "check", component.to_str().unwrap()]).exits(0).json()["ok"], json!(true));
    component
}

fn tested(host: &TestHost, component: &Path, more: &[&str]) -> Answer {
    let args = [&["plugin", "test", component.to_str().unwrap()], more].concat();
    author(host, &args)
}

#[test]
fn a_plugin_in_rust_is_begun_built_and_tested_and_its_rows_are_there() {
    let host = TestHost::without_plugins();
    let component = begun(&host, "my_prices", "rust");
    let project = component.parent().unwrap();
    let unchanged = std::fs::read_to_string(project.join("Cargo.lock")).unwrap();
    let cargo = Command::new("cargo")
        .args(["test", "--offline", "--locked", "--quiet"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", target_folder())
        .output()
        .unwrap();
    Answer::from(cargo).exits(0);
    assert_eq!(std::fs::read_to_string(project.join("Cargo.lock")).unwrap(), unchanged, "the lock is exact");

    let answer = tested(&host, &component, &[]).exits(0).json();
    assert_eq!((&answer["ok"], codes(&answer)), (&json!(true), vec![]), "{answer:#}");
    let large = answer["runs"].as_array().unwrap().iter().find(|run| run["rows_in"] == 1_000_000);
    assert_eq!(large.expect("a million rows were read")["status"], "completed");

    host.install(&component, "my_prices.wasm");
    let report = host.run("my_prices.load", &project.join("cases/a_small_day/prices.csv"), &[]).exits(0).json();
    assert_eq!((&report["rows_in"], &report["rows_out"], &report["rejected"]), (&json!(3), &json!(2), &json!(1)));
    assert_eq!(host.query("SELECT count(*) AS n FROM my_prices.prices"), json!([{"n": 2}]));
}

#[test]
fn plugins_in_python_and_javascript_are_begun_built_and_tested() {
    for (language, example) in [("python", "hello_python"), ("javascript", "hello_javascript")] {
        // Says why it is skipped, where the tools cannot be had.
        if foreign(example).is_none() {
            continue;
        }
        let host = TestHost::without_plugins();
        let component = begun(&host, &format!("prices_{language}"), language);
        let answer = tested(&host, &component, &["--quick"]).exits(0).json();
        assert_eq!(answer["ok"], json!(true), "{answer:#}");
    }
}

#[test]
fn each_change_of_a_source_is_built_swapped_and_run_and_a_broken_build_leaves_the_version_before() {
    let host = TestHost::without_plugins();
    author(&host, &["plugin", "new", "live_prices", "--lang", "rust"]).exits(0);
    let file = format!("file={}", host.folder().join("live_prices/cases/a_small_day/prices.csv").display());
    let mut dev = prepared(&host, &["dev", "live_prices", "--run", "live_prices.load", "-p", &file]);
    let mut dev = dev.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(dev.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut hear =
        |words: &str| said.find(|line| line.contains(words)).unwrap_or_else(|| panic!("nobody said {words}"));
    let first = hear("is active");

    let load = host.folder().join("live_prices/src/load.rs");
    let code = std::fs::read_to_string(&load).unwrap();
    std::fs::write(&load, code.replace("100.0 *", "200.0 *")).unwrap();
    assert_ne!(hear("is active"), first);
    hear("differs   live_prices.prices day=2025-01-02");

    std::fs::write(&load, "fn broken(").unwrap();
    hear("src/load.rs");
    hear("the version before goes on");
    std::fs::write(&load, code).unwrap();
    assert_eq!(hear("is active"), first, "the same source is the same component");
    let interrupted = Command::new("kill").args(["-INT", &dev.id().to_string()]).status().unwrap();
    assert!(interrupted.success() && dev.wait().unwrap().success());
}

#[test]
fn a_case_that_differs_is_told_and_written_down_when_asked_for() {
    let host = TestHost::without_plugins();
    let case = |file: &str, text: &str| host.file(&format!("cases/a_day/{file}"), text);
    case("case.toml", "run = \"hello_rust.shares\"\n[params]\nfile = \"day.psv\"\n");
    case("day.psv", "Date|Symbol|Volume\n2021-01-28|AAA|10\n2021-01-28|BBB|30\n2021-01-28|CCC|x\n");
    let component = component("hello_rust");
    let cases = host.folder().join("cases");
    let cases = ["--cases", cases.to_str().unwrap(), "--only", "a_day"];
    let silent = tested(&host, &component, &cases).exits(1).json();
    assert_eq!(codes(&silent), ["case_differs"]);

    tested(&host, &component, &[&cases[..], &["--update"]].concat()).exits(0);
    let rows = std::fs::read_to_string(host.folder().join("cases/a_day/hello_rust.totals.csv")).unwrap();
    assert_eq!(rows, "day,symbol,volume,share\n2021-01-28,AAA,10,0.25\n2021-01-28,BBB,30,0.75\n");
    tested(&host, &component, &cases).exits(0);

    case("hello_rust.totals.csv", &rows.replace("0.75", "0.7"));
    let differs = tested(&host, &component, &cases).exits(1).json();
    let message = differs["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("`2021-01-28,BBB,30,0.75`, not `2021-01-28,BBB,30,0.7`"), "{message}");
    assert!(differs["findings"][0]["hint"].as_str().unwrap().contains("--update"));
}

#[test]
fn our_own_plugins_stand_their_own_test() {
    let host = TestHost::without_plugins();
    for (name, folder) in
        [("hello_rust", "examples/hello-rust"), ("finra", "plugins/finra"), ("earnings", "plugins/earnings")]
    {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("cases");
        let answer = tested(&host, &component(name), &["--quick", "--cases", cases.to_str().unwrap()]).exits(0).json();
        assert_eq!(codes(&answer), [""; 0], "{name}: {answer:#}");
        let runs = answer["runs"].as_array().unwrap();
        let completed = runs.iter().filter(|run| run["status"] == "completed").count();
        assert!(runs.len() > 20 && completed > runs.len() / 2, "{name}: hostile rows are to get past the header");
    }
}

#[test]
fn a_plugin_that_misbehaves_is_found_out() {
    let host = TestHost::without_plugins();
    let config = host.file("spine.toml", "[limits]\nwall_clock = \"2s\"\ncpu_time = \"1s\"\n");
    let more = ["--quick", "--cases", "none", "--only", "misbehave.do", "--config", config.to_str().unwrap()];
    let answer = tested(&host, &component("misbehave"), &more).exits(1).json();
    let codes = codes(&answer);
    for code in ["trap", "limit", "timeout"] {
        assert!(codes.iter().any(|it| it == code), "{code}: {codes:?}");
    }
}

#[test]
fn what_keeps_an_author_from_working_is_told_with_what_to_do() {
    let host = TestHost::without_plugins();
    let refused = |args: &[&str], code: i32, words: &str| {
        let answer = author(&host, args).exits(code);
        assert!(answer.stderr.contains(words), "{words}: {}", answer.stderr);
    };
    refused(&["plugin", "new", "My-Prices", "--lang", "rust"], 2, "`my_prices` would do");
    refused(&["plugin", "new", "prices", "--lang", "cobol"], 2, "[possible values: rust, python, javascript]");
    host.file("prices/notes.txt", "mine");
    refused(&["plugin", "new", "prices", "--lang", "rust"], 2, "not empty");
    refused(&["plugin", "build", "prices"], 2, "plugin new");
    refused(&["plugin", "build", "nowhere"], 2, "not a folder");
    author(&host, &["plugin", "new", "broken", "--lang", "rust"]).exits(0);
    host.file("broken/src/check.rs", "fn broken(");
    refused(&["plugin", "build", "broken"], 1, "src/check.rs");
    assert!(!host.folder().join("broken/broken.wasm").exists());
    author(&host, &["plugin", "new", "snake", "--lang", "python"]).exits(0);
    let mut without_tools = host.command(&["plugin", "build", "snake"]);
    let answer = Answer::from(without_tools.env("PATH", "/nowhere").output().unwrap()).exits(2);
    assert!(answer.stderr.contains("pip install -r"), "{}", answer.stderr);
}
