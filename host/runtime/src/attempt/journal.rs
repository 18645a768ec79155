//! What a guest says: log lines, output lines and stages, up to their limits.
//!
//! Lines are handed on as they come, to `tracing` and to the invocation's sink, and are not kept here. What is dropped
//! is counted and told in one line at the end. A journal is shared, so that it survives a guest that is stuck in a host
//! call; once it has ended nothing of such a guest is handed on any more.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use model::Timestamp;
use model::limits::Limits;
use model::ports::LogSink;
use model::run::LogLine;
use model::secret::Secrets;
use model::stage::StageDone;

use super::calls::{Call, Calls};

/// Longest line handed on, in bytes. The rest of it is cut off.
pub(crate) const LINE_BYTES_MAX: usize = 8 * 1024;

/// Stages kept for one attempt.
const STAGES_MAX: usize = 1_000;

/// Last lines that a trap report quotes: of everything that was said, and of standard error, where a panic's message is.
const TAIL_LINES: usize = 20;

/// Bytes of each of them that are kept.
const TAIL_BYTES_MAX: usize = 1_024;

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Severity {
    /// The level a guest meant; a word of a newer contract is `info`.
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "warn" | "warning" => Self::Warn,
            "error" | "critical" => Self::Error,
            _ => Self::Info,
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The shared record of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    started_at: Timestamp,
    started: Instant,
    lines_max: u64,
    bytes_max: u64,
    sink: LogSink,
    entries: Mutex<Entries>,
    host_calls: AtomicU64,
    calls: Mutex<Calls>,
    memory_peak: AtomicU64,
    secrets: Secrets,
}

#[derive(Debug, Default)]
struct Entries {
    lines: u64,
    bytes: u64,
    dropped: u64,
    /// Values of metrics that found no room.
    unmeasured: u64,
    has_ended: bool,
    stages: Vec<StageDone>,
    /// Of everything that was said.
    tail: VecDeque<Said>,
    /// Of standard error.
    errors: VecDeque<Said>,
}

/// A line as a trap report quotes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) level: &'static str,
    pub(crate) origin: String,
    pub(crate) message: String,
}

impl Journal {
    /// An empty journal whose lines are stamped from `started_at` on and go to `sink`.
    pub(crate) fn new(started_at: Timestamp, limits: &Limits, sink: LogSink) -> Self {
        Self::hiding(Secrets::default(), started_at, limits, sink)
    }

    /// An empty journal that tells nobody the secrets.
    pub(crate) fn hiding(secrets: Secrets, started_at: Timestamp, limits: &Limits, sink: LogSink) -> Self {
        Self {
            shared: Arc::new(Shared {
                started_at,
                started: Instant::now(),
                lines_max: limits.log_lines,
                bytes_max: limits.log_bytes,
                sink,
                entries: Mutex::default(),
                host_calls: AtomicU64::new(0),
                calls: Mutex::default(),
                memory_peak: AtomicU64::new(0),
                secrets,
            }),
        }
    }

