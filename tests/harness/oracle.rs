//! DuckDB as a judge that knows nothing of our host.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::host::target_folder;

/// A DuckDB process with its ducklake extension; ended when dropped.
#[derive(Debug)]
pub struct Duck {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Duck {
    /// Starts DuckDB, or none with a message that the test is skipped where it cannot be installed.
    pub fn start() -> Option<Self> {
        let python = target_folder().join("oracle-venv/bin/python");
        if !python.exists() {
            eprintln!("skipped: DuckDB is not installed; `make oracle` installs it where that is possible");
            return None;
        }
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("oracle/duck.py");
        let mut command = Command::new(python);
        command.arg(script).arg("--lines").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let ask = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, ask, answers })
    }

    /// Attaches the catalog in this database as `lake`, read only.
    #[track_caller]
    pub fn attach(&mut self, database: &Path) {
        self.send(&format!(".attach {}", database.display())).unwrap();
    }

    /// The rows of a query, or what DuckDB says is wrong. Decimals are texts, NaN is "NaN".
    pub fn try_rows(&mut self, sql: &str) -> Result<Value, String> {
        self.send(&sql.replace('\n', " "))
    }

    /// The rows of a query.
    #[track_caller]
    pub fn rows(&mut self, sql: &str) -> Value {
        self.try_rows(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn send(&mut self, line: &str) -> Result<Value, String> {
        writeln!(self.ask, "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("DuckDB ended: {line}"));
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["rows"].clone()),
        }
    }
}

impl Drop for Duck {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
