//! `spine.toml`: limits, grants, policies and severities. Unknown keys are errors that name the nearest known key.

mod grants;
mod names;
mod policies;
mod quantity;
mod retention;
mod swap;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lake::query::QueryLimits;
use model::failure::{Failure, FailureKind};
use model::limits::Limits;
use model::policy::{BulkheadPolicy, PolicySpec, RetryPolicy};
use model::ports::Interrupted;
use model::quality::Severity;
use model::retention::RetentionPolicy;
use model::work::Lane;
use model::{DatasetName, Grants, suggestion};
use orchestrator::SwapPolicy;
use toml::{Table, Value};

use crate::ledger::Url;

/// What the operator decided. An absent file is an empty one.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where all of it was read, if there is a file.
    file: Option<PathBuf>,
    /// `[ledger] url`; none is SQLite.
    pub(crate) ledger: Option<Url>,
    /// `[ledger] lease`: how long a host that is silent keeps its runs, where hosts share a ledger.
    pub(crate) lease: Option<Duration>,
    /// `[ledger] interrupted`: what becomes of runs whose host died; none leaves it to the kind of ledger.
    pub(crate) interrupted: Option<Interrupted>,
    /// `[lake] folder`, for hosts that share a ledger; relative to the configuration file.
    pub(crate) lake: Option<PathBuf>,
    /// `[limits]`, for every plugin that has none of its own.
    pub limits: Limits,
    /// `[limits] stack_bytes`: how deep guests may call.
    pub stack_bytes: usize,
    /// `[limits] guests_memory_bytes`: what all guests together may be promised.
    pub guests_memory_bytes: u64,
    /// `[limits] query_...`.
    pub query: QueryLimits,
    /// `[retry]`, for everything that has no policy of its own.
    pub retry: RetryPolicy,
    /// `[policy."domain.name"]`, over what manifests declare.
    pub policy: BTreeMap<String, PolicySpec>,
    /// `[lanes]`: places of the lanes that are to have others than the host's.
    pub lanes: BTreeMap<Lane, usize>,
    /// `[plugins.NAME]`.
    pub plugins: BTreeMap<String, PluginConfig>,
    /// `[swap]`.
    pub swap: SwapPolicy,
    /// `[retention]`; without it everything is kept.
    pub retention: RetentionPolicy,
    /// `[quality."domain.dataset".CHECK]`.
    pub severities: BTreeMap<(DatasetName, String), Severity>,
}

/// What the operator decided about one plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// `[plugins.NAME.grants]`.
    pub grants: Grants,
    /// `[plugins.NAME.limits]` over `[limits]`.
    pub limits: Limits,
    /// `[plugins.NAME.bulkhead]`; none: as many runs as there are places.
    pub bulkhead: Option<BulkheadPolicy>,
}

impl Config {
    /// The configuration of a host without a file.
    pub fn standard() -> Self {
        let (limits, query) = (Limits::standard(), QueryLimits::standard());
        Self {
            file: None,
            ledger: None,
            lease: None,
            interrupted: None,
            lake: None,
            limits,
            stack_bytes: 2 << 20,
            guests_memory_bytes: 16 << 30,
            query,
            retry: RetryPolicy::default(),
            policy: BTreeMap::new(),
            lanes: BTreeMap::new(),
            plugins: BTreeMap::new(),
            swap: SwapPolicy::default(),
            retention: RetentionPolicy::default(),
            severities: BTreeMap::new(),
        }
    }

    /// Reads `named`, or `./spine.toml` if nothing is named and it exists.
    ///
    /// # Errors
    ///
    /// `bad_config` (exit code 2) with every problem of the file at once.
    pub fn load(named: Option<&Path>) -> Result<Self, Failure> {
        let path = match named {
            Some(path) => path,
            None if Path::new("spine.toml").exists() => Path::new("spine.toml"),
            None => return Ok(Self::standard()),
        };
        // It is read more than once, and a pipe can be read only once.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            let what = if path.is_dir() { "a folder" } else { "not a regular file" };
            return Err(bad_config(&format!("the configuration `{}` is {what}: name a file", path.display())));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| bad_config(&format!("cannot read the configuration `{}`: {error}", path.display())))?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let config = Self::parse(&text, &folder)
            .map_err(|problems| bad_config(&format!("in `{}`: {}", path.display(), problems.join("; "))))?;
        Ok(Self { file: Some(path.to_owned()), ..config })
    }

    /// The largest `input_bytes` of any plugin: what a caller may send before the plugin's own limit is asked.
    pub(crate) fn input_bytes_max(&self) -> u64 {
        let plugins = self.plugins.values().map(|plugin| plugin.limits.input_bytes);
        plugins.fold(self.limits.input_bytes, u64::max)
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, Vec<String>> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| vec![error.to_string()])?;
        let mut reader = Reader { folder: folder.to_owned(), problems: Vec::new() };
        let config = reader.config(&table);
        if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
    }
}

