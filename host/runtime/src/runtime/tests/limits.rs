//! Each limit of an attempt that the engine enforces, and a guest that runs into it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Failure;
use model::limits::Limits;
use model::ports::{Cancel, Invocation, Invoker as _};

use super::{
    CLOCK, CLOCK_CORE, FILES, FILES_CORE, LOG, LOG_CORE, codes, failure, invocation, load, run, run_component, runtime,
};
use crate::attempt::Occupied;
use crate::engine::INSTANCES_MAX;
use crate::testing::{MANIFEST, component, component_text};

fn assert_names(failure: &Failure, code: &str, key: &str) {
    assert_eq!(failure.code, code, "{failure}");
    for part in ["plugin `p`", &format!("`limits.{key}`")] {
        assert!(failure.message.contains(part), "{failure}");
    }
}

/// A component with more core code beside what [`component_text`] has.
fn with_more(more: &str, body: &str) -> Vec<u8> {
    let text = component_text(MANIFEST, "", "", body);
    wat::parse_str(text.replacen("(core instance $code", &format!("{more}\n  (core instance $code"), 1)).unwrap()
}

#[tokio::test]
async fn computing_too_long_ends_at_the_processor_time_with_the_place_where_it_was() {
    let limits = Limits { cpu_time: Duration::from_millis(50), ..Limits::standard() };
    let started = Instant::now();
    let invoked = run("(loop (br 0)) unreachable", limits).await;
    assert!(invoked.usage.cpu_us >= 50_000, "{:?}", invoked.usage);
    let failure = failure(invoked);
    assert_names(&failure, "cpu_limit", "cpu_time");
    assert_eq!(failure.trap.unwrap().frames[0].function, "run");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_table_bomb_ends_at_its_elements() {
    let text = component_text(
        MANIFEST,
        "",
        "",
        "(loop (drop (table.grow $t (ref.null func) (i32.const 1000))) (br 0)) unreachable",
    );
    let text = text.replacen("(func $ok ", "(table $t 1 funcref)\n    (func $ok ", 1);
    let invoked = run_component(&wat::parse_str(text).unwrap(), Limits::standard()).await;
    assert_names(&failure(invoked), "table_elements_limit", "table_elements");
}

#[tokio::test]
async fn a_component_of_too_many_parts_is_refused_by_what_there_are_too_many_of() {
    let module = |what: &str| format!("(core module $more {what})\n  (core instance (instantiate $more))");
    let cases = [
        ("", Limits { instances: 1, ..Limits::standard() }, "instances_limit", "instances"),
        ("(memory 1)", Limits { memories: 1, ..Limits::standard() }, "memories_limit", "memories"),
        ("(table 1 funcref)", Limits { tables: 0, ..Limits::standard() }, "tables_limit", "tables"),
    ];
    for (what, limits, code, key) in cases {
        let invoked = run_component(&with_more(&module(what), "(call $ok)"), limits).await;
        assert_names(&failure(invoked), code, key);
    }
}

#[test]
fn what_the_defaults_do_not_allow_is_refused_when_it_is_loaded() {
    let many = "(core instance (instantiate $more))\n".repeat(Limits::standard().instances as usize);
    let loaded = load(&runtime(), &with_more(&format!("(core module $more)\n{many}"), "(call $ok)"));
    assert_eq!(codes(&loaded), ["describe_failed"]);
    assert!(loaded.findings[0].message.contains("`limits.instances`"), "{:?}", loaded.findings);
}

#[tokio::test]
async fn many_tiny_calls_of_the_host_end_at_their_number() {
    let imports = CLOCK.replace("(export \"files\" (func (param \"folder\" string) (result u32)))", "");
    let body = "(loop (drop (call $now)) (br 0)) unreachable";
    let bytes = wat::parse_str(component_text(MANIFEST, &imports, CLOCK_CORE, body)).unwrap();
    let invoked = run_component(&bytes, Limits { host_calls: 1_000, ..Limits::standard() }).await;
    assert_eq!(invoked.usage.host_calls, 1_001);
    let failure = failure(invoked);
    assert_names(&failure, "host_calls_limit", "host_calls");
    let calls = failure.trap.unwrap().host_calls;
    assert_eq!((calls.len(), calls[0].name.as_str()), (32, "now-us"));
    assert!(calls.is_sorted_by_key(|call| call.at));
}

#[tokio::test]
async fn whatever_becomes_of_guests_nothing_of_them_is_left() {
    let runtime = runtime();
    let limits = Limits { memory_bytes: 4 << 20, cpu_time: Duration::from_millis(30), ..Limits::standard() };
    for body in [
        "(call $ok)",
        "unreachable",
        "(loop (br 0)) unreachable",
        "(loop (br_if 0 (memory.grow (i32.const 9))))
      unreachable",
    ] {
        let loaded = load(&runtime, &component(MANIFEST, body));
        let _ = runtime.invoke(invocation(&loaded, limits.clone())).await;
        assert_eq!(runtime.occupied(), Occupied::default(), "{body}");
    }
}

#[tokio::test]
async fn more_guests_than_there_are_places_wait_for_one() {
    let runtime = Arc::new(runtime());
    let busy = load(&runtime, &component(MANIFEST, "(loop (br 0)) unreachable"));
    let brief = load(&runtime, &component(MANIFEST, "(call $ok)"));
    let cancel = Cancel::default();
    let invoke = |invocation| {
        let runtime = Arc::clone(&runtime);
        tokio::spawn(async move { runtime.invoke(invocation).await })
    };
    let guests: Vec<_> = (0..INSTANCES_MAX + 4)
        .map(|_| invoke(Invocation { cancel: cancel.clone(), ..invocation(&busy, Limits::standard()) }))
        .collect();
    while runtime.occupied().instances < INSTANCES_MAX as u64 {
        tokio::task::yield_now().await;
    }
    let last = invoke(invocation(&brief, Limits::standard()));
    cancel.cancel();
    for guest in guests {
        assert_eq!(failure(guest.await.unwrap()).code, "cancelled");
    }
    assert!(last.await.unwrap().answer.is_ok());
    assert_eq!(runtime.occupied(), Occupied::default());
}

/// The host copies an answer into the guest by a function of the guest, which calls the host again.
#[tokio::test]
async fn a_guest_that_calls_the_host_while_the_host_calls_it_is_stopped() {
    let imports = FILES
        .replacen("(export \"files\"", "(export \"now-us\" (func (result s64)))\n    (export \"files\"", 1)
        .replace(
            "(core instance $env",
            "(core func $now (canon lower (func $host \"now-us\")))\n  (core instance $env (export \"now\" (func $now))",
        );
    let core = format!(
        r#"{FILES_CORE}
    (import "env" "now" (func $now (result i64)))
    (import "memory" "hooks" (table 1 funcref))
    (elem (i32.const 0) $again)
    (func $again (drop (call $now)))"#
    );
    let body = "(call $files (i32.const 0) (i32.const 0) (i32.const 256)) (call $ok)";
    let text = component_text(MANIFEST, &imports, &core, body)
        .replacen(
            "(memory (export \"memory\") 1)",
            "(memory (export \"memory\") 1)\n    (table (export \"hooks\") 1 funcref)",
            1,
        )
        .replacen("      (global.get $end)", "      (call_indirect (i32.const 0))\n      (global.get $end)", 1);
    let failure = failure(run_component(&wat::parse_str(text).unwrap(), Limits::standard()).await);
    assert_eq!(failure.code, "trapped");
    assert!(
        failure.message.contains("`p`") && failure.message.contains("cannot leave component instance"),
        "{failure}"
    );
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused_where_it_crosses() {
    let body = "(i32.store8 (i32.const 512) (i32.const 255))
      (call $log (i32.const 0) (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 0) (i32.const 0)) (call $ok)";
    let bytes = wat::parse_str(component_text(MANIFEST, LOG, LOG_CORE, body)).unwrap();
    let failure = failure(run_component(&bytes, Limits::standard()).await);
    assert_eq!(failure.code, "trapped");
    assert!(failure.message.contains("`p`") && failure.message.contains("utf-8"), "{failure}");
}
