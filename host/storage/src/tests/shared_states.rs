//! States that processes share: of several who saw one version, one changes it.

use model::ports::{SharedKind, SharedState, SharedStates};
use serde_json::{Value, json};

use super::places::on_both;
use super::support::Bench;

on_both! {
    a_state_is_changed_by_who_saw_its_latest_version,
    states_of_other_kinds_and_keys_stand_apart,
    swaps_of_one_group_answer_each_for_itself,
    a_state_survives_its_process,
}

const KEY: &str = "shop.sales";

async fn stored(bench: &Bench, kind: SharedKind, key: &str) -> Option<(u64, Value)> {
    let state = bench.storage.load(kind, key).await.unwrap();
    state.map(|SharedState { version, state }| (version, state))
}

async fn swap(bench: &Bench, expected: Option<u64>, state: Value) -> bool {
    bench.storage.swap(SharedKind::Breaker, KEY, expected, state).await.unwrap()
}

async fn a_state_is_changed_by_who_saw_its_latest_version(bench: Bench) {
    assert_eq!(stored(&bench, SharedKind::Breaker, KEY).await, None);
    assert!(!swap(&bench, Some(1), json!({ "calls": 9 })).await, "there is nothing to change");
    assert!(swap(&bench, None, json!({ "calls": 1, "text": "a\u{0}b" })).await);
    assert!(!swap(&bench, None, json!({ "calls": 9 })).await, "somebody was first");
    assert!(swap(&bench, Some(1), json!({ "calls": 2 })).await);
    assert!(!swap(&bench, Some(1), json!({ "calls": 9 })).await);
    assert_eq!(stored(&bench, SharedKind::Breaker, KEY).await, Some((2, json!({ "calls": 2 }))));
}

async fn states_of_other_kinds_and_keys_stand_apart(bench: Bench) {
    assert!(swap(&bench, None, json!(1)).await);
    assert!(bench.storage.swap(SharedKind::RateLimit, KEY, None, json!(2)).await.unwrap());
    assert!(bench.storage.swap(SharedKind::Breaker, "shop.returns", None, json!(3)).await.unwrap());
    assert_eq!(stored(&bench, SharedKind::Breaker, KEY).await, Some((1, json!(1))));
    assert_eq!(stored(&bench, SharedKind::RateLimit, KEY).await, Some((1, json!(2))));
    assert_eq!(stored(&bench, SharedKind::Breaker, "shop.returns").await, Some((1, json!(3))));
}

async fn swaps_of_one_group_answer_each_for_itself(bench: Bench) {
    assert!(swap(&bench, None, json!(0)).await);
    let all = tokio::join!(
        swap(&bench, Some(1), json!(1)),
        swap(&bench, Some(1), json!(2)),
        swap(&bench, Some(1), json!(3)),
        bench.storage.swap(SharedKind::Breaker, "shop.returns", None, json!(4)),
    );
    assert_eq!([all.0, all.1, all.2].iter().filter(|stored| **stored).count(), 1, "{all:?}");
    assert_eq!(all.3, Ok(true));
    assert_eq!(stored(&bench, SharedKind::Breaker, KEY).await.unwrap().0, 2);
}

async fn a_state_survives_its_process(bench: Bench) {
    assert!(swap(&bench, None, json!({ "calls": 1 })).await);
    let bench = bench.reopen().await;
    assert_eq!(stored(&bench, SharedKind::Breaker, KEY).await, Some((1, json!({ "calls": 1 }))));
}

/// Counters that several processes raise one by one lose nothing.
#[tokio::test]
async fn no_change_of_another_process_is_lost() {
    let Some(one) = Bench::on_postgres().await else { return };
    let two = one.another().await;
    let raise = async |bench: &Bench| {
        for _ in 0..10 {
            loop {
                let seen = stored(bench, SharedKind::Breaker, KEY).await;
                let (expected, count) =
                    seen.map_or((None, 0), |(version, state)| (Some(version), state.as_u64().unwrap()));
                if swap(bench, expected, json!(count + 1)).await {
                    break;
                }
            }
        }
    };
    tokio::join!(raise(&one), raise(&two));
    assert_eq!(stored(&one, SharedKind::Breaker, KEY).await, Some((20, json!(20))));
}