/// Reads tables and collects what is wrong with them.
struct Reader {
    folder: PathBuf,
    problems: Vec<String>,
}

const LIMIT_KEYS: [&str; 23] = [
    "wall_clock",
    "cpu_time",
    "memory_bytes",
    "table_elements",
    "instances",
    "memories",
    "tables",
    "host_calls",
    "held_bytes",
    "call_bytes",
    "handles",
    "output_rows",
    "output_bytes",
    "staging_memory_bytes",
    "input_bytes",
    "rejects",
    "reject_bytes",
    "log_lines",
    "log_bytes",
    "metric_series",
    "http_calls",
    "http_bytes",
    "saved_bytes",
];

/// Keys of `[limits]` that no plugin has: of the engine, of which there is one, of all guests together, and of queries.
const HOST_KEYS: [&str; 5] =
    ["stack_bytes", "guests_memory_bytes", "query_memory_bytes", "query_rows", "query_wall_clock"];

/// What [`Config::stack_bytes`] may be: less is not enough for any plugin, and more is not to be had for 64 of them.
const STACK_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=64 << 20;

/// Longer than any work: whoever wants no limit gets one that he will not reach.
const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// A host that shares a ledger says three times in this time that it is alive.
const LEASE_MIN: Duration = Duration::from_secs(1);

impl Reader {
    fn config(&mut self, table: &Table) -> Config {
        self.known_keys(
            "",
            table,
            &["lake", "lanes", "ledger", "limits", "plugins", "policy", "quality", "retention", "retry", "swap"],
        );
        let (ledger, lease, interrupted) = self.ledger(table.get("ledger"));
        let lake = self.lake(table.get("lake"));
        let limits = self.limits("limits", table.get("limits"), &Limits::standard(), &HOST_KEYS);
        let stack_bytes = self.stack_bytes(table.get("limits"));
        let guests_memory_bytes = self.guests_memory_bytes(table.get("limits"));
        let query = self.query_limits(table.get("limits"));
        let (retry, policy) = (self.retry(table.get("retry")), self.policies(table.get("policy")));
        let lanes = self.lanes(table.get("lanes"));
        let retention = self.retention(table.get("retention"));
        let swap = self.swap(table.get("swap"));
        let mut config = Config {
            ledger,
            lease,
            interrupted,
            lake,
            limits,
            stack_bytes,
            guests_memory_bytes,
            query,
            retry,
            policy,
            lanes,
            swap,
            retention,
            ..Config::standard()
        };
        for (name, value) in self.table("plugins", table.get("plugins")) {
            let place = format!("plugins.{name}");
            let plugin = self.table(&place, Some(&value));
            self.known_keys(&place, &plugin, &["bulkhead", "grants", "limits"]);
            let limits = self.limits(&format!("{place}.limits"), plugin.get("limits"), &config.limits, &[]);
            let grants = self.grants(&format!("{place}.grants"), plugin.get("grants"));
            let bulkhead = self.bulkhead(&place, plugin.get("bulkhead"));
            config.plugins.insert(name, PluginConfig { grants, limits, bulkhead });
        }
        for (dataset, checks) in self.table("quality", table.get("quality")) {
            let place = format!("quality.\"{dataset}\"");
            match dataset.parse::<DatasetName>() {
                Ok(name) => self.severities(&place, &name, &checks, &mut config.severities),
                Err(error) => self.problems.push(format!("`{place}`: {error}")),
            }
        }
        config
    }

