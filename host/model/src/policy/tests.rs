//! What is written, what it comes to over other layers, and what is said of what is wrong.

use serde_json::{from_value, json};

use super::*;

fn spec(json: serde_json::Value) -> PolicySpec {
    from_value(json).unwrap()
}

fn resolved(json: serde_json::Value) -> Policy {
    Policy::resolve(&[("", &spec(json))]).unwrap()
}

fn problems(json: serde_json::Value) -> Vec<String> {
    spec(json).problems("").iter().map(Problem::to_string).collect()
}

#[test]
fn a_pipeline_without_a_policy_makes_three_calls_from_one_second() {
    let policy = Policy::resolve(&[]).unwrap();
    assert_eq!(policy, Policy::default());
    assert_eq!(policy.retry.calls_max(), 3);
    let strategy = Backoff::Exponential { base_ms: 1_000, factor: Thousandths::new(2_000), max_ms: 60_000 };
    assert_eq!((policy.retry.strategy, policy.retry.jitter), (strategy, Thousandths::new(250)));
    assert_eq!((policy.breaker, policy.rate_limit, policy.timeout_ms), (None, None, None));
    assert_eq!((policy.concurrency.slots, policy.concurrency.key), (1, ConcurrencyKey::Partition));
}

#[test]
fn an_empty_breaker_is_the_default_one() {
    let breaker = resolved(json!({ "breaker": {} })).breaker.unwrap();
    assert_eq!(breaker.rule, BreakerRule::Consecutive { failures: 5 });
    assert_eq!((breaker.recovery_ms, breaker.probes, breaker.successes), (30_000, 1, 2));
}

#[test]
fn a_first_wait_is_not_longer_than_the_cap_of_its_own_hand_or_of_the_layer_below() {
    let found = problems(json!({ "retry": { "strategy": { "exponential": { "base_ms": 80_000 } } } }));
    let told = "`retry.strategy.exponential.base_ms` is 80000; allowed: at most max_ms, which is 60000; give that too";
    assert_eq!(found, [told]);
    assert_eq!(problems(json!({ "retry": { "strategy": { "linear": { "base_ms": 30_000 } } } })), [""; 0]);
}

#[test]
fn case_r9_no_attempts_and_no_backoff_mean_one_call() {
    assert_eq!(resolved(json!({ "retry": { "attempts_max": 0 } })).retry.calls_max(), 1);
    assert_eq!(resolved(json!({ "retry": { "strategy": "none" } })).retry.calls_max(), 1);
    assert_eq!(RetryPolicy::NEVER.calls_max(), 1);
}

#[test]
fn a_layer_overrides_field_by_field_and_another_variant_begins_with_its_defaults() {
    let author = spec(json!({
        "retry": { "attempts_max": 5, "strategy": { "exponential": { "base_ms": 500, "factor": 1.5 } } },
        "breaker": { "rule": { "rate": { "percent": 30, "window_ms": 60000 } } },
        "rate_limit": { "token_bucket": { "per_second": 0.5, "capacity": 5 } },
        "timeout_ms": 60000,
    }));
    let operator = spec(json!({
        "retry": { "strategy": { "exponential": { "max_ms": 10000 } } },
        "breaker": { "rule": { "rate": { "calls_min": 4 } }, "recovery_ms": 1000 },
        "rate_limit": { "sliding_window": { "calls": 3 } },
        "concurrency": { "key": { "named": "upstream" }, "slots": 2 },
    }));
    let policy = Policy::resolve(&[("manifest", &author), ("retry", &operator)]).unwrap();
    let strategy = Backoff::Exponential { base_ms: 500, factor: Thousandths::new(1_500), max_ms: 10_000 };
    assert_eq!(
        policy,
        Policy {
            retry: RetryPolicy { attempts_max: 5, strategy, ..RetryPolicy::default() },
            breaker: Some(BreakerPolicy {
                rule: BreakerRule::Rate {
                    percent: Thousandths::new(30_000),
                    window: RateWindow::Ms(60_000),
                    calls_min: 4
                },
                recovery_ms: 1_000,
                ..BreakerPolicy::default()
            }),
            rate_limit: Some(RateLimitPolicy::SlidingWindow { calls: 3, window_ms: 1_000 }),
            concurrency: ConcurrencyPolicy {
                slots: 2,
                key: ConcurrencyKey::Named("upstream".to_owned()),
                ..ConcurrencyPolicy::default()
            },
            timeout_ms: Some(60_000),
        }
    );
    let several = resolved(json!({ "rate_limit": { "all": [
        { "token_bucket": { "per_second": 2 } }, { "sliding_window": { "calls": 9, "window_ms": 60_000 } },
    ] } }));
    let window = RateLimitPolicy::SlidingWindow { calls: 9, window_ms: 60_000 };
    let bucket = RateLimitPolicy::TokenBucket { per_second: Thousandths::new(2_000), capacity: 20 };
    assert_eq!(several.rate_limit, Some(RateLimitPolicy::All(vec![bucket, window])));
    for wrong in [json!([]), json!(["none"]), json!([{ "all": [] }]), json!([{ "token_bucket": { "capacity": 0 } }])] {
        let found = problems(json!({ "rate_limit": { "all": wrong } }));
        assert!(found.len() == 1 && found[0].contains("rate_limit.all"), "{found:?}");
    }
    let off = spec(json!({ "breaker": { "rule": "none" }, "rate_limit": "none", "retry": { "strategy": "none" } }));
    let policy = Policy::resolve(&[("", &author), ("", &off)]).unwrap();
    assert_eq!((policy.breaker, policy.rate_limit, policy.retry.strategy), (None, None, Backoff::None));
}

