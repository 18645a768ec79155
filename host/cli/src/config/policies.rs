//! Policies of `spine.toml`: `[retry]`, `[policy."domain.name"]`, `[plugins.NAME.bulkhead]` and `[lanes]`.

use std::collections::BTreeMap;

use model::policy::{BulkheadPolicy, BulkheadSpec, PolicySpec, PolicyTable, RetryPolicy, RetrySpec};
use model::work::Lane;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::Reader;

/// Most runs of one lane at one time.
const PLACES_MAX: i64 = 10_000;

impl Reader {
    /// `[retry]`, over the defaults.
    pub(super) fn retry(&mut self, value: Option<&Value>) -> RetryPolicy {
        let spec: RetrySpec = self.written(PolicyTable::Retry, "retry", value);
        match spec.resolve(RetryPolicy::default(), "retry") {
            Ok(policy) => policy,
            Err(problems) => {
                self.problems.extend(problems.iter().map(ToString::to_string));
                RetryPolicy::default()
            }
        }
    }

    /// `[policy."domain.name"]`: each is laid over what the manifest declares for the name.
    pub(super) fn policies(&mut self, value: Option<&Value>) -> BTreeMap<String, PolicySpec> {
        let mut policies = BTreeMap::new();
        for (name, value) in self.table("policy", value) {
            let place = format!("policy.\"{name}\"");
            let spec: PolicySpec = self.written(PolicyTable::Policy, &place, Some(&value));
            self.problems.extend(spec.problems(&place).iter().map(ToString::to_string));
            policies.insert(name, spec);
        }
        policies
    }

    /// `[plugins.NAME.bulkhead]`, over the defaults of a bulkhead; none without the table.
    pub(super) fn bulkhead(&mut self, place: &str, value: Option<&Value>) -> Option<BulkheadPolicy> {
        let place = format!("{place}.bulkhead");
        let spec: BulkheadSpec = self.written(PolicyTable::Bulkhead, &place, Some(value?));
        match spec.resolve(BulkheadPolicy::default(), &place) {
            Ok(policy) => Some(policy),
            Err(problems) => {
                self.problems.extend(problems.iter().map(ToString::to_string));
                None
            }
        }
    }

    /// `[lanes]`: places of the lanes that are to have others than the host's.
    pub(super) fn lanes(&mut self, value: Option<&Value>) -> BTreeMap<Lane, usize> {
        let table = self.table("lanes", value);
        let known: Vec<&str> = Lane::ALL.iter().map(|lane| lane.name()).collect();
        self.known_keys("lanes", &table, &known);
        let mut lanes = BTreeMap::new();
        for lane in Lane::ALL {
            let Some(value) = table.get(lane.name()) else { continue };
            match value.as_integer().filter(|places| (1..=PLACES_MAX).contains(places)).map(usize::try_from) {
                Some(Ok(places)) => drop(lanes.insert(*lane, places)),
                _ => {
                    let allowed = format!("a whole number from 1 to {PLACES_MAX}");
                    self.problems.push(format!("`lanes.{lane}` is {value}; allowed: {allowed}"));
                }
            }
        }
        lanes
    }

    /// A table of a policy as it is written. Each entry is read by itself, so that everything wrong is told at once.
    pub(super) fn written<S: DeserializeOwned + Default>(
        &mut self,
        kind: PolicyTable,
        place: &str,
        value: Option<&Value>,
    ) -> S {
        let table = self.table(place, value);
        let mut good = serde_json::Map::new();
        for (key, value) in table {
            let here = format!("{place}.{key}");
            let Some(entry) = self.json(&here, key, value) else { continue };
            // What JSON has no number for: nan and inf.
            if holds_null(&entry) {
                self.problems.push(format!("`{here}` holds a number that is not finite"));
                continue;
            }
            let unknown = kind.unknown_keys(place, &entry);
            if !unknown.is_empty() {
                self.problems.extend(unknown);
                continue;
            }
            match (serde_json::from_value::<S>(entry.clone()), entry) {
                (Ok(_), Json::Object(entry)) => good.extend(entry),
                (Ok(_), _) => {}
                (Err(error), _) => self.problems.push(format!("`{here}`: {error}")),
            }
        }
        serde_json::from_value(Json::Object(good)).unwrap_or_default()
    }

    /// One entry as a JSON object.
    fn json(&mut self, place: &str, key: String, value: Value) -> Option<Json> {
        match serde_json::to_value(Table::from_iter([(key, value)])) {
            Ok(entry) => Some(entry),
            Err(error) => {
                self.problems.push(format!("`{place}`: {error}"));
                None
            }
        }
    }
}