    /// `[ledger]`: `url` as `--ledger`, `lease` and `interrupted`.
    fn ledger(&mut self, value: Option<&Value>) -> (Option<Url>, Option<Duration>, Option<Interrupted>) {
        let table = self.table("ledger", value);
        self.known_keys("ledger", &table, &["interrupted", "lease", "url"]);
        let url = match table.get("url").map(|url| Url::parse(url.as_str().unwrap_or_default())) {
            None => None,
            Some(Ok(url)) => url,
            Some(Err(problem)) => {
                self.problems.push(format!("`ledger.url`: {problem}"));
                None
            }
        };
        let interrupted = match table.get("interrupted").map(Value::as_str) {
            None => None,
            Some(Some("requeue")) => Some(Interrupted::Requeue),
            Some(Some("fail")) => Some(Interrupted::Fail),
            Some(_) => {
                self.problems.push("`ledger.interrupted` must be \"requeue\" or \"fail\"".to_owned());
                None
            }
        };
        let mut lease = Duration::ZERO;
        self.duration("ledger", &table, "lease", &mut lease);
        let lease = Some(lease).filter(|lease| !lease.is_zero());
        if lease.is_some_and(|lease| lease < LEASE_MIN) {
            self.problems.push("`ledger.lease` must be a second at least".to_owned());
        }
        (url, lease, interrupted)
    }

    /// `[lake] folder`.
    fn lake(&mut self, value: Option<&Value>) -> Option<PathBuf> {
        let table = self.table("lake", value);
        self.known_keys("lake", &table, &["folder"]);
        match table.get("folder")?.as_str() {
            Some(path) if !path.is_empty() => Some(self.folder.join(path)),
            _ => {
                self.problems.push("`lake.folder` must be the path of a folder".to_owned());
                None
            }
        }
    }

    /// `more` are keys of the same table that are read elsewhere.
    fn limits(&mut self, place: &str, value: Option<&Value>, base: &Limits, more: &[&str]) -> Limits {
        let mut limits = base.clone();
        let table = self.table(place, value);
        self.known_keys(place, &table, &[&LIMIT_KEYS, more].concat());
        self.duration(place, &table, "wall_clock", &mut limits.wall_clock);
        self.duration(place, &table, "cpu_time", &mut limits.cpu_time);
        // The least is what a guest needs to do anything at all; to hold or keep nothing is a choice.
        for (key, target, least) in [
            ("memory_bytes", &mut limits.memory_bytes, 64 * 1024),
            ("held_bytes", &mut limits.held_bytes, 4 * 1024),
            ("call_bytes", &mut limits.call_bytes, 4 * 1024),
            ("output_rows", &mut limits.output_rows, 1),
            ("output_bytes", &mut limits.output_bytes, 1),
            ("staging_memory_bytes", &mut limits.staging_memory_bytes, 0),
            ("input_bytes", &mut limits.input_bytes, 1),
            ("rejects", &mut limits.rejects, 0),
            ("reject_bytes", &mut limits.reject_bytes, 0),
            ("log_lines", &mut limits.log_lines, 0),
            ("log_bytes", &mut limits.log_bytes, 0),
            ("table_elements", &mut limits.table_elements, 0),
            ("host_calls", &mut limits.host_calls, 1),
            ("http_calls", &mut limits.http_calls, 0),
            ("http_bytes", &mut limits.http_bytes, 0),
            ("saved_bytes", &mut limits.saved_bytes, 0),
        ] {
            self.amount(place, &table, key, target, least);
        }
        for (key, target, least) in [
            ("handles", &mut limits.handles, 8),
            ("instances", &mut limits.instances, 1),
            ("memories", &mut limits.memories, 1),
            ("tables", &mut limits.tables, 0),
            ("metric_series", &mut limits.metric_series, 0),
        ] {
            let mut amount = u64::from(*target);
            self.amount(place, &table, key, &mut amount, least);
            match u32::try_from(amount) {
                Ok(amount) => *target = amount,
                Err(_) => self.problems.push(format!("`{place}.{key}` must be a whole number below 4294967296")),
            }
        }
        limits
    }

    /// How deep guests may call, which no plugin has for itself: they share an engine.
    fn stack_bytes(&mut self, value: Option<&Value>) -> usize {
        let standard = Config::standard().stack_bytes;
        let Some(Value::Table(table)) = value else { return standard };
        let mut bytes = standard as u64;
        self.amount("limits", table, "stack_bytes", &mut bytes, *STACK_BYTES.start());
        if bytes > *STACK_BYTES.end() {
            self.problems.push(format!("`limits.stack_bytes` is {bytes}, more than {}", STACK_BYTES.end()));
        }
        usize::try_from(bytes).unwrap_or(standard)
    }

    /// What all guests together may be promised.
    fn guests_memory_bytes(&mut self, value: Option<&Value>) -> u64 {
        let mut bytes = Config::standard().guests_memory_bytes;
        let Some(Value::Table(table)) = value else { return bytes };
        self.amount("limits", table, "guests_memory_bytes", &mut bytes, 1024 * 1024);
        bytes
    }

