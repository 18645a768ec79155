//! Several limits at once, and one for each key.

use std::sync::Mutex;

use super::*;

fn whole(limit: &Limit) -> u64 {
    limit.clone().left(START).get() / 1_000
}

#[test]
fn case_b11_a_refusal_of_one_leaves_all_others_uncharged() {
    let mut both = Composite::new(vec![bucket(1, 5), bucket(1, 2)]);
    assert_eq!([both.take(1, START), both.take(1, START)], [Grant::Granted; 2]);
    assert_eq!(both.take(1, START), wait(1_000));
    let left: Vec<u64> = both.limits().iter().map(whole).collect();
    assert_eq!(left, [3, 0]);
}

#[test]
fn case_b11_also_when_many_ask_at_one_time() {
    let both = Mutex::new(Composite::new(vec![bucket(1, 500), window(200, 60), bucket(1, 300)]));
    let granted: usize = std::thread::scope(|scope| {
        let asking = |_| scope.spawn(|| (0..100).filter(|_| ask(&both) == Grant::Granted).count());
        let threads: Vec<_> = (0..8).map(asking).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let left: Vec<u64> = both.lock().unwrap().limits().iter().map(whole).collect();
    assert_eq!((granted, left), (200, vec![300, 0, 100]));
}

fn ask(limits: &Mutex<Composite>) -> Grant {
    limits.lock().unwrap().take(1, START)
}

#[test]
fn case_b11_the_strictest_of_several_answers() {
    let of = |limits: Vec<Limit>, n| Composite::new(limits).take(n, START);
    assert_eq!(of(vec![], u32::MAX), Grant::Granted, "an empty one grants everything");
    let spent = |mut limit: Limit| {
        assert_eq!(limit.take(3, START), Grant::Granted);
        limit
    };
    let (slow, slower, never) = (spent(bucket(2, 3)), spent(bucket(1, 3)), spent(bucket(0, 3)));
    assert_eq!(of(vec![slow.clone(), slower.clone(), bucket(1, 9)], 1), wait(1_000));
    assert_eq!(of(vec![slow, never.clone(), slower], 1), Grant::Never);
    assert_eq!(of(vec![never, window(2, 1), bucket(1, 4)], 5), Grant::Impossible { most: 2 });
}

#[test]
fn case_b12_a_key_leaves_the_others_alone() {
    let mut keyed = Keyed::new(RateLimitPolicy::default());
    let granted = (0..21).filter(|_| keyed.take("a", 1, START) == Grant::Granted).count();
    assert_eq!((granted, keyed.take("a", 1, START)), (20, wait(100)));
    assert_eq!(keyed.take("b", 20, START), Grant::Granted);
}

#[test]
fn case_b13_keys_that_are_unused_again_are_forgotten() {
    let mut keyed = Keyed::new(bucket_policy(10, 2)).cleaned_every(3);
    assert_eq!((keyed.take("a", 1, at(0)), keyed.take("b", 2, at(0))), (Grant::Granted, Grant::Granted));
    assert_eq!(keyed.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(keyed.take("c", 1, at(100_000)), Grant::Granted);
    assert_eq!(keyed.keys().collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_key_in_use_is_never_forgotten_whatever_the_kind_and_a_policy_changes_for_all() {
    let mut keyed = Keyed::new(window_policy(1, 60)).cleaned_every(0);
    assert_eq!((keyed.take("a", 1, at(0)), keyed.take("b", 1, at(59_000))), (Grant::Granted, Grant::Granted));
    assert_eq!((keyed.take("a", 1, at(59_999)), keyed.take("b", 1, at(60_000))), (wait(1), wait(59_000)));
    assert_eq!(keyed.keys().collect::<Vec<_>>(), ["b"], "the window of `a` is over");
    keyed.change(window_policy(2, 60), at(60_000));
    assert_eq!(keyed.take("b", 1, at(60_000)), Grant::Granted);
    let json = serde_json::to_string(&keyed).unwrap();
    assert_eq!(serde_json::from_str::<Keyed>(&json).unwrap(), keyed);
}

#[test]
fn a_refusal_is_a_failure_with_the_time_to_wait() {
    let failure = Grant::Wait(Duration::from_micros(1)).refusal("finra.org").unwrap();
    assert_eq!((failure.code.as_str(), failure.retryable, failure.retry_after_ms), ("rate_limited", true, Some(1)));
    assert!(Grant::Granted.refusal("finra.org").is_none());
    assert!(!super::super::super::breaker::counts_against_target(&failure));
}
