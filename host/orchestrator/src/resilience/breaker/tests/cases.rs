//! What opens, what recovers, what closes: step by step at given times.

use super::*;

#[test]
fn case_c1_the_fifth_failure_opens() {
    let mut bench = Bench::new(BreakerPolicy::default());
    let phases: Vec<Phase> = (0..5)
        .map(|_| {
            bench.call(0, Outcome::Failed);
            bench.phase(0)
        })
        .collect();
    assert_eq!(phases, [Phase::Closed, Phase::Closed, Phase::Closed, Phase::Closed, Phase::Open]);
    assert_eq!(bench.breaker.stats().transitions, 1);
    assert_eq!(bench.breaker.stats().last_transition_at, Some(at(0)));
}

#[test]
fn case_c2_an_open_breaker_recovers_at_thirty_seconds_and_lets_one_call_through() {
    let mut bench = Bench::open(BreakerPolicy::default());
    assert_eq!((bench.phase(29_999), bench.ask("early", 29_999)), (Phase::Open, refused(1)));
    assert_eq!(bench.phase(30_000), Phase::HalfOpen, "also before anybody asked");
    assert_eq!(bench.ask("first", 30_000), Admission::Probe);
    assert_eq!(bench.ask("second", 30_000), refused(30_000));
    assert_eq!(bench.breaker.stats().rejected, 2);
}

#[test]
fn case_c3_one_success_closes_where_one_is_enough() {
    let mut bench = Bench::open(BreakerPolicy { successes: 1, ..BreakerPolicy::default() });
    bench.call(30_000, Outcome::Succeeded);
    assert_eq!((bench.phase(30_000), bench.breaker.stats().transitions), (Phase::Closed, 3));
    assert_eq!(bench.ask("next", 30_000), Admission::Allowed);
}

#[test]
fn case_c4_a_failing_probe_opens_for_the_whole_time_again() {
    let mut bench = Bench::open(BreakerPolicy::default());
    bench.call(30_000, Outcome::Failed);
    assert_eq!((bench.phase(30_000), bench.phase(59_000)), (Phase::Open, Phase::Open));
    assert_eq!(bench.ask("early", 59_000), refused(1_000));
    assert_eq!((bench.phase(60_000), bench.ask("probe", 60_000)), (Phase::HalfOpen, Admission::Probe));
}

#[test]
fn case_c5_the_default_breaker_closes_at_its_second_successful_probe() {
    let mut bench = Bench::open(BreakerPolicy::default());
    bench.call(30_000, Outcome::Succeeded);
    assert_eq!(bench.phase(30_000), Phase::HalfOpen);
    bench.call(30_001, Outcome::Succeeded);
    assert_eq!(bench.phase(30_001), Phase::Closed);
    (0..4).for_each(|_| bench.call(30_002, Outcome::Failed));
    assert_eq!(bench.phase(30_002), Phase::Closed, "it counts anew");
}

#[test]
fn case_c6_a_success_begins_the_count_anew() {
    let mut bench = Bench::new(BreakerPolicy::default());
    (0..4).for_each(|_| bench.call(0, Outcome::Failed));
    bench.call(0, Outcome::Succeeded);
    bench.call(0, Outcome::Failed);
    assert_eq!(bench.phase(0), Phase::Closed);
    (0..3).for_each(|_| bench.call(0, Outcome::Failed));
    assert_eq!(bench.phase(0), Phase::Closed);
    bench.call(0, Outcome::Failed);
    assert_eq!(bench.phase(0), Phase::Open);
}

#[test]
fn case_c7_a_late_failure_does_not_postpone_the_recovery() {
    let mut bench = Bench::open(BreakerPolicy::default());
    bench.end("slow", 20_000, Outcome::Failed);
    assert_eq!(bench.ask("early", 29_999), refused(1));
    assert_eq!(bench.ask("probe", 30_000), Admission::Probe);
    bench.end("slower", 30_001, Outcome::Failed);
    bench.end("slowest", 30_001, Outcome::Succeeded);
    assert_eq!(bench.phase(30_001), Phase::HalfOpen, "what is no probe decides nothing");
    assert_eq!((bench.breaker.stats().failed, bench.breaker.stats().successful), (7, 1));
}

#[test]
fn case_c8_forced_open_until_reset() {
    let mut bench = Bench::new(BreakerPolicy::default());
    bench.breaker.force_open(at(0));
    assert_eq!(bench.ask("call", 0), Admission::Refused { retry_after: None });
    assert_eq!(bench.ask("call", 86_400_000), Admission::Refused { retry_after: None }, "no time opens it again");
    assert_eq!(bench.phase(86_400_000), Phase::Open);
    bench.breaker.reset(at(1));
    assert_eq!((bench.phase(1), bench.ask("call", 1)), (Phase::Closed, Admission::Allowed));
    assert_eq!(bench.breaker.stats().transitions, 2);
    bench.breaker.reset(at(2));
    assert_eq!(bench.breaker.stats().transitions, 2, "a closed one was not changed");
}

