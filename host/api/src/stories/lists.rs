//! Lists of runs, backfills, and what is known of a plugin.

use axum::http::StatusCode;
use model::run::{RunKind, RunStatus};
use serde_json::json;

use super::{Bench, the_run};

#[tokio::test]
async fn a_list_takes_the_filters_of_the_command_line() {
    let bench = Bench::new();
    let id = the_run();
    let path = format!("/api/v1/runs?status=timed_out&name=d.daily&kind=task&parent={id}&limit=7&before={id}");
    let reply = bench.get(&path).await;
    assert_eq!((reply.status, reply.json()), (StatusCode::OK, json!({ "runs": [], "next": id })));
    let asked = bench.runs.0.lock().unwrap()[0].clone();
    assert_eq!((asked.status, asked.kind), (Some(RunStatus::TimedOut), Some(RunKind::Task)));
    assert_eq!((asked.name.as_deref(), asked.parent, asked.before), (Some("d.daily"), Some(id), Some(id)));
    assert_eq!(asked.limit.get(), 7);
    bench.get("/api/v1/runs").await;
    assert_eq!(bench.runs.0.lock().unwrap()[1].limit.get(), 50);
    assert_eq!(bench.get(&format!("/api/v1/runs/{id}/children?kind=task")).await.status, StatusCode::OK);
    assert_eq!(bench.runs.0.lock().unwrap()[2].parent, Some(id));
    let nobody = "run_00000000000070008000000000000000";
    assert_eq!(bench.get(&format!("/api/v1/runs/{nobody}/children")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_list_cannot_take_is_said() {
    let bench = Bench::new();
    for (query, part) in [
        ("status=zz", "unknown status `zz`"),
        ("status=fialed", "did you mean `failed`?"),
        ("kind=step", "unknown kind `step`"),
        ("limit=201", "from 1 to 200"),
        ("limit=0", "from 1 to 200"),
        ("limit=-1", "from 1 to 200"),
        ("before=x", "`before`"),
        ("stauts=failed", "stauts"),
    ] {
        let reply = bench.get(&format!("/api/v1/runs?{query}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "bad_params"), "{query}");
        assert!(reply.text.contains(part), "{query}: {}", reply.text);
    }
    assert!(bench.runs.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_backfill_is_taken_and_what_is_no_backfill_is_not() {
    let bench = Bench::new();
    let body = r#"{"items": [{"name": "d.daily", "text": {"day": "1"}}, {"name": "d.add", "params": {"n": 1}}], "parallel": 2}"#;
    let reply = bench.post("/api/v1/backfills", body).await;
    let location = format!("/api/v1/runs/{}", the_run());
    assert_eq!((reply.status, reply.location), (StatusCode::ACCEPTED, Some(location)));
    let asked = bench.engine.backfills.lock().unwrap()[0].clone();
    assert_eq!((asked.items.len(), asked.parallel, asked.items[1].name.as_str()), (2, Some(2), "d.add"));
    for body in ["[]", r#"{"items": [{"nmae": "d.add"}]}"#, r#"{"items": [], "parallel": -1}"#] {
        let reply = bench.post("/api/v1/backfills", body).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "bad_params"), "{body}");
    }
}

#[tokio::test]
async fn a_plugin_its_history_and_its_grants_can_be_asked_for_by_name() {
    let bench = Bench::new();
    for part in ["", "/history", "/grants"] {
        assert_eq!(bench.get(&format!("/api/v1/plugins/d{part}")).await.status, StatusCode::OK, "{part}");
        let reply = bench.get(&format!("/api/v1/plugins/nobody{part}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::NOT_FOUND, "unknown_name"), "{part}");
        let reply = bench.get(&format!("/api/v1/plugins/%ff{part}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "bad_params"), "{part}");
    }
    assert_eq!(bench.get("/api/v1/plugins/d").await.json()[0]["name"], "d");
    assert_eq!(bench.get("/api/v1/runs/%ff").await.code(), "bad_params", "not UTF-8");
}
