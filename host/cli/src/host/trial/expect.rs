//! What came of a case, held against what had to come, or written down as that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use authors::{Case, Expected, ExpectedReject};
use model::failure::{Failure, Reading};
use model::quality::CheckStatus;
use model::run::RunReport;
use model::{Manifest, brief};
use serde_json::Value;

use super::place::TrialHost;

/// Rows of a dataset that are written down; of more there is the hash of their content.
const ROWS_WRITTEN: u64 = 10_000;

/// Rejects that are written down; of more there is the count.
const REJECTS_WRITTEN: usize = 1_000;

/// What came.
pub(super) struct Came {
    status: String,
    code: Option<String>,
    /// In words, for whoever wonders about the code.
    message: String,
    counts: [u64; 3],
    rejects: Vec<ExpectedReject>,
    checks: BTreeMap<String, String>,
    content: BTreeMap<String, Vec<String>>,
    rows: BTreeMap<String, String>,
    result: Option<Value>,
}

impl Came {
    /// Collects it. An answer without a run is `refused`.
    pub(super) async fn of(
        host: &TrialHost,
        manifest: &Manifest,
        answer: &Result<RunReport, Failure>,
    ) -> Result<Self, Failure> {
        let report = match answer {
            Ok(report) => report,
            Err(failure) => return Ok(Self::refused(failure)),
        };
        let rejects = host.rejects(report.run_id).await?;
        let mut came = Self {
            status: report.status.name().to_owned(),
            code: report.error.as_ref().map(|error| error.code.clone()),
            message: report.error.as_ref().map(ToString::to_string).unwrap_or_default(),
            counts: [report.rows_in, report.rows_out, report.rejected],
            rejects: rejects.into_iter().map(|it| ExpectedReject { line: it.line, code: it.code }).collect(),
            checks: BTreeMap::new(),
            content: BTreeMap::new(),
            rows: BTreeMap::new(),
            result: manifest.task(&report.name).and(report.result.clone()),
        };
        came.rejects.sort_by(|one, other| (one.line, &one.code).cmp(&(other.line, &other.code)));
        let mut worst: BTreeMap<&str, CheckStatus> = BTreeMap::new();
        for result in &report.quality {
            let status = worst.entry(&result.check).or_insert(result.status);
            *status = result.status.max(*status);
        }
        came.checks = worst.into_iter().map(|(check, status)| (check.to_owned(), word(status).to_owned())).collect();
        let mut captures: Vec<_> = report.captures.iter().collect();
        captures.sort_by(|one, other| (&one.dataset, &one.partition).cmp(&(&other.dataset, &other.partition)));
        for capture in captures {
            came.content.entry(capture.dataset.to_string()).or_default().push(capture.content_hash.to_string());
        }
        if report.rows_out <= ROWS_WRITTEN {
            for dataset in manifest.datasets.iter().filter(|it| came.content.contains_key(&it.name.to_string())) {
                came.rows.insert(dataset.name.to_string(), host.rows(dataset).await?);
            }
        }
        Ok(came)
    }

    fn refused(failure: &Failure) -> Self {
        Self {
            status: "refused".to_owned(),
            code: Some(failure.code.clone()),
            message: failure.to_string(),
            counts: [0; 3],
            rejects: Vec::new(),
            checks: BTreeMap::new(),
            content: BTreeMap::new(),
            rows: BTreeMap::new(),
            result: None,
        }
    }

    /// Everything that is not as it had to come.
    pub(super) fn differences(&self, case: &Case) -> Vec<String> {
        let Some(expected) = &case.expected else {
            let file = case.expected_file();
            return vec![format!("nobody said what has to come: there is no `{}`", file.display())];
        };
        let mut found = self.outcome(expected);
        for (check, status) in &expected.checks {
            match self.checks.get(check) {
                Some(came) if came == status => {}
                Some(came) => found.push(format!("the check `{check}` is {came}, not {status}")),
                None => found.push(format!("the check `{check}` was not made, it has to be {status}")),
            }
        }
        for (dataset, hashes) in &expected.content {
            if self.content.get(dataset) != Some(hashes) {
                found.push(format!("`{dataset}` has another content, or is not there"));
            }
        }
        for (dataset, rows) in &case.rows {
            let came = self.rows.get(dataset).map_or("", String::as_str);
            found.extend(first_difference(rows, came).map(|difference| format!("`{dataset}`: {difference}")));
        }
        found
    }

