//! The thresholds, at their edges.

use HealthStatus::{Degraded, Healthy, Unhealthy};

use super::*;
use crate::failure::FailureKind;

fn rate(failed: u64, judged: u64) -> HealthStatus {
    failure_rate(Ok(Ends { completed: judged - failed, failed })).status
}

#[test]
fn case_y1_open_dead_letters() {
    let status = |open| dead_letters(Ok(open)).status;
    assert_eq!([0, 9].map(status), [Healthy; 2]);
    assert_eq!([10, 49].map(status), [Degraded; 2]);
    assert_eq!([50, 51].map(status), [Unhealthy; 2]);
}

#[test]
fn case_y2_the_failure_rate() {
    assert_eq!([(9, 100), (0, 0), (0, 5)].map(|(failed, judged)| rate(failed, judged)), [Healthy; 3]);
    assert_eq!([(10, 100), (24, 100)].map(|(failed, judged)| rate(failed, judged)), [Degraded; 2]);
    assert_eq!([(25, 100), (100, 100)].map(|(failed, judged)| rate(failed, judged)), [Unhealthy; 2]);
    assert_eq!([rate(1, 10), rate(3, 10)], [Degraded, Unhealthy], "ten are a sample");
}

#[test]
fn one_failure_of_one_run_does_not_make_a_host_unhealthy() {
    assert_eq!([(1, 1), (1, 9)].map(|(failed, judged)| rate(failed, judged)), [Healthy; 2]);
    assert_eq!([(2, 2), (9, 9)].map(|(failed, judged)| rate(failed, judged)), [Degraded; 2]);
}

#[test]
fn case_y3_stale_runs() {
    let status = |counts| stale_runs(Ok(counts)).status;
    assert_eq!(status([0, 0]), Healthy);
    assert_eq!([[1, 0], [4, 4], [9, 0]].map(status), [Degraded; 3]);
    assert_eq!(status([5, 5]), Unhealthy);
}

#[test]
fn case_y4_y5_expired_leases_count_and_held_ones_do_not() {
    let status = |held, expired| leases(Ok(LeaseCounts { held, expired })).status;
    assert_eq!(status(0, 7), Degraded);
    assert_eq!([status(1, 0), status(1_000, 0), status(0, 4)], [Healthy; 3]);
    assert_eq!([status(0, 9), status(0, 10)], [Degraded, Unhealthy]);
}

#[test]
fn case_y6_the_worst_check_decides() {
    let of = |statuses: &[HealthStatus]| {
        Health::of(statuses.iter().map(|status| HealthCheck::new("a", *status, "")).collect()).status
    };
    assert_eq!(of(&[Healthy, Degraded, Healthy]), Degraded);
    assert_eq!(of(&[Unhealthy, Degraded, Healthy]), Unhealthy);
    assert_eq!([of(&[]), of(&[Healthy])], [Healthy; 2]);
    assert_eq!([Healthy, Degraded, Unhealthy].map(HealthStatus::http_status), [200, 200, 503]);
}

#[test]
fn a_check_that_could_not_be_made_is_unhealthy_and_says_why() {
    let failure = || Failure::new(FailureKind::Database, "locked", "somebody has it");
    let checks = [
        dead_letters(Err(failure())),
        stale_runs(Err(failure())),
        failure_rate(Err(failure())),
        leases(Err(failure())),
        database(Err(failure())),
    ];
    for check in checks {
        assert_eq!((check.status, check.detail.as_str()), (Unhealthy, "locked: somebody has it"), "{}", check.name);
    }
}

#[test]
fn health_is_json_with_the_words_of_the_contract() {
    let health = Health::of(vec![dead_letters(Ok(10))]);
    let json = serde_json::to_value(&health).unwrap();
    assert_eq!((json["status"].as_str(), json["checks"][0]["name"].as_str()), (Some("degraded"), Some("dead_letters")));
    assert_eq!(json["checks"][0]["detail"], "10 open");
    assert_eq!(serde_json::from_value::<Health>(json).unwrap(), health);
}
