//! Components that misbehave, and how the host tells it.

mod limits;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::limits::Limits;
use model::plugin::FindingSeverity;
use model::ports::{Cancel, Invocation, Invoked, Invoker as _, LogSink, Outside, Work};
use model::run::LogLine;
use model::secret::Secrets;
use model::{Failure, RunId, Timestamp};

use super::Runtime;
use crate::testing::{Bench, MANIFEST, component, component_text};
use crate::{Loaded, RuntimeConfig};

const SECOND: Duration = Duration::from_secs(1);

fn runtime() -> Runtime {
    Runtime::open(RuntimeConfig::for_cores(2)).unwrap()
}

fn load(runtime: &Runtime, bytes: &[u8]) -> Loaded {
    runtime.load_bytes(Path::new("plugins/test.wasm"), bytes)
}

fn codes(loaded: &Loaded) -> Vec<&str> {
    loaded.findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn invocation(loaded: &Loaded, limits: Limits) -> Invocation {
    Invocation {
        plugin: "p".to_owned(),
        digest: loaded.digest.unwrap(),
        work: Work::Pipeline { name: "p.run".to_owned() },
        checks: Vec::new(),
        run_id: RunId::new(Timestamp::from_micros(1_000_000), [1; 10]),
        attempt: 1,
        params: "{}".to_owned(),
        secrets: Secrets::default(),
        outside: Outside::nothing(),
        started_at: Timestamp::from_micros(1_000_000),
        seed: [3; 32],
        limits,
        workbench: Box::new(Bench::default()),
        cancel: Cancel::default(),
        progress: None,
        log: LogSink::none(),
    }
}

async fn run(body: &str, limits: Limits) -> Invoked {
    run_component(&component(MANIFEST, body), limits).await
}

async fn run_component(bytes: &[u8], limits: Limits) -> Invoked {
    let runtime = runtime();
    let loaded = load(&runtime, bytes);
    assert!(loaded.is_usable(), "{:?}", loaded.findings);
    runtime.invoke(invocation(&loaded, limits)).await
}

fn failure(invoked: Invoked) -> Failure {
    assert!(invoked.workbench.is_some(), "the workbench comes back");
    invoked.answer.unwrap_err()
}

#[tokio::test]
async fn a_pipeline_runs_and_its_summary_comes_back() {
    let invoked = run("(call $ok)", Limits::standard()).await;
    assert_eq!(invoked.answer.unwrap().result, Some(serde_json::json!({})));
    assert!(invoked.workbench.is_some());
    assert_eq!(invoked.usage.memory_bytes_peak, 64 * 1024);
}

#[test]
fn a_loaded_component_says_what_it_offers() {
    let loaded = load(&runtime(), &component(MANIFEST, "(call $ok)"));
    assert!(loaded.is_usable());
    let manifest = loaded.manifest.unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("p", "1.0.0"));
    assert_eq!(manifest.exports(), ["pipeline p.run"]);
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_wall_clock_limit() {
    let limits = Limits { wall_clock: Duration::from_millis(100), ..Limits::standard() };
    let started = Instant::now();
    let failure = failure(run("(loop (br 0)) unreachable", limits).await);
    assert_eq!(failure.code, "wall_clock_limit");
    assert!(failure.message.contains("limits.wall_clock"), "{}", failure.message);
    assert!(started.elapsed() < 5 * SECOND);
}

#[tokio::test]
async fn an_endless_loop_can_be_cancelled() {
    let runtime = runtime();
    let loaded = load(&runtime, &component(MANIFEST, "(loop (br 0)) unreachable"));
    let invocation = invocation(&loaded, Limits::standard());
    let cancel = invocation.cancel.clone();
    let (invoked, ()) = tokio::join!(runtime.invoke(invocation), async { cancel.cancel() });
    assert_eq!(failure(invoked).code, "cancelled");
}

#[tokio::test]
async fn busy_guests_leave_the_host_and_each_other_their_time() {
    let runtime = Arc::new(runtime());
    let busy = load(&runtime, &component(MANIFEST, "(loop (br 0)) unreachable"));
    let brief = load(&runtime, &component(MANIFEST, "(call $ok)"));
    let cancel = Cancel::default();
    let guests: Vec<_> = (0..4)
        .map(|_| {
            let (runtime, invocation) =
                (runtime.clone(), Invocation { cancel: cancel.clone(), ..invocation(&busy, Limits::standard()) });
            tokio::spawn(async move { runtime.invoke(invocation).await })
        })
        .collect();
    let started = Instant::now();
    let invoked = runtime.invoke(invocation(&brief, Limits::standard())).await;
    assert!(invoked.answer.is_ok());
    assert!(started.elapsed() < 2 * SECOND, "{:?}", started.elapsed());
    cancel.cancel();
    for guest in guests {
        assert_eq!(failure(guest.await.unwrap()).code, "cancelled");
    }
}

#[tokio::test]
async fn a_memory_bomb_stops_at_its_limit() {
    let limits = Limits { memory_bytes: 4 << 20, ..Limits::standard() };
    let invoked =
        run("(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable", limits).await;
    assert!(invoked.usage.memory_bytes_peak <= 4 << 20);
    let failure = failure(invoked);
    assert_eq!(failure.code, "memory_limit");
    assert!(failure.message.contains("limits.memory_bytes") && failure.message.contains("`p`"), "{}", failure.message);
}

#[tokio::test]
async fn a_memory_that_is_too_large_from_the_start_is_the_same_failure() {
    let limits = Limits { memory_bytes: 1_000, ..Limits::standard() };
    assert_eq!(failure(run("(call $ok)", limits).await).code, "memory_limit");
}

#[tokio::test]
async fn a_trap_is_told_with_its_frames() {
    let failure = failure(run("unreachable", Limits::standard()).await);
    assert_eq!(failure.code, "trapped");
    let trap = failure.trap.unwrap();
    let frame = &trap.frames[0];
    assert_eq!(frame.function, "run");
    assert!(frame.offset.is_some() && frame.at.is_none(), "{frame:?}");
    assert!(failure.message.contains("unreachable"), "{}", failure.message);
}

#[tokio::test]
async fn endless_recursion_ends_at_the_depth_of_the_stack() {
    let failure = failure(run("(call $run (i32.const 0) (i32.const 0))", Limits::standard()).await);
    assert_eq!(failure.code, "stack_limit");
    assert!(failure.message.contains("limits.stack_bytes") && failure.message.contains("`p`"), "{}", failure.message);
    assert!(failure.trap.unwrap().frames.len() > 10);
}

#[tokio::test]
async fn an_answer_out_of_bounds_is_a_failure_and_not_a_crash() {
    let failure = failure(run("(i32.const -8)", Limits::standard()).await);
    assert_eq!(failure.code, "trapped");
}

const CLOCK: &str = r#"
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $p (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (import "spine:plugin/host@0.1.0" (instance $host
    (export "now-us" (func (result s64)))
    (export "files" (func (param "folder" string) (result u32)))))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $now (canon lower (func $host "now-us")))
  (core instance $env
    (export "subscribe" (func $subscribe)) (export "block" (func $block)) (export "now" (func $now)))"#;

const CLOCK_CORE: &str = r#"
    (import "env" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "env" "block" (func $block (param i32)))
    (import "env" "now" (func $now (result i64)))"#;

#[tokio::test]
async fn sleeping_an_hour_takes_no_time_and_moves_the_clock_an_hour() {
    let imports = CLOCK.replace("(export \"files\" (func (param \"folder\" string) (result u32)))", "");
    // Traps unless the clock started at one second and stands an hour later after the sleep.
    let body = "(if (i64.ne (call $now) (i64.const 1000000)) (then unreachable))
      (call $block (call $subscribe (i64.const 3600000000000)))
      (if (i64.lt_s (call $now) (i64.const 3601000000)) (then unreachable))
      (call $ok)";
    let bytes = wat::parse_str(component_text(MANIFEST, &imports, CLOCK_CORE, body)).unwrap();
    let started = Instant::now();
    let invoked = run_component(&bytes, Limits::standard()).await;
    assert!(invoked.answer.is_ok(), "{:?}", invoked.answer);
    assert_eq!(invoked.usage.host_calls, 2);
    assert!(started.elapsed() < 20 * SECOND);
}

const LOG: &str = r#"
  (import "spine:plugin/host@0.1.0" (instance $host
    (export "log" (func (param "level" string) (param "message" string)
      (param "fields" (list (tuple string string)))))))
  (core func $log (canon lower (func $host "log") (memory $mem)))
  (core instance $env (export "log" (func $log)))"#;

const LOG_CORE: &str = r#"(import "env" "log" (func $log (param i32 i32 i32 i32 i32 i32)))"#;

#[tokio::test]
async fn what_a_guest_says_is_handed_on_while_it_works() {
    // It says the first letters of its manifest.
    let body = "(call $log (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 10) (i32.const 0) (i32.const 0))
      (loop (br 0)) unreachable";
    let bytes = wat::parse_str(component_text(MANIFEST, LOG, LOG_CORE, body)).unwrap();
    let runtime = runtime();
    let loaded = load(&runtime, &bytes);
    let invocation = invocation(&loaded, Limits::standard());
    let (said, cancel) = (Arc::new(Mutex::new(Vec::new())), invocation.cancel.clone());
    let hear = Arc::clone(&said);
    let log = LogSink(Arc::new(move |line: LogLine| {
        hear.lock().unwrap().push(line.message);
        // Nothing but this ends the work.
        cancel.cancel();
    }));
    assert_eq!(failure(runtime.invoke(Invocation { log, ..invocation }).await).code, "cancelled");
    assert_eq!(*said.lock().unwrap(), ["{\"contract"]);
}

const FILES: &str = r#"
  (import "spine:plugin/host@0.1.0" (instance $host
    (type $file' (record (field "name" string) (field "size" u64) (field "details" (list (tuple string string)))))
    (export "file-entry" (type $file (eq $file')))
    (type $error' (record (field "kind" string) (field "code" string) (field "message" string)
      (field "retryable" (option bool)) (field "retry-after-ms" (option u64))
      (field "details" (list (tuple string string)))))
    (export "error" (type $error (eq $error')))
    (export "files" (func (param "folder" string) (result (result (list $file) (error $error)))))))
  (core func $files (canon lower (func $host "files") (memory $mem) (realloc $realloc)))
  (core instance $env (export "files" (func $files)))"#;

const FILES_CORE: &str = r#"(import "env" "files" (func $files (param i32 i32 i32)))"#;

#[tokio::test]
async fn a_host_call_that_does_not_return_is_given_up_after_the_deadline() {
    let body = "(call $files (i32.const 0) (i32.const 0) (i32.const 256)) (call $ok)";
    let bytes = wat::parse_str(component_text(MANIFEST, FILES, FILES_CORE, body)).unwrap();
    let runtime = runtime();
    let loaded = load(&runtime, &bytes);
    let limits = Limits { wall_clock: Duration::from_millis(50), ..Limits::standard() };
    let stuck = Bench { stuck: Some(60 * SECOND), ..Bench::default() };
    let started = Instant::now();
    let invoked = runtime.invoke(Invocation { workbench: Box::new(stuck), ..invocation(&loaded, limits) }).await;
    assert!(invoked.workbench.is_none());
    assert_eq!(invoked.answer.unwrap_err().code, "wall_clock_limit");
    assert!(started.elapsed() < 30 * SECOND);
}

#[tokio::test]
async fn a_panic_of_the_host_is_a_failure_of_the_attempt_alone() {
    let body = "(call $files (i32.const 0) (i32.const 0) (i32.const 256)) (call $ok)";
    let bytes = wat::parse_str(component_text(MANIFEST, FILES, FILES_CORE, body)).unwrap();
    let runtime = runtime();
    let loaded = load(&runtime, &bytes);
    let panics = Bench { panics: true, ..Bench::default() };
    let invoked =
        runtime.invoke(Invocation { workbench: Box::new(panics), ..invocation(&loaded, Limits::standard()) }).await;
    assert_eq!(invoked.answer.unwrap_err().code, "host_panic");
    let invoked = runtime.invoke(invocation(&loaded, Limits::standard())).await;
    assert!(invoked.answer.is_ok(), "{:?}", invoked.answer);
}

#[tokio::test]
async fn handing_over_too_much_in_one_call_names_its_limit() {
    let body = "(call $files (i32.const 0) (i32.const 60000) (i32.const 256)) (call $ok)";
    let bytes = wat::parse_str(component_text(MANIFEST, FILES, FILES_CORE, body)).unwrap();
    let limits = Limits { call_bytes: 1_000, ..Limits::standard() };
    let failure = failure(run_component(&bytes, limits).await);
    assert_eq!(failure.code, "call_limit");
    assert!(failure.message.contains("limits.call_bytes"), "{}", failure.message);
}

#[tokio::test]
async fn a_call_to_wasi_that_is_not_offered_is_denied_by_name() {
    let imports = r#"
  (import "wasi:io/streams@0.2.3" (instance $streams (export "input-stream" (type (sub resource)))))
  (alias export $streams "input-stream" (type $stream))
  (import "wasi:http/others@0.2.3" (instance $http (export "fields" (type $fields (sub resource)))
    (alias outer 1 $stream (type $outer)) (export "input-stream" (type $body (eq $outer)))
    (export "take" (func (param "fields" (own $fields)) (result (own $body))))
    (export "http-error" (func (result u32)))))
  (core func $error (canon lower (func $http "http-error")))
  (core instance $env (export "error" (func $error)))"#;
    let core = r#"(import "env" "error" (func $error (result i32)))"#;
    let body = "(drop (call $error)) (call $ok)";
    let bytes = wat::parse_str(component_text(MANIFEST, imports, core, body)).unwrap();
    let failure = failure(run_component(&bytes, Limits::standard()).await);
    assert_eq!(failure.code, "not_granted");
    assert!(failure.message.contains("wasi:http/others@0.2.3#http-error"), "{}", failure.message);
}

#[tokio::test]
async fn the_part_of_wasi_http_for_servers_is_denied_by_name() {
    let imports = r#"
  (import "wasi:http/types@0.2.3" (instance $http (export "outgoing-response" (type (sub resource)))
    (export "[static]outgoing-response.made" (func (result u32)))))
  (core func $made (canon lower (func $http "[static]outgoing-response.made")))
  (core instance $env (export "made" (func $made)))"#;
    let core = r#"(import "env" "made" (func $made (result i32)))"#;
    let body = "(drop (call $made)) (call $ok)";
    let bytes = wat::parse_str(component_text(MANIFEST, imports, core, body)).unwrap();
    let failure = failure(run_component(&bytes, Limits::standard()).await);
    assert_eq!(failure.code, "not_granted");
    assert!(failure.message.contains("[static]outgoing-response.made"), "{}", failure.message);
}

#[test]
fn every_unknown_import_is_named_at_once() {
    let imports = r#"
  (import "acme:db/query@1.0.0" (instance (export "go" (func))))
  (import "env" (func))
  (import "spine:plugin/host@0.1.5" (instance (export "teleport" (func)) (export "now-us" (func (result s64)))))"#;
    let runtime = runtime();
    let loaded = load(&runtime, &wat::parse_str(component_text(MANIFEST, imports, "", "(call $ok)")).unwrap());
    assert_eq!(codes(&loaded), ["unknown_import"; 3]);
    for name in ["`acme:db/query@1.0.0`", "`env`", "`spine:plugin/host@0.1.5#teleport`"] {
        assert!(loaded.findings.iter().any(|finding| finding.message.contains(name)), "{:?}", loaded.findings);
    }
    assert!(!loaded.is_usable());
}

#[test]
fn another_contract_is_refused_naming_both_sides() {
    let text = component_text(MANIFEST, "", "", "(call $ok)").replace("@0.1.0", "@0.2.0");
    let loaded = load(&runtime(), &wat::parse_str(text).unwrap());
    assert_eq!(codes(&loaded), ["contract_version"; 2]);
    assert!(loaded.findings.iter().all(|it| it.message.contains("@0.2.0") && it.message.contains("@0.1.1")));
}

#[test]
fn a_patch_of_the_contract_may_differ() {
    let text = component_text(MANIFEST, "", "", "(call $ok)").replace("@0.1.0", "@0.1.7");
    let loaded = load(&runtime(), &wat::parse_str(text).unwrap());
    assert!(loaded.is_usable(), "{:?}", loaded.findings);
}

#[test]
fn other_files_are_refused_for_what_they_are() {
    let runtime = runtime();
    let whole = component(MANIFEST, "(call $ok)");
    let core = wat::parse_str("(module)").unwrap();
    let bare = wat::parse_str("(component)").unwrap();
    for (bytes, code) in [
        (&b"hello"[..], "not_a_component"),
        (&core, "core_module"),
        (&whole[..whole.len() / 2], "not_a_component"),
        (&bare, "missing_export"),
    ] {
        let loaded = load(&runtime, bytes);
        assert_eq!(codes(&loaded), [code]);
        assert!(loaded.findings.iter().all(|it| it.severity == FindingSeverity::Error && !it.hint.is_empty()));
        assert!(!loaded.is_usable());
    }
}

#[test]
fn manifests_are_checked_whole_and_against_the_exports() {
    let runtime = runtime();
    let bad = r#"{"contract": "0.1.0", "name": "P", "version": "", "tasks": [{"name": "p.t"}]}"#;
    let loaded = load(&runtime, &component(bad, "(call $ok)"));
    assert!(codes(&loaded).contains(&"bad_manifest") && codes(&loaded).contains(&"missing_export"), "{loaded:?}");
    assert!(loaded.findings.len() >= 3, "{:?}", loaded.findings);
    assert_eq!(codes(&load(&runtime, &component("{", "(call $ok)"))), ["bad_manifest"]);
}

#[test]
fn a_component_that_cannot_describe_itself_is_refused_in_time() {
    let limits = Limits { wall_clock: Duration::from_millis(100), ..Limits::standard() };
    let runtime = Runtime::open(RuntimeConfig { limits, ..RuntimeConfig::for_cores(2) }).unwrap();
    let text = component_text(MANIFEST, "", "", "(call $ok)");
    let endless = text
        .replace("(func (export \"describe\") (result i32)", "(func (export \"describe\") (result i32) (loop (br 0))");
    let loaded = load(&runtime, &wat::parse_str(endless).unwrap());
    assert_eq!(codes(&loaded), ["describe_failed"]);
    assert!(loaded.findings[0].message.contains("stopped after 0.1 s"), "{:?}", loaded.findings);
    let error = text.replace("(i32.store (i32.const 0) (i32.const 0))", "(i32.store (i32.const 0) (i32.const 1))");
    let loaded = load(&runtime, &wat::parse_str(error).unwrap());
    assert_eq!(codes(&loaded), ["describe_failed"]);
}

#[test]
fn a_folder_loads_its_good_components_beside_the_bad_and_from_the_cache_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::write(plugins.join("a.wasm"), b"junk").unwrap();
    std::fs::write(plugins.join("b.wasm"), component(MANIFEST, "(call $ok)")).unwrap();
    let config = RuntimeConfig { cache_dir: Some(folder.path().join("cache")), ..RuntimeConfig::for_cores(2) };
    for from_cache in [false, true] {
        let runtime = Runtime::open(config.clone()).unwrap();
        let loaded = runtime.load_folder(&plugins).unwrap();
        let usable: Vec<_> = loaded.iter().map(|it| (it.is_usable(), it.from_cache)).collect();
        assert_eq!(usable, [(false, false), (true, from_cache)]);
    }
    let cached = std::fs::read_dir(folder.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&cached).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&cached, bytes).unwrap();
    let loaded = Runtime::open(config).unwrap().load_folder(&plugins).unwrap();
    assert!(loaded[1].is_usable() && !loaded[1].from_cache, "a corrupted file is rebuilt");
}

#[tokio::test]
async fn an_unknown_digest_gives_the_workbench_back() {
    let runtime = runtime();
    let loaded = load(&runtime, b"junk");
    let invoked = runtime.invoke(invocation(&loaded, Limits::standard())).await;
    assert_eq!(failure(invoked).code, "plugin_not_loaded");
}