    /// Limits of queries, which no plugin has: whoever reads, reads for himself.
    fn query_limits(&mut self, value: Option<&Value>) -> QueryLimits {
        let mut limits = QueryLimits::standard();
        let Some(Value::Table(table)) = value else { return limits };
        self.amount("limits", table, "query_memory_bytes", &mut limits.memory_bytes, 1024 * 1024);
        self.amount("limits", table, "query_rows", &mut limits.rows, 1);
        self.duration("limits", table, "query_wall_clock", &mut limits.wall_clock);
        limits
    }

    fn amount(&mut self, place: &str, table: &Table, key: &str, target: &mut u64, least: u64) {
        match table.get(key).map(quantity::amount) {
            None => {}
            Some(Ok(amount)) if amount < least => {
                self.problems.push(format!("`{place}.{key}` is {amount}, but nothing works with less than {least}"));
            }
            Some(Ok(amount)) => *target = amount,
            Some(Err(problem)) => self.problems.push(format!("`{place}.{key}`: {problem}")),
        }
    }

    fn duration(&mut self, place: &str, table: &Table, key: &str, target: &mut Duration) {
        match table.get(key).map(quantity::duration) {
            None => {}
            Some(Ok(Duration::ZERO)) => self.problems.push(format!("`{place}.{key}` must be more than nothing")),
            Some(Ok(duration)) if duration > DURATION_MAX => {
                self.problems.push(format!("`{place}.{key}` is longer than 30 days, the most it may be"));
            }
            Some(Ok(duration)) => *target = duration,
            Some(Err(problem)) => self.problems.push(format!("`{place}.{key}`: {problem}")),
        }
    }

    fn severities(
        &mut self,
        place: &str,
        dataset: &DatasetName,
        checks: &Value,
        severities: &mut BTreeMap<(DatasetName, String), Severity>,
    ) {
        for (check, value) in self.table(place, Some(checks)) {
            let place = format!("{place}.{check}");
            let table = self.table(&place, Some(&value));
            self.known_keys(&place, &table, &["severity"]);
            if check == "unique_key" {
                self.problems.push(format!("`{place}` always blocks: no reader could tell which row is right"));
            }
            let severity = match table.get("severity").and_then(Value::as_str) {
                Some("block") => Severity::Block,
                Some("warn") => Severity::Warn,
                _ => {
                    self.problems.push(format!("`{place}.severity` must be \"block\" or \"warn\""));
                    continue;
                }
            };
            severities.insert((dataset.clone(), check), severity);
        }
    }

    fn table(&mut self, place: &str, value: Option<&Value>) -> Table {
        match value {
            None => Table::new(),
            Some(Value::Table(table)) => table.clone(),
            Some(other) => {
                self.problems.push(format!("`{place}` must be a table, not {}", other.type_str()));
                Table::new()
            }
        }
    }

    fn known_keys(&mut self, place: &str, table: &Table, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let dot = if place.is_empty() { "" } else { "." };
            self.problems.push(format!("unknown key `{place}{dot}{key}`{}", suggestion(key, known)));
        }
    }
}