    fn outcome(&self, expected: &Expected) -> Vec<String> {
        let mut found = Vec::new();
        if expected.status.as_ref().is_some_and(|status| *status != self.status) {
            found.push(format!("it is {}, not {}{}", self.status, given(&expected.status), self.why()));
        }
        if expected.code.is_some() && expected.code != self.code {
            found.push(format!("its error is {}, not {}{}", given(&self.code), given(&expected.code), self.why()));
        }
        let counts = [expected.rows_in, expected.rows_out, expected.rejected];
        for (what, (due, came)) in
            ["rows in", "rows out", "rejected"].into_iter().zip(counts.into_iter().zip(self.counts))
        {
            if due.is_some_and(|due| due != came) {
                found.push(format!("{came} {what}, not {}", due.unwrap_or_default()));
            }
        }
        if let Some(rejects) = &expected.rejects
            && *rejects != self.rejects
        {
            let told = |rejects: &[ExpectedReject]| {
                let each = rejects.iter().take(10).map(|it| match it.line {
                    Some(line) => format!("line {line} {}", it.code),
                    None => it.code.clone(),
                });
                brief(&each.collect::<Vec<_>>().join(", ")).into_owned()
            };
            found.push(format!("other rejects: {}; due: {}", told(&self.rejects), told(rejects)));
        }
        if let Some(result) = &expected.result
            && Some(json(result)) != self.result
        {
            let came = self.result.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
            found.push(format!("it answers {}, not {}", brief(&came), brief(&json(result).to_string())));
        }
        found
    }

    fn why(&self) -> String {
        if self.message.is_empty() { String::new() } else { format!(" ({})", self.message) }
    }

    /// Writes it down as what has to come.
    ///
    /// # Errors
    ///
    /// Of kind `storage` if a file cannot be written.
    pub(super) fn write(&self, case: &Case) -> Result<(), Failure> {
        for dataset in case.rows.keys().filter(|dataset| !self.rows.contains_key(*dataset)) {
            let file = case.rows_file(dataset);
            std::fs::remove_file(&file).map_err(|error| unwritable(&file, &error))?;
        }
        for (dataset, rows) in &self.rows {
            write(&case.rows_file(dataset), rows)?;
        }
        write(&case.expected_file(), &self.as_toml())
    }

    fn as_toml(&self) -> String {
        let [rows_in, rows_out, rejected] = self.counts;
        let mut text = format!("status = {:?}\n", self.status);
        // Writing to a string does not fail.
        if let Some(code) = &self.code {
            let _ = writeln!(text, "code = {code:?}");
        }
        let _ = writeln!(text, "rows_in = {rows_in}\nrows_out = {rows_out}\nrejected = {rejected}");
        if let Some(result) = self.result.clone().and_then(|result| toml::Value::try_from(result).ok()) {
            let _ = writeln!(text, "result = {result}");
        }
        if !self.checks.is_empty() {
            text.push_str("\n[checks]\n");
            for (check, status) in &self.checks {
                let _ = writeln!(text, "{check} = {status:?}");
            }
        }
        let unwritten: Vec<_> = self.content.iter().filter(|(dataset, _)| !self.rows.contains_key(*dataset)).collect();
        if !unwritten.is_empty() {
            text.push_str("\n[content]\n");
            for (dataset, hashes) in unwritten {
                let _ = writeln!(text, "{dataset:?} = {hashes:?}");
            }
        }
        if self.rejects.len() <= REJECTS_WRITTEN {
            for reject in &self.rejects {
                let line = reject.line.map(|line| format!("line = {line}\n")).unwrap_or_default();
                let _ = write!(text, "\n[[rejects]]\n{line}code = {:?}\n", reject.code);
            }
        }
        text
    }
}

/// A value of TOML as JSON; dates are texts.
pub(super) fn json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(truth) => Value::from(*truth),
        toml::Value::Datetime(date) => Value::from(date.to_string()),
        toml::Value::Array(values) => values.iter().map(json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
    }
}

/// Where two texts first differ.
fn first_difference(due: &str, came: &str) -> Option<String> {
    let (mut due_lines, mut came_lines) = (due.lines(), came.lines());
    for number in 1_u64.. {
        match (due_lines.next(), came_lines.next()) {
            (None, None) => return None,
            (due, came) if due == came => {}
            (Some(due), Some(came)) => {
                return Some(format!("line {number} of its rows is `{}`, not `{}`", brief(came), brief(due)));
            }
            (Some(due), None) => return Some(format!("line {number} of its rows is missing: `{}`", brief(due))),
            (None, Some(came)) => return Some(format!("there is one row more: `{}`", brief(came))),
        }
    }
    None
}

fn word(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Pass => "PASS",
        CheckStatus::Warn => "WARN",
        CheckStatus::Fail => "FAIL",
    }
}

fn given(word: &Option<String>) -> String {
    word.as_ref().map_or_else(|| "none".to_owned(), |word| format!("`{word}`"))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::io(Reading::Own, "write", &path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_told() {
        assert_eq!(first_difference("a\nb\n", "a\nb"), None);
        assert_eq!(first_difference("a\nb", "a\nc").unwrap(), "line 2 of its rows is `c`, not `b`");
        assert!(first_difference("a\nb", "a").unwrap().contains("is missing: `b`"));
        assert!(first_difference("a", "a\nb").unwrap().contains("one row more: `b`"));
    }
}
