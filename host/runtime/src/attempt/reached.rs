//! A limit that a guest ran into: which, and what its operator or author can do about it.

use std::fmt;
use std::time::Duration;

/// Ends the call that ran into it. The failure of the attempt has its code and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LimitReached {
    plugin: String,
    pub(crate) code: &'static str,
    /// In `[limits]`.
    key: &'static str,
    /// What the plugin did, as the rest of a sentence about it.
    did: String,
    /// What its author can do instead of asking for more.
    instead: &'static str,
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, key, did, instead, .. } = self;
        write!(
            f,
            "plugin `{plugin}` {did}; raise `limits.{key}` (for all plugins, or under [plugins.{plugin}.limits]) or \
             {instead}"
        )
    }
}

impl std::error::Error for LimitReached {}

impl LimitReached {
    fn new(plugin: &str, code: &'static str, key: &'static str, did: String, instead: &'static str) -> Self {
        Self { plugin: plugin.to_owned(), code, key, did, instead }
    }

    pub(crate) fn memory(plugin: &str, asked: u64, limit: u64) -> Self {
        let did = format!("needs {asked} bytes of memory and may use {limit}");
        Self::new(plugin, "memory_limit", "memory_bytes", did, "read smaller batches")
    }

    pub(crate) fn table_elements(plugin: &str, asked: u64, limit: u64) -> Self {
        let did = format!("needs tables of {asked} elements together and may have {limit}");
        Self::new(plugin, "table_elements_limit", "table_elements", did, "use fewer function pointers")
    }

    /// `what` is Wasmtime's word for it, `count` how many there would be.
    pub(crate) fn parts(plugin: &str, what: &str, count: &str) -> Option<Self> {
        let (code, key, many) = match what {
            "instance" => ("instances_limit", "instances", "core instances"),
            "memory" => ("memories_limit", "memories", "memories"),
            "table" => ("tables_limit", "tables", "tables"),
            _ => return None,
        };
        let did = format!("is a component of {count} {many} or more, and may not have as many");
        Some(Self::new(plugin, code, key, did, "link its modules into fewer"))
    }

    pub(crate) fn host_calls(plugin: &str, limit: u64) -> Self {
        let did = format!("called the host more than {limit} times in one attempt");
        Self::new(plugin, "host_calls_limit", "host_calls", did, "hand over whole batches instead of single rows")
    }

    pub(crate) fn call_bytes(plugin: &str, doing: &str) -> Self {
        let did = format!("handed over too much in one host call of `{doing}`");
        Self::new(plugin, "call_limit", "call_bytes", did, "write smaller batches")
    }

    pub(crate) fn handles(plugin: &str, limit: u32) -> Self {
        let did = format!("has {limit} handles open and asks for more");
        Self::new(plugin, "handle_limit", "handles", did, "drop what it no longer uses")
    }

    pub(crate) fn held(plugin: &str, used: u64, more: u64, limit: u64) -> Self {
        let did = format!("has the host hold {used} bytes of batches, and {more} more would pass the limit of {limit}");
        Self::new(plugin, "held_limit", "held_bytes", did, "release batches, or read fewer columns")
    }

    pub(crate) fn cpu_time(plugin: &str, limit: Duration) -> Self {
        let did = format!("has computed for {} s, its limit for one attempt", limit.as_secs_f64());
        Self::new(plugin, "cpu_limit", "cpu_time", did, "give it less to do")
    }

    pub(crate) fn wall_clock(plugin: &str, limit: Duration) -> Self {
        let did = format!("was stopped after {} s, its limit for one attempt", limit.as_secs_f64());
        let instead = "raise `timeout_ms` where a policy has one, or give it less to do";
        Self::new(plugin, "wall_clock_limit", "wall_clock", did, instead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_names_plugin_key_and_both_tables() {
        let second = Duration::from_secs(1);
        let all = [
            LimitReached::memory("p", 2, 1),
            LimitReached::table_elements("p", 2, 1),
            LimitReached::parts("p", "instance", "33").unwrap(),
            LimitReached::parts("p", "memory", "5").unwrap(),
            LimitReached::parts("p", "table", "9").unwrap(),
            LimitReached::host_calls("p", 1),
            LimitReached::call_bytes("p", "run"),
            LimitReached::handles("p", 1),
            LimitReached::held("p", 1, 1, 1),
            LimitReached::cpu_time("p", second),
            LimitReached::wall_clock("p", second),
        ];
        for reached in all {
            let text = reached.to_string();
            for part in ["plugin `p`", &format!("`limits.{}`", reached.key), "[plugins.p.limits]"] {
                assert!(text.contains(part), "{text}");
            }
            assert!(model::failure::codes::FAILED.contains(&reached.code), "{}", reached.code);
        }
        assert_eq!(LimitReached::parts("p", "stack", "1"), None);
    }
}
