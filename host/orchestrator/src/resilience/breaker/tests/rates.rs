//! Rules that take a rate over a window.

use model::policy::{BreakerRule, RateWindow, Thousandths};

use super::*;

fn rate(percent: u64, window: RateWindow, calls_min: u32) -> Bench {
    let rule = BreakerRule::Rate { percent: Thousandths::new(percent * 1_000), window, calls_min };
    Bench::new(BreakerPolicy { rule, ..BreakerPolicy::default() })
}

#[test]
fn case_c6_a_rate_over_calls_opens_at_its_percentage_and_not_before_enough_calls() {
    let mut bench = rate(50, RateWindow::Calls(10), 4);
    (0..3).for_each(|_| bench.call(0, Outcome::Failed));
    assert_eq!(bench.phase(0), Phase::Closed, "3 of 3, but 4 are due");
    (0..5).for_each(|_| bench.call(0, Outcome::Succeeded));
    bench.call(0, Outcome::Failed);
    assert_eq!(bench.phase(0), Phase::Closed, "4 of 9");
    bench.call(0, Outcome::Failed);
    assert_eq!(bench.phase(0), Phase::Open, "5 of 10");
}

#[test]
fn a_window_of_calls_forgets_the_oldest_and_ignores_what_says_nothing() {
    let mut bench = rate(60, RateWindow::Calls(5), 5);
    (0..2).for_each(|_| bench.call(0, Outcome::Failed));
    (0..3).for_each(|_| bench.call(0, Outcome::Succeeded));
    (0..20).for_each(|_| bench.call(0, Outcome::Cancelled));
    bench.call(0, Outcome::Failed);
    bench.call(0, Outcome::Failed);
    assert_eq!(bench.phase(0), Phase::Closed, "2 of the latest 5");
    bench.call(0, Outcome::Failed);
    assert_eq!(bench.phase(0), Phase::Open, "3 of the latest 5");
}

#[test]
fn more_calls_than_the_window_holds_are_never_asked_for() {
    let mut bench = rate(100, RateWindow::Calls(3), 10);
    (0..3).for_each(|_| bench.call(0, Outcome::Failed));
    assert_eq!(bench.phase(0), Phase::Open);
}

#[test]
fn a_window_in_time_forgets_by_age_in_bounded_memory() {
    let mut bench = rate(50, RateWindow::Ms(10_000), 4);
    (0..3).for_each(|n| bench.call(n, Outcome::Failed));
    bench.call(11_003, Outcome::Failed);
    assert_eq!(bench.phase(11_003), Phase::Closed, "the first three are too old");
    for n in 0..10_000 {
        bench.call(11_003 + n * 10, if n % 4 == 3 { Outcome::Failed } else { Outcome::Succeeded });
    }
    assert_eq!(bench.phase(111_003), Phase::Closed, "a quarter of them failed");
    let BreakerState::Closed { counted: Counted::Slices { slices } } = bench.breaker.state() else { panic!() };
    assert!(slices.len() <= 12, "{}", slices.len());
    (0..1_000).for_each(|n| {
        if bench.phase(111_003 + n) == Phase::Closed {
            bench.call(111_003 + n, Outcome::Failed);
        }
    });
    assert_eq!(bench.phase(112_003), Phase::Open);
}

#[test]
fn another_kind_of_rule_begins_to_count_anew() {
    let mut bench = Bench::new(BreakerPolicy::default());
    (0..4).for_each(|_| bench.call(0, Outcome::Failed));
    let consecutive = bench.policy.rule.clone();
    bench.policy.rule =
        BreakerRule::Rate { percent: Thousandths::new(50_000), window: RateWindow::Ms(1_000), calls_min: 2 };
    bench.call(0, Outcome::Failed);
    assert_eq!(bench.phase(0), Phase::Closed);
    bench.policy.rule = consecutive;
    (0..4).for_each(|_| bench.call(0, Outcome::Failed));
    assert_eq!(bench.phase(0), Phase::Closed);
}
