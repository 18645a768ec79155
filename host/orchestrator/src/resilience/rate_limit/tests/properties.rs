//! What no order of questions gets out of a limit, read from and written to JSON in between.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The limit as another process finds it.
fn stored(limit: &Limit) -> Limit {
    let read: Limit = serde_json::from_str(&serde_json::to_string(limit).unwrap()).unwrap();
    assert_eq!(&read, limit);
    read
}

/// What was granted, and when, if somebody asks for `n` calls after so many more microseconds each time.
fn granted(mut limit: Limit, asked: &[(u64, u32)]) -> Vec<(u64, u32)> {
    let mut now = 0;
    let mut granted = Vec::new();
    for (passed, n) in asked {
        now += passed;
        limit = stored(&limit);
        if limit.take(*n, START.plus_micros(now as i64)) == Grant::Granted {
            granted.push((now, *n));
        }
    }
    granted
}

fn bucket_policies() -> impl Strategy<Value = RateLimitPolicy> {
    (0..5_000_000_u64, 1..50_u32)
        .prop_map(|(rate, capacity)| RateLimitPolicy::TokenBucket { per_second: Thousandths::new(rate), capacity })
}

fn window_policies() -> impl Strategy<Value = RateLimitPolicy> {
    (1..20_u32, 1..50_u64).prop_map(|(calls, window_ms)| RateLimitPolicy::SlidingWindow { calls, window_ms })
}

fn asked() -> impl Strategy<Value = Vec<(u64, u32)>> {
    vec((prop_oneof![Just(0_u64), 0..5_000_u64, 0..100_000_u64], 0..12_u32), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_bucket_grants_no_more_than_its_capacity_and_its_rate_in_any_time(
        policy in bucket_policies(),
        asked in asked(),
    ) {
        let RateLimitPolicy::TokenBucket { per_second, capacity } = policy else { unreachable!() };
        let granted = granted(Limit::new(&policy, START), &asked);
        for first in 0..granted.len() {
            let mut calls = 0;
            for (at, n) in &granted[first..] {
                calls += u128::from(*n);
                let passed = u128::from(at - granted[first].0);
                let most = u128::from(capacity) * 1_000_000_000 + passed * u128::from(per_second.get());
                prop_assert!(calls * 1_000_000_000 <= most);
            }
        }
    }

    #[test]
    fn a_window_grants_no_more_than_its_calls_in_any_window(policy in window_policies(), asked in asked()) {
        let RateLimitPolicy::SlidingWindow { calls, window_ms } = policy else { unreachable!() };
        let granted = granted(Limit::new(&policy, START), &asked);
        for (first, _) in &granted {
            let inside = granted.iter().filter(|(at, _)| at >= first && at - first < window_ms * 1_000);
            prop_assert!(inside.map(|(_, n)| n).sum::<u32>() <= calls);
        }
    }

    #[test]
    fn a_wait_is_exactly_as_long_as_it_has_to_be(
        policy in prop_oneof![bucket_policies(), window_policies()],
        asked in asked(),
        n in 1..12_u32,
    ) {
        let mut limit = Limit::new(&policy, START);
        let mut now = START;
        for (passed, n) in &asked {
            now = now.plus_micros(*passed as i64);
            limit.take(*n, now);
        }
        if let Grant::Wait(wait) = limit.check(n, now) {
            let wait = wait.as_micros() as i64;
            prop_assert!(wait > 0);
            prop_assert_eq!(limit.clone().check(n, now.plus_micros(wait)), Grant::Granted);
            prop_assert_eq!(limit.check(n, now.plus_micros(wait - 1)), Grant::Wait(Duration::from_micros(1)));
        }
    }

    #[test]
    fn processes_whose_clocks_disagree_get_no_more_than_one_would(
        policy in bucket_policies(),
        asked in vec((0..5_000_i64, -5_000..5_000_i64, 1..12_u32), 0..60),
    ) {
        let RateLimitPolicy::TokenBucket { per_second, capacity } = policy else { unreachable!() };
        let mut limit = Limit::new(&policy, START);
        let (mut now, mut latest, mut calls) = (0, 0, 0);
        for (passed, ahead, n) in asked {
            now += passed;
            latest = latest.max(now + ahead);
            if limit.take(n, START.plus_micros(now + ahead)) == Grant::Granted {
                calls += u128::from(n);
            }
            let most = u128::from(capacity) * 1_000_000_000 + latest as u128 * u128::from(per_second.get());
            prop_assert!(calls * 1_000_000_000 <= most);
        }
    }
}