#[test]
fn case_c9_the_failure_rate_is_a_percentage_of_what_succeeded_or_failed() {
    let mut bench = Bench::new(BreakerPolicy::default());
    assert_eq!(bench.breaker.stats().failure_rate().to_bits(), 0.0_f64.to_bits());
    (0..90).for_each(|_| bench.call(0, Outcome::Succeeded));
    (0..10).for_each(|_| {
        bench.end("late", 0, Outcome::Failed);
        bench.end("late", 0, Outcome::Cancelled);
    });
    let stats = bench.breaker.stats();
    assert_eq!(stats.failure_rate().to_bits(), 10.0_f64.to_bits());
    assert_eq!((stats.total(), stats.successful, stats.failed, stats.cancelled), (110, 90, 10, 10));
}

#[test]
fn case_c10_a_cancelled_probe_returns_its_place() {
    let mut bench = Bench::open(BreakerPolicy::default());
    assert_eq!(bench.ask("a", 30_000), Admission::Probe);
    bench.end("a", 30_500, Outcome::Cancelled);
    assert_eq!((bench.phase(30_500), bench.ask("b", 30_500)), (Phase::HalfOpen, Admission::Probe));
    let blocked = Failure::new(FailureKind::Validation, "quality_blocked", "no");
    bench.end("b", 30_501, Outcome::of(&blocked));
    assert_eq!(bench.phase(30_501), Phase::HalfOpen, "a block is not the target's fault");
    bench.call(30_502, Outcome::Succeeded);
    bench.call(30_503, Outcome::Succeeded);
    assert_eq!(bench.phase(30_503), Phase::Closed);
}

#[test]
fn case_c10_the_place_of_a_dead_probe_comes_back_at_the_end_of_its_lease() {
    let policy = BreakerPolicy { probe_lease_ms: 5_000, ..BreakerPolicy::default() };
    let mut bench = Bench::open(policy);
    assert_eq!(bench.ask("dead", 30_000), Admission::Probe);
    assert_eq!(bench.ask("next", 34_999), refused(1));
    assert_eq!(bench.ask("next", 35_000), Admission::Probe);
    bench.end("dead", 35_001, Outcome::Failed);
    assert_eq!(bench.phase(35_001), Phase::HalfOpen, "it was given up");
    assert_eq!(bench.ask("third", 35_002), refused(4_998));
    assert_eq!(bench.ask("next", 36_000), Admission::Probe, "asked again, it keeps its place");
    assert_eq!(bench.ask("third", 40_999), refused(1), "with a new lease");
}

#[test]
fn case_c11_a_changed_policy_applies_from_the_next_call_on_and_moves_nothing_by_itself() {
    let mut bench = Bench::new(BreakerPolicy::default());
    (0..4).for_each(|_| bench.call(0, Outcome::Failed));
    bench.policy.rule = model::policy::BreakerRule::Consecutive { failures: 2 };
    assert_eq!((bench.phase(0), bench.ask("call", 0)), (Phase::Closed, Admission::Allowed));
    bench.call(0, Outcome::Failed);
    assert_eq!(bench.phase(0), Phase::Open, "what was counted stays");

    bench.policy.recovery_ms = 60_000;
    assert_eq!(bench.ask("probe", 30_000), Admission::Probe, "the time was set when it opened");
    bench.end("probe", 30_000, Outcome::Failed);
    assert_eq!(bench.phase(89_999), Phase::Open);

    bench.policy.recovery_ms = 10_000;
    assert_eq!(bench.ask("early", 40_000), refused(10_000), "and lies no further ahead than the policy would set it");
    assert_eq!(bench.ask("probe", 50_000), Admission::Probe);
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_longer_than_the_policy() {
    const DAY: i64 = 86_400_000;
    let mut bench = Bench::open(BreakerPolicy::default());
    assert_eq!(bench.ask("early", -DAY), refused(30_000));
    assert_eq!(bench.ask("probe", 30_000 - DAY), Admission::Probe);
    assert_eq!(bench.ask("other", -2 * DAY), refused(30_000));
    assert_eq!(bench.ask("other", 300_000 - 2 * DAY), Admission::Probe, "the lease was cut too");
}

#[test]
fn several_probes_go_at_one_time_and_the_first_failure_among_them_opens() {
    let mut bench = Bench::open(BreakerPolicy { probes: 2, successes: 3, ..BreakerPolicy::default() });
    assert_eq!((bench.ask("a", 30_000), bench.ask("b", 30_000)), (Admission::Probe, Admission::Probe));
    assert_eq!(bench.ask("c", 30_000), refused(30_000));
    bench.end("a", 30_001, Outcome::Succeeded);
    assert_eq!(bench.ask("c", 30_001), Admission::Probe);
    bench.end("b", 30_002, Outcome::Failed);
    bench.end("c", 30_003, Outcome::Succeeded);
    assert_eq!(bench.ask("d", 60_001), refused(1), "the late success changed nothing");
}

#[test]
fn a_refusal_is_a_failure_with_the_time_to_ask_again() {
    let failure = circuit_open("finra.org", Some(Duration::from_micros(1_500)));
    assert_eq!((failure.code.as_str(), failure.retryable, failure.retry_after_ms), ("circuit_open", true, Some(2)));
    assert!(!counts_against_target(&failure));
    let forced = circuit_open("finra.org", None);
    assert_eq!((forced.retryable, forced.retry_after_ms), (false, None));
    assert!(forced.message.contains("reset"), "{}", forced.message);
}