fn bad_config(message: &str) -> Failure {
    Failure::new(FailureKind::Config, "bad_config", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_read() {
        let config = Config::parse(
            r#"
            [limits]
            memory_bytes = "128MiB"
            wall_clock = "90s"
            [plugins.finra.grants]
            folders = { drop = "inbox" }
            [plugins.finra.limits]
            wall_clock = "10m"
            [quality."finra.regsho_daily".row_count_band]
            severity = "block"
            "#,
            Path::new("/etc/spine"),
        )
        .unwrap();
        assert_eq!(config.limits.memory_bytes, 128 * 1024 * 1024);
        let finra = &config.plugins["finra"];
        assert_eq!(finra.limits.wall_clock, Duration::from_secs(600));
        assert_eq!(finra.limits.memory_bytes, config.limits.memory_bytes, "a plugin inherits what it does not set");
        assert_eq!(finra.grants.folders["drop"].path, Path::new("/etc/spine/inbox"));
        let check = ("finra.regsho_daily".parse().unwrap(), "row_count_band".to_owned());
        assert_eq!(config.severities[&check], Severity::Block);
    }

    #[test]
    fn every_problem_is_named_at_once_with_the_nearest_key() {
        let problems = Config::parse(
            "[limit]\n[plugins.finra.grant]\n[limits]\nmemory_byte = 1\nwall_clock = \"soon\"\n[quality.\"x\".y]\n",
            Path::new(""),
        )
        .unwrap_err()
        .join("\n");
        for expected in [
            "unknown key `limit`, did you mean `limits`?",
            "unknown key `plugins.finra.grant`, did you mean `grants`?",
            "unknown key `limits.memory_byte`, did you mean `memory_bytes`?",
            "`limits.wall_clock`",
            "`quality.\"x\"`",
        ] {
            assert!(problems.contains(expected), "{expected} is not in\n{problems}");
        }
    }

    #[test]
    fn limits_of_queries_are_set_for_all_and_for_no_plugin() {
        let set = "[limits]\nquery_memory_bytes = \"64MiB\"\nquery_rows = 10\nquery_wall_clock = \"5s\"\n";
        let query = Config::parse(set, Path::new("")).unwrap().query;
        let expected = QueryLimits { memory_bytes: 64 << 20, rows: 10, wall_clock: Duration::from_secs(5) };
        assert_eq!(query, expected);
        let problems = Config::parse("[plugins.finra.limits]\nquery_rows = 10\n", Path::new("")).unwrap_err();
        assert!(problems[0].contains("unknown key `plugins.finra.limits.query_rows`"), "{problems:?}");
    }

    #[test]
    fn every_limit_of_an_attempt_has_its_key() {
        let set = "[limits]\nwall_clock = \"1s\"\ncpu_time = \"2s\"\nmemory_bytes = 100000\ntable_elements = 3\n\
                   instances = 4\nmemories = 5\ntables = 6\nhost_calls = 7\nheld_bytes = 8000\ncall_bytes = 9000\n\
                   handles = 10\noutput_rows = 11\noutput_bytes = 12\nstaging_memory_bytes = 13\ninput_bytes = 14\n\
                   rejects = 15\nreject_bytes = 16\nlog_lines = 17\nlog_bytes = 18\nmetric_series = 19\n\
                   http_calls = 20\nhttp_bytes = 21\nsaved_bytes = 22\n\
                   stack_bytes = \"1MiB\"\nguests_memory_bytes = \"2MiB\"\n";
        let config = Config::parse(set, Path::new("")).unwrap();
        let expected = Limits {
            wall_clock: Duration::from_secs(1),
            cpu_time: Duration::from_secs(2),
            memory_bytes: 100_000,
            table_elements: 3,
            instances: 4,
            memories: 5,
            tables: 6,
            host_calls: 7,
            held_bytes: 8_000,
            call_bytes: 9_000,
            handles: 10,
            output_rows: 11,
            output_bytes: 12,
            staging_memory_bytes: 13,
            input_bytes: 14,
            rejects: 15,
            reject_bytes: 16,
            log_lines: 17,
            log_bytes: 18,
            metric_series: 19,
            http_calls: 20,
            http_bytes: 21,
            saved_bytes: 22,
        };
        assert_eq!((config.limits, config.stack_bytes, config.guests_memory_bytes), (expected, 1 << 20, 2 << 20));
        assert_eq!(set.lines().count(), LIMIT_KEYS.len() + 3, "each key is set");
        let problems = Config::parse("[plugins.finra.limits]\nstack_bytes = 100000\n", Path::new("")).unwrap_err();
        assert!(problems[0].contains("unknown key `plugins.finra.limits.stack_bytes`"), "{problems:?}");
        assert!(Config::parse("[limits]\nstack_bytes = \"1GiB\"\n", Path::new("")).is_err());
    }

    #[test]
    fn a_limit_with_which_nothing_works_is_a_mistake() {
        let set = "[limits]\nhandles = 0\ninput_bytes = 0\nmemory_bytes = 1\nheld_bytes = 0\ncall_bytes = 0\n\
                   output_rows = 0\noutput_bytes = 0\nwall_clock = \"0s\"\nquery_rows = 0\n\
                   query_memory_bytes = 0\nquery_wall_clock = \"99999h\"\n";
        let problems = Config::parse(set, Path::new("")).unwrap_err();
        assert_eq!(problems.len(), 11, "{problems:#?}");
        let none = "[limits]\nrejects = 0\nreject_bytes = 0\nlog_lines = 0\nstaging_memory_bytes = 0\n";
        let limits = Config::parse(none, Path::new("")).unwrap().limits;
        assert_eq!((limits.rejects, limits.reject_bytes, limits.log_lines), (0, 0, 0), "to keep nothing is a choice");
        assert_eq!(limits.staging_memory_bytes, 0, "every row may be staged in files");
    }
}
