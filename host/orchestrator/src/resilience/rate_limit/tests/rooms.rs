//! Who waits is served in order, or told that it will not be.

use super::*;

fn limiter(limit: Limit) -> RateLimiter {
    RateLimiter::new(Composite::new(vec![limit]), 100)
}

fn waits(limiter: &mut RateLimiter, n: u32, now: Timestamp) -> Ticket {
    match limiter.enter(n, now) {
        Ok(Entered::Waits(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

fn look_again(ms: u64) -> Polled {
    Polled { look_again: Some(Duration::from_millis(ms)), ..Polled::default() }
}

#[test]
fn case_b14_who_has_to_wait_goes_within_a_hundredth_of_a_second() {
    let mut limiter = limiter(bucket(100, 1));
    assert_eq!(limiter.enter(1, at(0)), Ok(Entered::Granted));
    let ticket = waits(&mut limiter, 1, at(0));
    assert_eq!(limiter.poll(at(0)), look_again(10));
    assert_eq!(limiter.poll(at(9)), look_again(1));
    assert_eq!(limiter.poll(at(10)), Polled { granted: vec![ticket], ..Polled::default() });
    assert_eq!((limiter.waiting(), limiter.poll(at(10))), (0, Polled::default()));
}

#[test]
fn case_b14_a_large_request_is_served_before_the_small_ones_that_came_later() {
    let mut limiter = limiter(bucket(10, 5));
    assert_eq!(limiter.enter(4, at(0)), Ok(Entered::Granted));
    let large = waits(&mut limiter, 5, at(0));
    let small: Vec<Ticket> = (0..4).map(|n| waits(&mut limiter, 1, at(n))).collect();
    assert_eq!(limiter.poll(at(300)), look_again(100), "4 are there, and nobody takes them");
    assert_eq!(limiter.poll(at(400)).granted, [large]);
    assert_eq!(limiter.poll(at(600)).granted, small[..2]);
    assert_eq!(limiter.poll(at(800)), Polled { granted: small[2..].to_vec(), ..Polled::default() });
}

#[test]
fn case_b14_the_same_with_a_window_and_with_several_limits() {
    let mut limiter = RateLimiter::new(Composite::new(vec![window(2, 10), bucket(1, 2)]), 100);
    assert_eq!(limiter.enter(2, at(0)), Ok(Entered::Granted));
    let (first, second) = (waits(&mut limiter, 2, at(0)), waits(&mut limiter, 1, at(0)));
    assert_eq!(limiter.poll(at(2_000)), look_again(8_000), "the bucket has them, the window does not");
    assert_eq!(limiter.poll(at(10_000)), Polled { granted: vec![first], ..look_again(10_000) });
    assert_eq!(limiter.poll(at(20_000)).granted, [second]);
}

#[test]
fn nobody_waits_for_what_cannot_come_or_before_a_full_room() {
    let mut limiter = RateLimiter::new(Composite::new(vec![bucket(1, 2)]), 1);
    assert_eq!(limiter.enter(3, at(0)), Err(Refusal::Impossible { most: 2 }));
    assert_eq!(limiter.enter(2, at(0)), Ok(Entered::Granted));
    waits(&mut limiter, 1, at(0));
    assert_eq!(limiter.enter(1, at(0)), Err(Refusal::Full { waiting: 1 }));
    let codes = [Refusal::Full { waiting: 1 }, Refusal::Never, Refusal::Impossible { most: 2 }]
        .map(|refusal| refusal.failure("finra.org"))
        .map(|failure| (failure.code, failure.retryable));
    assert_eq!(codes, [true, false, false].map(|retryable| ("rate_limited".to_owned(), retryable)));
    let mut limiter = RateLimiter::new(Composite::new(vec![bucket(0, 1)]), 1);
    assert_eq!((limiter.enter(1, at(0)), limiter.enter(1, at(0))), (Ok(Entered::Granted), Err(Refusal::Never)));
}

#[test]
fn who_waits_when_the_limit_changes_is_served_or_told_so() {
    let mut limiter = limiter(bucket(1, 3));
    assert_eq!(limiter.enter(3, at(0)), Ok(Entered::Granted));
    let (large, small) = (waits(&mut limiter, 3, at(0)), waits(&mut limiter, 1, at(0)));
    limiter.limits_mut().limits_mut()[0].change(&bucket_policy(0, 2), at(1_000));
    let refused = vec![(large, Refusal::Impossible { most: 2 })];
    assert_eq!(limiter.poll(at(1_000)), Polled { granted: vec![small], refused, look_again: None });
}

#[test]
fn who_leaves_takes_nothing_and_lets_those_behind_go() {
    let mut limiter = limiter(bucket(1, 3));
    assert_eq!(limiter.enter(2, at(0)), Ok(Entered::Granted));
    let (large, small) = (waits(&mut limiter, 3, at(0)), waits(&mut limiter, 1, at(0)));
    assert!(limiter.leave(large) && !limiter.leave(large));
    assert_eq!(limiter.poll(at(0)), Polled { granted: vec![small], ..Polled::default() });
}

#[test]
fn a_refusal_is_a_failure_with_the_time_to_wait() {
    let failure = Grant::Wait(Duration::from_micros(1)).refusal("finra.org").unwrap();
    assert_eq!((failure.code.as_str(), failure.retryable, failure.retry_after_ms), ("rate_limited", true, Some(1)));
    assert!(Grant::Granted.refusal("finra.org").is_none());
    assert!(!super::super::super::breaker::counts_against_target(&failure));
}
