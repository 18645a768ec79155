//! What a plugin says can be read while it works, and is there when its host is gone.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};
use tests::{Serving, TestHost, component};

/// More than one batch.
const LINES: usize = 450;

/// A host on which the task `echo.talk` has said its lines and works on, and the id of that run.
fn talking() -> (TestHost, Serving, String) {
    let host = TestHost::without_plugins();
    host.install(&component("echo"), "echo.wasm");
    let serving = host.serve();
    let run = host.ask(&["run", "echo.talk", "-p", &format!("lines={LINES}"), "--detach"]).exits(0).json();
    let id = run["run_id"].as_str().unwrap().to_owned();
    (host, serving, id)
}

/// `runs logs --follow`, line by line.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Following {
    fn of(host: &TestHost, run: &str) -> Self {
        let mut command = host.command(&["runs", "logs", run, "--follow", "-o", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits for the next line and returns its message.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the log ended");
        serde_json::from_str::<Value>(&line).unwrap()["message"].clone()
    }

    /// Waits for its end: the exit code, and what it still said.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn status(host: &TestHost, run: &str) -> Value {
    host.ask(&["runs", "show", run]).json()["status"].clone()
}

fn messages(log: &Value) -> Vec<Value> {
    log.as_array().unwrap().iter().map(|line| line["message"].clone()).collect()
}

fn expected() -> Vec<Value> {
    (0..LINES).map(|number| json!(format!("line {number}"))).collect()
}

#[test]
fn a_log_is_read_while_the_run_goes_on_and_ends_with_it() {
    let (host, serving, run) = talking();
    let mut log = Following::of(&host, &run);
    let seen: Vec<Value> = (0..LINES).map(|_| log.next()).collect();
    assert_eq!(seen, expected());
    assert_eq!(status(&host, &run), "running");
    assert_eq!(messages(&host.ask(&["runs", "logs", &run]).exits(0).json()), expected());

    let bearer = format!("Bearer {}", serving.token);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let (answer, body) = serving.http("POST", &format!("/api/v1/runs/{run}/cancel"), &headers, "{}");
    assert!((200..300).contains(&answer), "{answer} {body}");
    assert_eq!(log.end(), (Some(0), String::new()), "it ends with the run, and says nothing twice");
    assert_eq!(status(&host, &run), "cancelled");
    assert_eq!(messages(&host.ask(&["runs", "logs", &run]).exits(0).json()), expected());
}

#[test]
fn what_was_read_before_a_crash_is_there_after_it() {
    let (host, serving, run) = talking();
    let mut log = Following::of(&host, &run);
    assert_eq!(log.next(), "line 0");
    serving.kill();
    let told = messages(&host.ask(&["runs", "logs", &run]).exits(0).json());
    assert_eq!(told.first(), Some(&json!("line 0")));

    // Nobody is left to say more.
    let (code, rest) = log.end();
    let last: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!((code, &last["error"]["code"]), (Some(4), &json!("unreachable")), "{rest}");
    assert!(last["error"]["message"].as_str().unwrap().contains("has not ended"), "{rest}");
    assert_eq!(status(&host, &run), "running");

    // The next owner ends the run.
    assert_eq!(host.serve().stop().0, 0);
    assert_eq!(Following::of(&host, &run).end().0, Some(0));
    let shown = host.ask(&["runs", "show", &run]).json();
    assert_eq!((&shown["status"], &shown["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    // A commit that was in flight when the host was killed may be whole on the disk, which only the next owner finds.
    let after = messages(&host.ask(&["runs", "logs", &run]).exits(0).json());
    assert!(after.starts_with(&told), "{told:?} does not begin {after:?}");
    assert_eq!(after, expected()[..after.len()]);
}

#[test]
fn waiting_for_more_can_be_given_up_and_the_run_goes_on() {
    let (host, _serving, run) = talking();
    let mut log = Following::of(&host, &run);
    log.next();
    let interrupted = std::process::Command::new("kill").args(["-INT", &log.child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    assert_eq!(log.end().0, Some(0));
    assert_eq!(status(&host, &run), "running");
}
