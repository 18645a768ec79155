//! `[swap]`: how versions of plugins follow each other.

use orchestrator::SwapPolicy;
use toml::Value;

use super::Reader;

/// More versions at one time would hold more memory than anybody expects of a plugin.
const DRAINING_MAX: u64 = 64;

impl Reader {
    pub(super) fn swap(&mut self, value: Option<&Value>) -> SwapPolicy {
        let mut policy = SwapPolicy::default();
        let table = self.table("swap", value);
        self.known_keys("swap", &table, &["drain", "draining_max", "quarantine_after", "quarantine_for"]);
        self.duration("swap", &table, "drain", &mut policy.drain);
        self.duration("swap", &table, "quarantine_for", &mut policy.quarantine_for);
        let (mut draining, mut traps) = (policy.draining_max as u64, u64::from(policy.quarantine_after));
        self.amount("swap", &table, "draining_max", &mut draining, 1);
        self.amount("swap", &table, "quarantine_after", &mut traps, 1);
        if draining > DRAINING_MAX {
            self.problems.push(format!("`swap.draining_max` is {draining}; it may be {DRAINING_MAX} at most"));
        }
        policy.draining_max = usize::try_from(draining).unwrap_or(usize::MAX);
        policy.quarantine_after = u32::try_from(traps).unwrap_or(u32::MAX);
        policy
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::config::Config;

    #[test]
    fn what_is_written_is_taken_and_the_rest_is_the_default() {
        let text = "[swap]\ndrain = \"1m\"\nquarantine_after = 3";
        let policy = Config::parse(text, Path::new("")).unwrap().swap;
        let expected = SwapPolicy { drain: Duration::from_secs(60), quarantine_after: 3, ..SwapPolicy::default() };
        assert_eq!(policy, expected);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_key() {
        let problems = |text: &str| Config::parse(text, Path::new("")).unwrap_err().join("; ");
        assert!(problems("[swap]\ndraining_max = 0").contains("swap.draining_max"));
        assert!(problems("[swap]\ndraining_max = 65").contains("64 at most"));
        assert!(problems("[swap]\ndrian = \"1m\"").contains("`swap.drian`"));
    }
}