fn holds_null(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(values) => values.iter().any(holds_null),
        Json::Object(entries) => entries.values().any(holds_null),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use model::policy::{Backoff, Policy, RateLimitPolicy, Thousandths};

    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<Config, Vec<String>> {
        Config::parse(text, Path::new(""))
    }

    #[test]
    fn policies_are_read() {
        let config = read(
            r#"
            [retry]
            attempts_max = 5
            strategy = { exponential = { base_ms = 500 } }
            [policy."finra.regsho_daily"]
            timeout_ms = 60000
            rate_limit = { token_bucket = { per_second = 0.5, capacity = 3 } }
            breaker = { rule = { consecutive = { failures = 3 } } }
            concurrency = { key = { named = "upstream" }, slots = 2 }
            [policy."finra.regsho_daily".retry]
            strategy = "none"
            [plugins.finra.bulkhead]
            runs = 2
            [lanes]
            backfill = 3
            "#,
        )
        .unwrap();
        assert_eq!(config.retry.attempts_max, 5);
        assert!(matches!(config.retry.strategy, Backoff::Exponential { base_ms: 500, .. }), "{:?}", config.retry);
        let policy = Policy::resolve(&[("", &config.policy["finra.regsho_daily"])]).unwrap();
        let limit = RateLimitPolicy::TokenBucket { per_second: Thousandths::new(500), capacity: 3 };
        assert_eq!((policy.rate_limit, policy.timeout_ms, policy.retry.calls_max()), (Some(limit), Some(60_000), 1));
        let bulkhead = BulkheadPolicy { runs: 2, ..BulkheadPolicy::default() };
        assert_eq!(config.plugins["finra"].bulkhead, Some(bulkhead));
        assert_eq!(config.lanes, BTreeMap::from([(Lane::Backfill, 3)]));
    }

    #[test]
    fn without_them_there_are_the_defaults() {
        let config = read("[plugins.finra.limits]\n[policy]\n[retry]\n[lanes]\n").unwrap();
        assert_eq!((config.retry, config.policy.len(), config.lanes.len()), (RetryPolicy::default(), 0, 0));
        assert_eq!(config.plugins["finra"].bulkhead, None);
        assert_eq!(
            read("[plugins.finra.bulkhead]\n").unwrap().plugins["finra"].bulkhead,
            Some(BulkheadPolicy::default())
        );
    }

    #[test]
    fn every_problem_is_named_at_once_with_the_nearest_key() {
        let problems = read(
            r#"
            [retry]
            attempts = 5
            jitter = 2
            [policy."d.t"]
            timeout = 5
            breaker = { rule = { consecutive = { failure = 3 } } }
            rate_limit = "bucket"
            retry = { attempts_max = "5" }
            concurrency = { slots = 0 }
            [plugins.d.bulkhead]
            run = 1
            waiting = -1
            [lanes]
            backfil = 3
            slow = 0
            default = "many"
            "#,
        )
        .unwrap_err();
        for expected in [
            "unknown key `retry.attempts`, did you mean `attempts_max`?",
            "`retry.jitter` is 2; allowed: a number from 0 to 1",
            "unknown key `policy.\"d.t\".timeout`, did you mean `timeout_ms`?",
            "unknown key `policy.\"d.t\".breaker.rule.consecutive.failure`, did you mean `failures`?",
            "`policy.\"d.t\".rate_limit`: unknown variant `bucket`",
            "`policy.\"d.t\".retry`: invalid type: string \"5\"",
            "`policy.\"d.t\".concurrency.slots` is 0; allowed: a whole number from 1 to 1000",
            "unknown key `plugins.d.bulkhead.run`, did you mean `runs`?",
            "`plugins.d.bulkhead.waiting` is -1; allowed: a whole number from 0 to 1000000",
            "unknown key `lanes.backfil`, did you mean `backfill`?",
            "`lanes.slow` is 0; allowed: a whole number from 1 to 10000",
            "`lanes.default` is \"many\"; allowed: a whole number",
        ] {
            assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{expected} is not in {problems:#?}");
        }
        assert_eq!(problems.len(), 12, "{problems:#?}");
        assert!(read("retry = 3\npolicy = 4\n").unwrap_err()[0].contains("must be a table"));
    }

    #[test]
    fn numbers_that_are_not_finite_are_mistakes() {
        for text in [
            "[retry]\njitter = nan\n",
            "[policy.\"d.p\".retry]\nfactor = inf\n",
            "[policy.\"d.p\".rate_limit]\ntoken_bucket = { per_second = nan, capacity = 1 }\n",
        ] {
            let problems = Config::parse(text, Path::new("")).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains("not finite")), "{text}: {problems:?}");
        }
    }
}