    /// The text without the secrets of the attempt.
    pub(crate) fn hidden<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.shared.secrets.hide(text)
    }

    /// Records a line of `origin` (`guest`, `stdout`, `stderr`, `host`).
    pub(crate) fn line(&self, severity: Severity, origin: &str, message: &str, mut fields: Vec<(String, String)>) {
        // Before it is cut, so that no part of a secret is left.
        let message = self.hidden(message);
        let texts = fields.iter_mut().flat_map(|(name, value)| [name, value]);
        texts.for_each(|text| self.shared.secrets.hide_in(text));
        let message = cut(&message, LINE_BYTES_MAX);
        let mut entries = self.lock();
        entries.quote(severity, origin, message);
        let size = message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let size = size as u64;
        if entries.has_ended {
            return;
        }
        if entries.lines >= self.shared.lines_max || entries.bytes.saturating_add(size) > self.shared.bytes_max {
            entries.dropped += 1;
            return;
        }
        entries.bytes += size;
        entries.lines += 1;
        tell(severity, origin, message, &fields);
        // Under the lock, so that lines come in the order of their times.
        self.hand_on(severity, origin, message.to_owned(), fields);
    }

    fn hand_on(&self, severity: Severity, origin: &str, message: String, fields: Vec<(String, String)>) {
        let (at, level, origin) = (self.now(), severity.word().to_owned(), origin.to_owned());
        (self.shared.sink.0)(LogLine { at, level, origin, message, fields });
    }

    /// Records a stage; false once there are too many.
    pub(crate) fn stage(&self, name: &str, rows: u64, metrics: Vec<(String, String)>) -> bool {
        let mut entries = self.lock();
        let room = entries.stages.len() < STAGES_MAX;
        if room {
            entries.stages.push(StageDone { name: cut(name, 256).to_owned(), rows, metrics });
        }
        room
    }

    /// Counts one host call, remembers it, and returns how many there were.
    pub(crate) fn called(&self, name: &'static str, at_us: i64, arguments: fmt::Arguments<'_>) -> u64 {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner).push(name, at_us, arguments);
        self.count_call()
    }

    /// Counts one host call that is not worth remembering, and returns how many there were.
    pub(crate) fn count_call(&self) -> u64 {
        self.shared.host_calls.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// The last calls, from the oldest to the latest, without secrets.
    pub(crate) fn last_calls(&self) -> Vec<Call> {
        let mut calls = self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner).all();
        calls.iter_mut().for_each(|call| self.shared.secrets.hide_in(&mut call.arguments));
        calls
    }

    /// Counts a value of a metric that finds no room.
    pub(crate) fn not_measured(&self) {
        self.lock().unmeasured += 1;
    }

    pub(crate) fn host_calls(&self) -> u64 {
        self.shared.host_calls.load(Ordering::Relaxed)
    }

    pub(crate) fn memory_in_use(&self, bytes: u64) {
        self.shared.memory_peak.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(crate) fn memory_peak(&self) -> u64 {
        self.shared.memory_peak.load(Ordering::Relaxed)
    }

    /// Microseconds since the attempt began, by the machine's monotonic clock.
    pub(crate) fn elapsed_us(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The last lines of standard error.
    pub(crate) fn stderr_tail(&self) -> Vec<String> {
        self.lock().errors.iter().map(|said| said.message.clone()).collect()
    }

    /// The last lines of everything that was said.
    pub(crate) fn tail(&self) -> Vec<Said> {
        self.lock().tail.iter().cloned().collect()
    }

    /// Ends the journal: a last line says how much was dropped, and no line follows. Returns the stages.
    pub(crate) fn end(&self) -> Vec<StageDone> {
        let mut entries = self.lock();
        entries.has_ended = true;
        let dropped = std::mem::take(&mut entries.dropped);
        if dropped > 0 {
            let (lines, bytes) = (self.shared.lines_max, self.shared.bytes_max);
            let message = format!(
                "{dropped} more lines were dropped: an attempt keeps {lines} lines (limits.log_lines) and {bytes} bytes \
                 of them (limits.log_bytes)"
            );
            self.hand_on(Severity::Warn, "host", message, Vec::new());
        }
        let unmeasured = std::mem::take(&mut entries.unmeasured);
        if unmeasured > 0 {
            let message = format!(
                "{unmeasured} values of metrics were dropped: a plugin has no more series than limits.metric_series"
            );
            self.hand_on(Severity::Warn, "host", message, Vec::new());
        }
        std::mem::take(&mut entries.stages)
    }

    fn now(&self) -> Timestamp {
        self.shared.started_at.plus_micros(i64::try_from(self.elapsed_us()).unwrap_or(i64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Keeps a line for a trap report, in place of the oldest.
    fn quote(&mut self, severity: Severity, origin: &str, message: &str) {
        let said = Said {
            level: severity.word(),
            origin: origin.to_owned(),
            message: cut(message, TAIL_BYTES_MAX).to_owned(),
        };
        let errors = (origin == "stderr").then_some(&mut self.errors);
        for tail in errors.into_iter().chain([&mut self.tail]) {
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(said.clone());
        }
    }
}

/// Writes a line into the log of the host, as one line whatever it holds: nobody is to take a part of it for a line of the
/// host's own.
fn tell(severity: Severity, origin: &str, message: &str, fields: &[(String, String)]) {
    let message = message.replace('\n', "\\n").replace('\r', "\\r");
    match severity {
        Severity::Trace => tracing::trace!(target: "guest", origin, fields = as_json(fields), "{message}"),
        Severity::Debug => tracing::debug!(target: "guest", origin, fields = as_json(fields), "{message}"),
        Severity::Info => tracing::info!(target: "guest", origin, fields = as_json(fields), "{message}"),
        Severity::Warn => tracing::warn!(target: "guest", origin, fields = as_json(fields), "{message}"),
        Severity::Error => tracing::error!(target: "guest", origin, fields = as_json(fields), "{message}"),
    }
}

/// What a guest named, as a JSON object: a field of a log line has one value, and what guests name is not known before.
pub(crate) fn as_json(fields: &[(String, String)]) -> Option<String> {
    let object = || fields.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    (!fields.is_empty()).then(|| serde_json::Value::Object(object()).to_string())
}

/// At most `bytes_max` bytes of `text`, cut between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::collector;

    fn of_lines(log_lines: u64) -> Limits {
        Limits { log_lines, ..Limits::standard() }
    }

    #[test]
    fn a_secret_that_a_guest_says_is_not_repeated() {
        let secrets = Secrets::new([&serde_json::json!("hunter2")]);
        let (sink, said) = collector();
        let journal = Journal::hiding(secrets, Timestamp::from_micros(0), &of_lines(2), sink);
        let long = format!("{}hunter2", "x".repeat(LINE_BYTES_MAX - 3));
        journal.line(Severity::Info, "guest", "with hunter2", vec![("key".to_owned(), "hunter2".to_owned())]);
        journal.line(Severity::Info, "stderr", &long, Vec::new());
        let lines = said.lock().unwrap().clone();
        assert_eq!((lines[0].message.as_str(), lines[0].fields[0].1.as_str()), ("with (secret)", "(secret)"));
        assert!(!format!("{lines:?}{:?}", journal.stderr_tail()).contains("hun"), "not even a part of it");
    }

    #[test]
    fn lines_beyond_the_limit_are_counted_and_told_once() {
        let (sink, lines) = collector();
        let journal = Journal::new(Timestamp::from_micros(0), &of_lines(2), sink);
        for number in 0..5 {
            journal.line(Severity::Info, "guest", &format!("line {number}"), Vec::new());
        }
        assert_eq!(lines.lock().unwrap().len(), 2, "lines are handed on as they come");
        journal.end();
        journal.line(Severity::Info, "guest", "too late", Vec::new());
        let lines = lines.lock().unwrap();
        let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages[..2], ["line 0", "line 1"]);
        assert_eq!(lines.len(), 3);
        assert!(messages[2].starts_with("3 more lines were dropped") && messages[2].contains("limits.log_lines"));
        assert_eq!(lines[2].origin, "host");
    }

    #[test]
    fn bytes_of_lines_are_limited_too_and_small_lines_still_find_room() {
        let (sink, lines) = collector();
        let limits = Limits { log_bytes: 10, ..Limits::standard() };
        let journal = Journal::new(Timestamp::from_micros(0), &limits, sink);
        for message in ["12345678", "123", "12"] {
            journal.line(Severity::Info, "guest", message, Vec::new());
        }
        journal.not_measured();
        journal.end();
        let messages: Vec<_> = lines.lock().unwrap().iter().map(|line| line.message.clone()).collect();
        assert_eq!(messages[..2], ["12345678", "12"]);
        assert!(messages[2].starts_with("1 more lines were dropped") && messages[2].contains("limits.log_bytes"));
        assert!(messages[3].starts_with("1 values of metrics") && messages[3].contains("limits.metric_series"));
    }

    #[test]
    fn the_last_calls_are_told_without_secrets() {
        let secrets = Secrets::new([&serde_json::json!("hunter2")]);
        let journal = Journal::hiding(secrets, Timestamp::from_micros(0), &of_lines(1), LogSink::none());
        assert_eq!(journal.called("open", 5, format_args!("hunter2.txt")), 1);
        assert_eq!(journal.count_call(), 2);
        let call = Call { name: "open", arguments: "(secret).txt".to_owned(), at_us: 5 };
        assert_eq!(journal.last_calls(), [call]);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        let (sink, lines) = collector();
        let journal = Journal::new(Timestamp::from_micros(0), &of_lines(2), sink);
        journal.line(Severity::Info, "guest", &"é".repeat(LINE_BYTES_MAX), Vec::new());
        assert_eq!(lines.lock().unwrap()[0].message.len(), LINE_BYTES_MAX);
    }

    #[test]
    fn fields_of_a_guest_are_one_json_object() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(as_json(&[field("rows", "3"), field("q", "\"")]).as_deref(), Some(r#"{"q":"\"","rows":"3"}"#));
        assert_eq!(as_json(&[]), None);
    }

    #[test]
    fn the_tail_of_stderr_survives_the_line_limit() {
        let journal = Journal::new(Timestamp::from_micros(0), &of_lines(0), LogSink::none());
        for number in 0..30 {
            journal.line(Severity::Error, "stderr", &number.to_string(), Vec::new());
        }
        assert_eq!(journal.stderr_tail().first().map(String::as_str), Some("10"));
        assert_eq!(journal.stderr_tail().last().map(String::as_str), Some("29"));
    }
}
