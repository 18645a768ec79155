//! `[retention]` of `spine.toml`: how long things are kept that have ended. Without it everything is.

use model::retention::RetentionPolicy;
use toml::{Table, Value};

use super::Reader;

/// A hundred years.
const DAYS_MAX: i64 = 36_500;

impl Reader {
    pub(super) fn retention(&mut self, value: Option<&Value>) -> RetentionPolicy {
        let table = self.table("retention", value);
        self.known_keys("retention", &table, &["dead_letters_resolved_days", "runs_days"]);
        RetentionPolicy {
            runs_days: self.days(&table, "runs_days"),
            dead_letters_resolved_days: self.days(&table, "dead_letters_resolved_days"),
        }
    }

    /// At least one: what ended a moment ago may still be looked at by whoever waits for it.
    fn days(&mut self, table: &Table, key: &str) -> Option<u32> {
        let value = table.get(key)?;
        let days = value.as_integer().filter(|days| (1..=DAYS_MAX).contains(days));
        let days = days.and_then(|days| u32::try_from(days).ok());
        if days.is_none() {
            self.problems.push(format!("`retention.{key}` must be a whole number of days from 1 to {DAYS_MAX}"));
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn parsed(text: &str) -> Result<RetentionPolicy, Vec<String>> {
        Config::parse(text, Path::new("")).map(|config| config.retention)
    }

    #[test]
    fn everything_is_kept_unless_days_are_given() {
        assert!(parsed("").unwrap().keeps_all() && parsed("[retention]\n").unwrap().keeps_all());
        let policy = parsed("[retention]\nruns_days = 90\ndead_letters_resolved_days = 30\n").unwrap();
        assert_eq!((policy.runs_days, policy.dead_letters_resolved_days), (Some(90), Some(30)));
    }

    #[test]
    fn what_is_no_number_of_days_is_a_mistake() {
        for value in ["0", "-1", "36501", "1.5", "\"90\"", "9223372036854775807"] {
            let problems = parsed(&format!("[retention]\nruns_days = {value}\n")).unwrap_err();
            assert!(problems[0].contains("`retention.runs_days` must be a whole number of days"), "{problems:?}");
        }
        let problems = parsed("[retention]\nrun_days = 90\n").unwrap_err();
        assert_eq!(problems, ["unknown key `retention.run_days`, did you mean `runs_days`?"]);
    }
}
