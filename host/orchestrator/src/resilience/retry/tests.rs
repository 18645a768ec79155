//! What waits are how long, what is tried again and what is not.

use model::FailureKind;
use model::policy::Thousandths;
use proptest::prelude::*;

use super::*;

const MIDDLE: f64 = 0.5;
const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn exact(strategy: Backoff) -> RetryPolicy {
    RetryPolicy { strategy, jitter: Thousandths::new(0), ..RetryPolicy::default() }
}

fn exponential_of(base_ms: u64, factor: u64, max_ms: u64) -> RetryPolicy {
    exact(Backoff::Exponential { base_ms, factor: Thousandths::new(factor * 1_000), max_ms })
}

/// Seconds after call n + 1, for each n.
fn waits(policy: &RetryPolicy, ns: impl IntoIterator<Item = u32>) -> Vec<f64> {
    ns.into_iter().map(|n| delay(policy, n + 1, MIDDLE).as_secs_f64()).collect()
}

fn network() -> Failure {
    Failure::new(FailureKind::Network, "reset", "the connection was reset")
}

fn after(failure: &Failure, calls: u32) -> Decision {
    decide(&exact(Backoff::EXPONENTIAL), failure, calls, MIDDLE, NOW, None)
}

fn seconds(seconds: u64) -> Decision {
    Decision::Retry { after: Duration::from_secs(seconds) }
}

fn give_up(why: GiveUp) -> Decision {
    Decision::GiveUp { why }
}

