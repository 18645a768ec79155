//! Idempotency keys.

use model::ports::{Ledger, NewRun, Submission};
use model::run::RunStatus;
use model::work::WorkSpec;

use super::places::on_both;
use super::support::{Bench, digest};

on_both! {
    the_same_key_gives_the_same_run,
    of_many_at_once_one_is_new,
    a_key_with_other_parameters_is_refused,
    a_key_stands_for_the_content_of_files_too,
    a_key_of_an_earlier_version_stands_for_its_parameters_alone,
    a_key_leaves_a_failed_run_only_for_who_saw_it_fail_and_only_once,
    parameters_have_a_size_limit,
}

fn with(bench: &Bench, change: impl FnOnce(&mut WorkSpec)) -> NewRun {
    let mut run = bench.new_run();
    change(&mut run.spec);
    NewRun { request_hash: run.spec.idempotency_key.as_ref().map(|_| digest(1)), ..run }
}

fn keyed(bench: &Bench) -> NewRun {
    with(bench, |spec| spec.idempotency_key = Some("k".to_owned()))
}

async fn the_same_key_gives_the_same_run(bench: Bench) {
    let first = keyed(&bench);
    assert_eq!(bench.storage.submit(first.clone()).await.unwrap(), Submission::New);
    assert_eq!(bench.storage.submit(keyed(&bench)).await.unwrap(), Submission::Existing(first.run_id));
}

async fn of_many_at_once_one_is_new(bench: Bench) {
    let (a, b, c) = (keyed(&bench), keyed(&bench), keyed(&bench));
    let (a, b, c) = tokio::join!(bench.storage.submit(a), bench.storage.submit(b), bench.storage.submit(c));
    let new = [a, b, c].into_iter().filter(|answer| answer.as_ref().unwrap() == &Submission::New).count();
    assert_eq!(new, 1);
}

async fn a_key_with_other_parameters_is_refused(bench: Bench) {
    bench.storage.submit(keyed(&bench)).await.unwrap();
    let (mut params, mut name) = (keyed(&bench), keyed(&bench));
    params.spec.params = serde_json::json!({ "file": "b.csv" });
    name.spec.name = "shop.returns".to_owned();
    for other in [params, name] {
        let id = other.run_id;
        let failure = bench.storage.submit(other).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("key_reused", 3));
        assert_eq!(bench.storage.report(id).await.unwrap(), None);
    }
}

async fn a_key_stands_for_the_content_of_files_too(bench: Bench) {
    let first = keyed(&bench);
    bench.storage.submit(first.clone()).await.unwrap();
    for request_hash in [Some(digest(2)), None] {
        let failure = bench.storage.submit(NewRun { request_hash, ..keyed(&bench) }).await.unwrap_err();
        assert_eq!(failure.code, "key_reused");
        assert!(failure.message.contains("content"), "{}", failure.message);
    }
    bench.storage.start(bench.start(first.run_id, 1)).await.unwrap();
    bench.storage.conclude(bench.ended(first.run_id, RunStatus::Failed)).await.unwrap();
    let corrected = NewRun { request_hash: Some(digest(2)), rebind: Some(first.run_id), ..keyed(&bench) };
    assert_eq!(bench.storage.submit(corrected.clone()).await.unwrap(), Submission::New, "a failed run binds nobody");
    let again = NewRun { rebind: None, ..corrected.clone() };
    let again = NewRun { run_id: keyed(&bench).run_id, ..again };
    assert_eq!(bench.storage.submit(again).await.unwrap(), Submission::Existing(corrected.run_id));
    assert_eq!(bench.storage.submit(keyed(&bench)).await.unwrap_err().code, "key_reused");
}

async fn a_key_of_an_earlier_version_stands_for_its_parameters_alone(bench: Bench) {
    let first = NewRun { request_hash: None, ..keyed(&bench) };
    bench.storage.submit(first.clone()).await.unwrap();
    assert_eq!(bench.storage.submit(keyed(&bench)).await.unwrap(), Submission::Existing(first.run_id));
}

async fn a_key_leaves_a_failed_run_only_for_who_saw_it_fail_and_only_once(bench: Bench) {
    let first = keyed(&bench);
    bench.storage.submit(first.clone()).await.unwrap();
    let rebind = |bench: &Bench| NewRun { rebind: Some(first.run_id), ..keyed(bench) };
    let early = bench.storage.submit(rebind(&bench)).await.unwrap();
    assert_eq!(early, Submission::Existing(first.run_id), "it has not ended yet");
    bench.storage.conclude(bench.ended(first.run_id, RunStatus::Cancelled)).await.unwrap();
    assert_eq!(bench.storage.submit(keyed(&bench)).await.unwrap(), Submission::Existing(first.run_id));
    let second = rebind(&bench);
    assert_eq!(bench.storage.submit(second.clone()).await.unwrap(), Submission::New);
    assert_eq!(bench.storage.submit(rebind(&bench)).await.unwrap(), Submission::Existing(second.run_id));
}

async fn parameters_have_a_size_limit(bench: Bench) {
    let params = serde_json::json!({ "file": "x".repeat(300_000) });
    let failure = bench.storage.submit(with(&bench, |spec| spec.params = params)).await.unwrap_err();
    assert_eq!(failure.code, "bad_params");
}