#[test]
fn every_problem_is_named_at_once_with_what_is_allowed() {
    let spec = PolicySpec {
        retry: Some(RetrySpec {
            attempts_max: Some(Number(-3.0)),
            strategy: Some(BackoffSpec::Exponential {
                base_ms: Some(Number(1e300)),
                factor: Some(Number(0.0)),
                max_ms: Some(Number(1.5)),
            }),
            jitter: Some(Number(f64::NAN)),
        }),
        breaker: Some(BreakerSpec {
            rule: Some(BreakerRuleSpec::Rate {
                percent: Some(Number(0.0)),
                window_calls: Some(Number(10.0)),
                window_ms: Some(Number(10.0)),
                calls_min: Some(Number(11.0)),
            }),
            probes: Some(Number(0.0)),
            ..BreakerSpec::default()
        }),
        rate_limit: Some(RateLimitSpec::TokenBucket {
            per_second: Some(Number(f64::INFINITY)),
            capacity: Some(Number(-1.0)),
        }),
        concurrency: Some(ConcurrencySpec {
            slots: Some(Number(0.0)),
            key: Some(ConcurrencyKey::Named("Two Words".to_owned())),
            wait_ms: None,
        }),
        timeout_ms: Some(Number(86_400_001.0)),
    };
    let found: Vec<String> = spec.problems("pipelines.a").iter().map(Problem::to_string).collect();
    let expected = [
        "`pipelines.a.retry.attempts_max` is -3; allowed: a whole number from 0 to 100",
        "`pipelines.a.retry.jitter` is NaN; allowed: a number from 0 to 1, of three decimals",
        "`pipelines.a.retry.strategy.exponential.base_ms` is 1e300; allowed: a whole number from 1 to 86400000",
        "`pipelines.a.retry.strategy.exponential.factor` is 0; allowed: a number from 1 to 100, of three decimals",
        "`pipelines.a.retry.strategy.exponential.max_ms` is 1.5; allowed: a whole number from 1 to 86400000",
        "`pipelines.a.retry.strategy.exponential.max_ms` is 1.5; allowed: at least base_ms, which is 1e300",
        "`pipelines.a.breaker.probes` is 0; allowed: a whole number from 1 to 100",
        "`pipelines.a.breaker.rule.rate.percent` is 0; allowed: a number from 0.001 to 100, of three decimals",
        "`pipelines.a.breaker.rule.rate.window_ms` is written beside window_calls; allowed: one of the two",
        "`pipelines.a.breaker.rule.rate.calls_min` is 11; allowed: at most window_calls, which is 10",
        "`pipelines.a.rate_limit.token_bucket.per_second` is inf; allowed: a number from 0 to 1000000, of three decimals",
        "`pipelines.a.rate_limit.token_bucket.capacity` is -1; allowed: a whole number from 1 to 1000000",
        "`pipelines.a.concurrency.slots` is 0; allowed: a whole number from 1 to 1000",
        "`pipelines.a.concurrency.key.named` is `Two Words`; allowed: a lower-case word",
        "`pipelines.a.timeout_ms` is 86400001; allowed: a whole number from 1 to 86400000",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn problems_of_all_layers_come_together() {
    let (one, other) = (spec(json!({ "timeout_ms": 0 })), spec(json!({ "retry": { "attempts_max": 101 } })));
    let problems = Policy::resolve(&[("manifest", &one), ("spine", &other)]).unwrap_err();
    let places: Vec<&str> = problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["manifest.timeout_ms", "spine.retry.attempts_max"]);
}

#[test]
fn the_ends_of_what_is_allowed_are_allowed() {
    let none: [String; 0] = [];
    for allowed in [
        json!({ "retry": { "attempts_max": 100, "jitter": 1, "strategy": { "linear": { "base_ms": 0, "step_ms": 0 } } } }),
        json!({ "retry": { "jitter": 0, "strategy": { "exponential": { "factor": 1, "max_ms": 86400000 } } } }),
        json!({ "retry": { "strategy": { "constant": { "delay_ms": 0 } } } }),
        json!({ "rate_limit": { "token_bucket": { "per_second": 0, "capacity": 1 } } }),
        json!({ "rate_limit": { "sliding_window": { "calls": 10000, "window_ms": 86400000 } } }),
        json!({ "breaker": { "rule": { "consecutive": { "failures": 1 } }, "recovery_ms": 1, "successes": 100 } }),
        json!({ "concurrency": { "wait_ms": 0, "slots": 1000, "key": "input" } }),
    ] {
        assert_eq!(problems(allowed.clone()), none, "{allowed}");
    }
}

#[test]
fn unknown_fields_are_refused_at_every_depth() {
    for unknown in [
        json!({ "retries": {} }),
        json!({ "retry": { "attemps_max": 1 } }),
        json!({ "retry": { "strategy": { "exponential": { "base": 1 } } } }),
        json!({ "retry": { "strategy": { "fibonacci": {} } } }),
        json!({ "breaker": { "rule": { "consecutive": { "failure": 1 } } } }),
        json!({ "rate_limit": { "token_bucket": { "rate": 1 } } }),
        json!({ "concurrency": { "key": "pipeline" } }),
        json!({ "concurrency": { "lanes": 1 } }),
        json!({ "timeout_ms": "5" }),
    ] {
        assert!(from_value::<PolicySpec>(unknown.clone()).is_err(), "{unknown}");
    }
    assert!(from_value::<BulkheadSpec>(json!({ "run": 1 })).is_err());
}

#[test]
fn a_bulkhead_is_read_alone_and_its_problems_come_together() {
    let spec = |json| from_value::<BulkheadSpec>(json).unwrap();
    let base = BulkheadPolicy::default();
    assert_eq!(spec(json!({ "runs": 2 })).resolve(base, ""), Ok(BulkheadPolicy { runs: 2, ..base }));
    let found = spec(json!({ "runs": 0, "waiting": -1 })).resolve(base, "plugins.a.bulkhead").unwrap_err();
    let places: Vec<&str> = found.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["plugins.a.bulkhead.runs", "plugins.a.bulkhead.waiting"]);
}

#[test]
fn policies_and_what_they_were_written_as_survive_json_with_numbers_as_they_were() {
    let written = json!({
        "retry": { "attempts_max": 4, "jitter": 0.29, "strategy": { "exponential": { "factor": 1.5 } } },
        "breaker": { "rule": { "rate": { "percent": 12.5, "window_calls": 10 } } },
        "rate_limit": { "token_bucket": { "per_second": 0.001 } },
        "concurrency": { "key": { "named": "upstream" } },
    });
    assert_eq!(serde_json::to_value(spec(written.clone())).unwrap(), written);
    let policy = resolved(written);
    assert_eq!(policy.retry.jitter, Thousandths::new(290));
    let json = serde_json::to_value(&policy).unwrap();
    assert_eq!(json["retry"]["strategy"]["exponential"]["factor"], json!(1.5));
    assert_eq!(from_value::<Policy>(json).unwrap(), policy);
    assert!(from_value::<Thousandths>(json!(-1)).is_err() && from_value::<Thousandths>(json!(0.0001)).is_err());
}
