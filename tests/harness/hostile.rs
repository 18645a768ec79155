//! Guests that misbehave, for the story and the bench that run them beside good ones: how they are set up, and how each
//! run is asked for.

use std::path::Path;

use serde_json::{Value, json};

use crate::{Serving, TestHost, component};

/// Limits that end misbehaviour in seconds. `sleepless` is `misbehave` under another name, with a short day.
const CONFIGURATION: &str = r#"
# Each deed is one trap more: this host is to go on asking for the next.
[swap]
quarantine_after = 1000000

[limits]
cpu_time = "2s"

[plugins.misbehave.limits]
memory_bytes = "64MiB"
host_calls = 100000
handles = 64
held_bytes = "8MiB"
call_bytes = "1MiB"
output_rows = 100000
log_lines = 100

[plugins.misbehave.grants]
folders = { drop = "drop" }

[plugins.sleepless.limits]
wall_clock = "300ms"

[plugins.misbehave_js.limits]
memory_bytes = "64MiB"
handles = 64
"#;

/// A serving host with the hostile plugin, the same under the name `sleepless`, and a good one, `hello_rust`.
#[derive(Debug)]
pub struct HostileHost {
    // Stopped before its folder goes.
    pub serving: Serving,
    pub host: TestHost,
}

impl HostileHost {
    /// Starts it, with a granted folder that has links to what lies outside of it.
    ///
    /// # Panics
    ///
    /// If the components are not built.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with more components in the plugins folder, by file name.
    ///
    /// # Panics
    ///
    /// If the components are not built.
    pub fn with(more: &[(&str, Vec<u8>)]) -> Self {
        let host = TestHost::without_plugins();
        host.install(&component("hello_rust"), "hello_rust.wasm");
        host.install(&component("misbehave"), "misbehave.wasm");
        std::fs::write(host.plugins().join("sleepless.wasm"), renamed(&component("misbehave"))).unwrap();
        for (name, bytes) in more {
            std::fs::write(host.plugins().join(name), bytes).unwrap();
        }
        host.file("spine.toml", CONFIGURATION);
        host.file("outside.txt", "nobody granted this");
        host.file("drop/inside.txt", "this was granted");
        std::os::unix::fs::symlink("../outside.txt", host.folder().join("drop/link.txt")).unwrap();
        std::os::unix::fs::symlink("/proc", host.folder().join("drop/proc")).unwrap();
        let serving = host.serve();
        Self { serving, host }
    }

    /// Carries a run out to its end and returns its report.
    ///
    /// # Panics
    ///
    /// If the host does not answer as it should.
    pub fn run(&self, name: &str, params: &Value) -> Value {
        self.post(&json!({ "name": name, "params": params, "wait": 60 }))
    }

    /// Asks for a run and returns its id.
    ///
    /// # Panics
    ///
    /// If the host does not answer as it should.
    pub fn begin(&self, name: &str, params: &Value) -> String {
        let report = self.post(&json!({ "name": name, "params": params }));
        report["run_id"].as_str().unwrap().to_owned()
    }

    /// The report of a run that was begun, once it has ended.
    ///
    /// # Panics
    ///
    /// If the host does not answer as it should.
    pub fn end_of(&self, run: &str) -> Value {
        let (status, body) = self.http("GET", &format!("/api/v1/runs/{run}?wait=60"), "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn post(&self, body: &Value) -> Value {
        let (status, body) = self.http("POST", "/api/v1/runs", &body.to_string());
        assert!(status == 200 || status == 202, "{status} {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Asks the API, with the token.
    pub fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let token = format!("Bearer {}", self.serving.token.trim());
        let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
        self.serving.http(method, path, &headers, body)
    }
}

/// The hostile component under another name of as many letters, which is all that its limits go by.
fn renamed(file: &Path) -> Vec<u8> {
    let (from, to) = (b"misbehave", b"sleepless");
    let original = std::fs::read(file).unwrap();
    let mut bytes = original.clone();
    for at in (0..bytes.len()).filter(|&at| original[at..].starts_with(from)) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

/// A component that exports `plugin` alone. `describe` is its core code, which leaves where the result lies; a manifest
/// lies at 64.
///
/// # Panics
///
/// If that is no WebAssembly.
pub fn describes(manifest: &str, describe: &str) -> Vec<u8> {
    let text: String = manifest.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let describe = describe.replace(
        "$manifest",
        &format!(
            "(i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 64))
             (i32.store (i32.const 8) (i32.const {})) (i32.const 0)",
            manifest.len()
        ),
    );
    wat::parse_str(format!(
        r#"(component
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 64) "{text}")
    (func (export "describe") (result i32) {describe}))
  (core instance $code (instantiate $code))
  (alias core export $code "memory" (core memory $memory))
  (func $describe (result (result string (error string)))
    (canon lift (core func $code "describe") (memory $memory)))
  (instance $plugin (export "describe" (func $describe)))
  (export "spine:plugin/plugin@0.1.0" (instance $plugin)))"#
    ))
    .unwrap()
}