#[test]
fn case_r1_exponential_doubles_up_to_its_cap() {
    assert_eq!(waits(&exact(Backoff::EXPONENTIAL), 0..9), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
}

#[test]
fn case_r2_exponential_triples_from_half_a_second() {
    assert_eq!(waits(&exponential_of(500, 3, 30_000), 0..6), [0.5, 1.5, 4.5, 13.5, 30.0, 30.0]);
}

#[test]
fn case_r3_exponential_from_ten_seconds() {
    assert_eq!(waits(&exponential_of(10_000, 2, 30_000), 0..4), [10.0, 20.0, 30.0, 30.0]);
}

#[test]
fn case_r4_linear_by_default() {
    assert_eq!(waits(&exact(Backoff::LINEAR), [0, 1, 2, 3, 4, 40]), [1.0, 2.0, 3.0, 4.0, 5.0, 30.0]);
}

#[test]
fn case_r5_linear_steps() {
    let linear = |base_ms, step_ms, max_ms| exact(Backoff::Linear { base_ms, step_ms, max_ms });
    assert_eq!(waits(&linear(1_000, 2_000, 30_000), 0..4), [1.0, 3.0, 5.0, 7.0]);
    assert_eq!(waits(&linear(5_000, 5_000, 12_000), 0..4), [5.0, 10.0, 12.0, 12.0]);
}

#[test]
fn case_r6_constant() {
    assert_eq!(waits(&exact(Backoff::Constant { delay_ms: 5_000 }), [0, 1, 2, 10]), [5.0; 4]);
}

#[test]
fn case_r7_three_calls_in_all_wait_one_and_two_seconds() {
    let policy = exact(Backoff::EXPONENTIAL);
    let decisions: Vec<Decision> = (1..=3).map(|calls| decide(&policy, &network(), calls, MIDDLE, NOW, None)).collect();
    assert_eq!(decisions, [seconds(1), seconds(2), give_up(GiveUp::AttemptsUsed)]);
}

#[test]
fn case_r8_two_failures_leave_room_for_a_third_call() {
    assert_eq!((after(&network(), 1), after(&network(), 2)), (seconds(1), seconds(2)));
}

#[test]
fn case_r9_no_attempts_and_no_backoff_mean_one_call() {
    for policy in [
        RetryPolicy { attempts_max: 0, ..RetryPolicy::default() },
        RetryPolicy { attempts_max: 1, ..RetryPolicy::default() },
        exact(Backoff::None),
        RetryPolicy::NEVER,
    ] {
        let decision = decide(&policy, &network(), 1, MIDDLE, NOW, None);
        assert_eq!(decision, give_up(GiveUp::AttemptsUsed), "{policy:?}");
    }
}

#[test]
fn case_r10_jitter_ends_at_the_cap_and_still_spreads_there() {
    let policy = RetryPolicy::default();
    let at_cap = |unit| delay(&policy, 10, unit).as_secs_f64();
    assert_eq!((at_cap(0.0), at_cap(MIDDLE), at_cap(1.0)), (45.0, 52.5, 60.0));
    let below = |unit| delay(&policy, 3, unit).as_secs_f64();
    assert_eq!((below(0.0), below(MIDDLE), below(1.0)), (3.0, 4.0, 5.0));
    assert_eq!(delay(&policy, 3, f64::NAN), delay(&policy, 3, MIDDLE));
    assert_eq!((delay(&policy, 3, -7.0), delay(&policy, 3, 7.0)), (delay(&policy, 3, 0.0), delay(&policy, 3, 1.0)));
}

#[test]
fn case_r11_a_failure_that_is_not_retryable_ends_the_run_at_its_first_call() {
    let failure = Failure::new(FailureKind::Validation, "bad_params", "no");
    assert_eq!(after(&failure, 1), give_up(GiveUp::NotRetryable));
}

#[test]
fn case_r12_a_failure_says_how_long_at_least_whatever_the_cap() {
    let asks = |ms| Failure { retry_after_ms: Some(ms), ..network() };
    assert_eq!(after(&asks(60_000), 1), seconds(60));
    assert_eq!(after(&asks(3_600_000), 1), seconds(3_600), "the cap of 60 s does not shorten it");
    assert_eq!(after(&asks(500), 1), seconds(1), "the policy's wait is longer");
    assert_eq!(after(&asks(POLICY_MS_MAX), 1), seconds(86_400));
    assert_eq!(after(&asks(POLICY_MS_MAX + 1), 1), give_up(GiveUp::RetryAfterTooLong));
    assert_eq!(after(&asks(u64::MAX), 1), give_up(GiveUp::RetryAfterTooLong));
}

#[test]
fn case_r13_the_taxonomy_decides_whatever_the_failure_is_called() {
    assert_eq!(after(&network(), 1), seconds(1));
    let source = Failure::new(FailureKind::Source, "unavailable", "503");
    assert_eq!(after(&source, 1), give_up(GiveUp::NotRetryable));
    assert_eq!(after(&source.retryable(true), 1), seconds(1));
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    let missing = Failure::io(model::failure::Reading::Input, "read", "a.txt", &missing);
    assert_eq!(after(&missing, 1), give_up(GiveUp::NotRetryable));
}

#[test]
fn the_next_call_starts_before_the_deadline_or_not_at_all() {
    let policy = exact(Backoff::EXPONENTIAL);
    let until = |micros| decide(&policy, &network(), 1, MIDDLE, NOW, Some(NOW.plus_micros(micros)));
    assert_eq!(until(1_000_001), seconds(1));
    assert_eq!(until(1_000_000), give_up(GiveUp::Deadline));
    assert_eq!(until(-1), give_up(GiveUp::Deadline));
    assert_eq!(serde_json::to_value(GiveUp::RetryAfterTooLong).unwrap(), "retry_after_too_long");
}

fn strategies() -> impl Strategy<Value = Backoff> {
    let ms = || prop_oneof![0..200_000_u64, Just(POLICY_MS_MAX), any::<u64>()];
    let factor = prop_oneof![1_000..100_000_u64, any::<u64>()].prop_map(Thousandths::new);
    prop_oneof![
        (ms(), factor, ms()).prop_map(|(base_ms, factor, max_ms)| Backoff::Exponential { base_ms, factor, max_ms }),
        (ms(), ms(), ms()).prop_map(|(base_ms, step_ms, max_ms)| Backoff::Linear { base_ms, step_ms, max_ms }),
        ms().prop_map(|delay_ms| Backoff::Constant { delay_ms }),
        Just(Backoff::None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waits_never_shrink_nor_exceed_their_cap(
        strategy in strategies(),
        jitter in 0..=1_000_u64,
        calls in prop_oneof![0..200_u32, any::<u32>()],
        more in 0..200_u32,
        unit in any::<f64>(),
    ) {
        let cap = match strategy {
            Backoff::Exponential { max_ms, .. } | Backoff::Linear { max_ms, .. } => micros::of_ms(max_ms),
            Backoff::Constant { .. } => u64::MAX,
            Backoff::None => 0,
        };
        let policy = RetryPolicy { attempts_max: 3, strategy, jitter: Thousandths::new(jitter) };
        let (one, later) = (delay(&policy, calls, unit), delay(&policy, calls.saturating_add(more), unit));
        prop_assert!(one <= later, "{:?} then {:?}", one, later);
        prop_assert!(later <= micros::duration(cap), "{:?}", later);
    }
}
