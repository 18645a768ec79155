//! One sliding window.

use super::*;

fn seconds(seconds: i64) -> Timestamp {
    at(seconds * 1_000)
}

#[test]
fn case_b9_three_calls_in_any_sixty_seconds() {
    let mut limit = window(3, 60);
    let grants = [0, 10, 20, 30, 60, 61, 70, 75, 80].map(|second| limit.take(1, seconds(second)));
    let ok = Grant::Granted;
    assert_eq!(grants, [ok, ok, ok, wait(30_000), ok, wait(9_000), ok, wait(5_000), ok]);
}

#[test]
fn case_b10_several_calls_at_one_time() {
    let mut limit = window(5, 10);
    assert_eq!(limit.take(3, seconds(0)), Grant::Granted);
    assert_eq!((limit.take(3, seconds(4)), limit.check(3, seconds(4))), (wait(6_000), wait(6_000)));
    assert_eq!(limit.take(2, seconds(4)), Grant::Granted);
    assert_eq!(limit.check(4, seconds(4)), wait(10_000));
    assert_eq!(limit.take(3, seconds(10)), Grant::Granted);
    assert_eq!(left(&mut limit, 10_000) as u32, 0, "5 are counted");
    assert_eq!(limit.check(6, seconds(10)), Grant::Impossible { most: 5 });
}

#[test]
fn a_changed_policy_counts_the_calls_that_are_remembered() {
    let mut limit = window(5, 10);
    assert_eq!(limit.take(5, seconds(0)), Grant::Granted);
    limit.change(&window_policy(2, 20), seconds(1));
    assert_eq!(limit.check(1, seconds(1)), wait(19_000));
    limit.change(&window_policy(7, 5), seconds(1));
    assert_eq!((limit.take(2, seconds(1)), limit.take(1, seconds(1))), (Grant::Granted, wait(4_000)));
}

#[test]
fn clocks_that_disagree_give_no_call_more_and_a_clock_that_was_set_back_is_followed() {
    let mut limit = window(2, 10);
    assert_eq!((limit.take(1, at(5)), limit.take(1, at(0))), (Grant::Granted, Grant::Granted));
    assert_eq!(limit.check(1, at(0)), wait(10_005), "both count from the later time");
    const DAY: i64 = 86_400;
    assert_eq!(limit.check(2, seconds(-DAY)), wait(10_000));
    assert_eq!(limit.check(2, seconds(10 - DAY)), Grant::Granted);
}
