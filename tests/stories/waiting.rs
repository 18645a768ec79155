//! A process that finds the data folder owned waits for an owner that is at work, says so, and can be stopped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::files::{THREE_ROWS, regsho};
use tests::{Answer, TestHost, component};

/// A process of the host; killed when dropped.
struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, said: String::new() }
    }

    /// Returns when the process has said this on standard error.
    #[track_caller]
    fn says(&mut self, what: &str) {
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "it ended without `{what}`:\n{}", self.said);
            self.said.push_str(&line);
            if line.contains(what) {
                return;
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    fn ended(mut self) -> Answer {
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut self.said).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Answer { code, stdout, stderr: std::mem::take(&mut self.said) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is as good as killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// A host that has the folder and is stopped while it loads its plugins.
fn starting(host: &TestHost) -> Running {
    // With nothing compiled, loading takes long enough to be stopped in.
    std::fs::remove_file(host.data().join("cache")).unwrap();
    let owner = Running::start(host.command(&["serve", "--listen", "127.0.0.1:0"]));
    let address = || std::fs::read_to_string(host.data().join("spine.address")).unwrap_or_default();
    until(|| address() == "starting");
    owner.signal("STOP");
    assert_eq!(address(), "starting");
    owner
}

fn run(host: &TestHost) -> Running {
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    Running::start(host.command(&[
        "run",
        "finra.regsho_daily",
        "-p",
        &format!("file={}", file.display()),
        "-o",
        "json",
    ]))
}

#[test]
fn a_run_waits_for_a_host_that_is_starting_and_says_so_once() {
    let host = TestHost::new();
    let mut owner = starting(&host);
    let mut waiting = run(&host);
    waiting.says("waiting for process");
    owner.signal("CONT");
    owner.says("ready http://");
    let answer = waiting.ended().exits(0);
    assert_eq!(answer.json()["status"], "completed");
    assert_eq!(answer.stderr.matches("waiting for").count(), 1, "{}", answer.stderr);
    assert!(answer.stderr.contains("is starting"), "{}", answer.stderr);
}

#[test]
fn a_host_that_hangs_while_it_is_starting_is_given_up_and_no_run_is_made() {
    let host = TestHost::new();
    let mut owner = starting(&host);
    let waited = Instant::now();
    let mut waiting = run(&host);
    waiting.says("waiting for process");
    let answer = waiting.ended().exits(4);
    assert!(waited.elapsed() < Duration::from_secs(30), "{:?}", waited.elapsed());
    assert_eq!(answer.json()["error"]["code"], "unreachable");
    assert!(answer.stderr.contains("gives no sign of life"), "{}", answer.stderr);
    assert!(answer.stderr.contains(&owner.child.id().to_string()), "it names the process: {}", answer.stderr);
    owner.signal("CONT");
    owner.says("ready http://");
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]));
}

#[test]
fn ctrl_c_ends_the_waiting() {
    let host = TestHost::new();
    let _owner = starting(&host);
    let mut waiting = run(&host);
    waiting.says("waiting for process");
    waiting.signal("INT");
    let answer = waiting.ended().exits(1);
    assert_eq!(answer.json()["error"]["code"], "cancelled");
}

#[test]
fn who_only_looks_waits_for_nobody_and_changes_nothing() {
    let host = TestHost::without_plugins();
    std::fs::write(host.plugins().join("broken.wasm"), "no").unwrap();
    let nowhere = host.folder().join("nowhere");
    let data = nowhere.to_str().unwrap();
    let listed = host.ask(&["plugins", "list", "--data", data]).exits(0).json();
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&json!("broken"), &json!("refused")));
    assert!(!nowhere.exists(), "looking makes no data folder");

    let owner = TestHost::new();
    run(&owner).ended().exits(0);
    let _starting = starting(&owner);
    let folder = owner.data();
    let files = || {
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // SQLite keeps files of its own beside a database that somebody reads.
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("spine.db-")).collect();
        names.sort();
        names
    };
    let before = files();
    let plugins = host.plugins();
    let looking = ["plugins", "list", "--data", folder.to_str().unwrap(), "--plugins", plugins.to_str().unwrap()];
    let listed = owner.ask(&looking).exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(files(), before);
}

/// A day with so many rows that its run can be stopped.
fn long_run(host: &TestHost, day: &str, rows: u32, more: &[&str]) -> Command {
    let rows: Vec<String> = (0..rows).map(|at| format!("S{at:07}|1|0|2|Q")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let file = host.file(&format!("CNMSshvol{day}.txt"), regsho(day, &rows));
    let mut command =
        host.command(&["run", "finra.regsho_daily", "-p", &format!("file={}", file.display()), "-o", "json"]);
    command.args(more);
    command
}

#[test]
fn a_second_ctrl_c_on_a_run_cancels_what_others_asked_of_its_process() {
    let host = TestHost::without_plugins();
    host.install(&component("echo"), "echo.wasm");
    // It says a line and works on until it is cancelled.
    let endless = || Running::start(host.command(&["run", "echo.talk", "-p", "lines=1", "-o", "json"]));
    let mut owner = endless();
    until(|| host.data().join("spine.token").exists());
    let other = endless();
    let runs = || host.ask(&["runs", "list"]).json()["runs"].as_array().map_or(0, Vec::len);
    until(|| runs() == 2);
    owner.signal("INT");
    owner.says("carries out 1 run of other commands");
    owner.signal("INT");
    for ended in [owner.ended(), other.ended()] {
        let answer = ended.exits(1);
        assert_eq!(answer.json()["status"], "cancelled", "{}", answer.stderr);
        assert!(answer.stderr.contains("cancelled"), "the error is always told: {}", answer.stderr);
    }
}

#[test]
fn ctrl_c_ends_a_dry_run_at_a_serving_host() {
    let host = TestHost::new();
    let mut command = host.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("SPINE_LOG", "info");
    let mut serving = Running::start(command);
    serving.says("ready http://");
    let asking = Running::start(long_run(&host, "20210127", 1_000_000, &["--dry-run"]));
    serving.says("the run begins");
    asking.signal("INT");
    let answer = asking.ended().exits(1);
    assert_eq!(answer.json()["status"], "cancelled");
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]));
}
