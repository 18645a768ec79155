//! One token bucket.

use super::*;

#[test]
fn case_b1_a_full_bucket_is_emptied_and_says_when_more_is_there() {
    let mut limit = bucket(10, 5);
    let grants: Vec<Grant> = (0..6).map(|_| limit.take(1, at(0))).collect();
    assert_eq!(grants, [Grant::Granted, Grant::Granted, Grant::Granted, Grant::Granted, Grant::Granted, wait(100)]);
    assert_eq!((limit.check(1, at(0)), limit.check(5, at(0))), (wait(100), wait(500)));
    assert_eq!(limit.check(6, at(0)), Grant::Impossible { most: 5 });
}

#[test]
fn case_b2_a_tenth_of_a_second_gives_exactly_one() {
    let mut limit = bucket(10, 5);
    assert_eq!(limit.take(5, at(0)), Grant::Granted);
    assert_eq!((limit.take(1, at(100)), limit.take(1, at(100))), (Grant::Granted, wait(100)));
}

#[test]
fn case_b3_a_part_of_a_call_is_kept() {
    let mut limit = bucket(10, 5);
    assert_eq!(limit.take(5, at(0)), Grant::Granted);
    assert_eq!(limit.left(at(250)), Thousandths::new(2_500));
    assert_eq!((limit.take(2, at(250)), limit.take(3, at(250))), (Grant::Granted, wait(250)));
    assert_eq!(limit.left(at(250)), Thousandths::new(500));
}

#[test]
fn case_b4_a_long_pause_fills_it_and_no_more() {
    let mut limit = bucket(10, 5);
    assert_eq!(limit.take(5, at(0)), Grant::Granted);
    assert_eq!(limit.left(at(100_000)), Thousandths::new(5_000));
}

#[test]
fn case_b5_more_than_the_capacity_is_impossible_and_takes_nothing() {
    let mut limit = bucket(10, 5);
    assert_eq!(limit.take(10, at(0)), Grant::Impossible { most: 5 });
    assert_eq!(limit.left(at(0)), Thousandths::new(5_000));
}

#[test]
fn case_b6_what_is_left_and_what_is_missing() {
    let mut limit = bucket(2, 10);
    assert_eq!((limit.take(7, at(0)), left(&mut limit, 0) as u32), (Grant::Granted, 3));
    assert_eq!(limit.check(5, at(0)), wait(1_000));
    assert_eq!((limit.take(5, at(1_000)), limit.left(at(1_000))), (Grant::Granted, Thousandths::new(0)));
}

#[test]
fn case_b7_a_rate_of_zero_gives_what_there_is_and_then_never() {
    let mut limit = bucket(0, 2);
    assert_eq!((limit.take(2, at(0)), limit.take(1, at(0))), (Grant::Granted, Grant::Never));
    assert_eq!(limit.check(1, at(1_000_000_000)), Grant::Never);
    assert_eq!(limit.check(3, at(0)), Grant::Impossible { most: 2 });
    let failure = Grant::Never.refusal("finra.org").unwrap();
    assert_eq!((failure.code.as_str(), failure.retryable), ("rate_limited", false));
}

/// A negative number of calls has no form here (`n` is a `u32`), and a policy with one is refused by
/// `model::policy`; nothing can mint calls.
#[test]
fn case_b8_asking_for_nothing_takes_and_gives_nothing() {
    for mut limit in [bucket(10, 5), bucket(0, 1), window(3, 60)] {
        let before = limit.clone();
        assert_eq!((limit.take(0, at(0)), &limit), (Grant::Granted, &before));
    }
    let spec = r#"{ "token_bucket": { "per_second": -1, "capacity": -3 } }"#;
    let spec = model::policy::PolicySpec { rate_limit: serde_json::from_str(spec).unwrap(), ..Default::default() };
    assert_eq!(spec.problems("").len(), 2);
}

#[test]
fn many_small_questions_do_not_make_the_rate_drift() {
    let mut limit =
        Limit::new(&RateLimitPolicy::TokenBucket { per_second: Thousandths::new(333), capacity: 1_000 }, START);
    assert_eq!(limit.take(1_000, START), Grant::Granted);
    for micros in 0..=1_000_000 {
        limit.check(1_000, START.plus_micros(micros));
    }
    assert_eq!(limit.left(START.plus_micros(1_000_000)), Thousandths::new(333));
    assert_eq!(limit.check(1, START.plus_micros(1_000_000)), Grant::Wait(Duration::from_micros(2_003_004)));
}

#[test]
fn a_changed_policy_keeps_what_was_used_and_applies_from_then_on() {
    let mut limit = bucket(10, 10);
    assert_eq!(limit.take(10, at(0)), Grant::Granted);
    limit.change(&bucket_policy(1, 4), at(200));
    assert_eq!(limit.left(at(200)), Thousandths::new(2_000), "refilled with the old rate until then");
    assert_eq!(limit.left(at(1_200)), Thousandths::new(3_000));
    assert_eq!(limit.left(at(9_200)), Thousandths::new(4_000), "the new capacity");
    limit.change(&window_policy(3, 60), at(9_200));
    assert_eq!(limit, Limit::new(&window_policy(3, 60), at(9_200)));
}

#[test]
fn clocks_that_disagree_mint_nothing_and_a_clock_that_was_set_back_is_followed() {
    let mut limit = bucket(1_000, 10);
    assert_eq!(limit.take(10, at(0)), Grant::Granted);
    // Two processes 5 ms apart in turn: only the 5 ms are refilled, once.
    for _ in 0..100 {
        limit.check(10, at(5));
        limit.check(10, at(0));
    }
    assert_eq!(limit.left(at(0)), Thousandths::new(5_000));
    assert_eq!(limit.check(6, at(0)), wait(6), "1 ms of refilling, and 5 until the bucket's time");
    const DAY: i64 = 86_400_000;
    assert_eq!(limit.check(10, at(-DAY)), wait(5));
    assert_eq!(limit.check(10, at(5 - DAY)), Grant::Granted, "not a day later");
}
