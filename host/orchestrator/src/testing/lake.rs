//! A lake whose input files are scripts:
//!
//! ```text
//! rows_in 4              data lines read
//! rejected 1
//! capture DAY ROWS TEXT  one capture of `d.t` with this content
//! check NAME FAIL block  a result of a host check
//! misfit                 the file fits no format
//! full                   the disk is full when captures are written
//! full DAY               the disk is full when the capture of this day is written
//! spill                  the disk is full when rows are staged
//! folder TEXT            a file of a granted folder was read
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use model::capture::{StagedCapture, StagedFile};
use model::catalog::CatalogFile;
use model::difference::Difference;
use model::failure::{Failure, FailureKind};
use model::ports::{
    Blob, FileEntry, Finished, InputBytes, KeptInput, Lake, Prepared, PreparedData, RejectedRow, TableReader,
    TableWriter, WorkOrder, Workbench,
};
use model::quality::{CheckCategory, CheckResult, CheckStatus, Severity};
use model::reject::{Reject, Rejects};
use model::{CaptureId, DatasetName, Digest, RunId};

use super::digest;

#[derive(Debug, Default)]
pub(crate) struct FakeLake {
    pub(crate) kept: Mutex<Vec<String>>,
    /// The bytes of what was kept.
    pub(crate) inputs: Mutex<BTreeMap<Digest, Arc<Vec<u8>>>>,
    /// Captures whose files are there.
    pub(crate) written: Arc<Mutex<Vec<CaptureId>>>,
    /// The script of sources and tasks, which have no input file.
    pub(crate) ambient: Mutex<String>,
    pub(crate) orders: Mutex<Vec<WorkOrder>>,
    /// The inputs that somebody waited for until they were durable.
    pub(crate) settled: Mutex<Vec<Digest>>,
}

impl Lake for FakeLake {
    fn keep_input(&self, input: InputBytes) -> Result<KeptInput, Failure> {
        self.kept.lock().unwrap().push(input.file_name.clone());
        let digest = digest(&input.bytes);
        self.inputs.lock().unwrap().insert(digest, Arc::clone(&input.bytes));
        Ok(KeptInput { file_name: input.file_name, digest, bytes: input.bytes })
    }

    fn settle_input(&self, digest: Digest) -> Result<(), Failure> {
        self.settled.lock().unwrap().push(digest);
        Ok(())
    }

    fn kept_input(&self, file_name: &str, digest: Digest) -> Result<KeptInput, Failure> {
        let kept = self.inputs.lock().unwrap().get(&digest).cloned();
        let missing = || Failure::new(FailureKind::Storage, "not_found", "the input is gone");
        Ok(KeptInput { file_name: file_name.to_owned(), digest, bytes: kept.ok_or_else(missing)? })
    }

    fn workbench(&self, order: WorkOrder) -> Result<Box<dyn Workbench>, Failure> {
        let script = match order.inputs.get("file") {
            Some(input) => String::from_utf8(input.bytes.to_vec()).unwrap(),
            None => self.ambient.lock().unwrap().clone(),
        };
        self.orders.lock().unwrap().push(order);
        if script.contains("misfit") {
            return Err(Failure::new(FailureKind::Parse, "header_mismatch", "another header"));
        }
        Ok(Box::new(Scripted { script, written: Arc::clone(&self.written) }))
    }

    fn discard(&self, captures: &[StagedCapture]) {
        let is_discarded = |id: &CaptureId| captures.iter().any(|staged| staged.capture_id == *id);
        self.written.lock().unwrap().retain(|id| !is_discarded(id));
    }

    fn check_folder(&self, path: &Path) -> Result<(), Failure> {
        if path.starts_with("/gone") {
            return Err(Failure::new(FailureKind::Source, "not_found", "it is gone"));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Scripted {
    script: String,
    written: Arc<Mutex<Vec<CaptureId>>>,
}

fn dataset() -> DatasetName {
    "d.t".parse().unwrap()
}

impl Scripted {
    fn number(&self, word: &str) -> u64 {
        let line = self.script.lines().find_map(|line| line.strip_prefix(word));
        line.map_or(0, |number| number.trim().parse().unwrap())
    }

    fn lines(&self, word: &str) -> Vec<Vec<String>> {
        let lines = self.script.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        lines.filter(|words| words[0] == word).collect()
    }

    fn is_full(&self, day: &str) -> bool {
        self.lines("full").iter().any(|words| words.get(1).is_none_or(|full| full == day))
    }

    fn capture(&self, words: &[String]) -> Prepared {
        Prepared {
            dataset: dataset(),
            partition: [("day", words[1].as_str())].into_iter().collect(),
            rows: words[2].parse().unwrap(),
            content_hash: digest(words[3].as_bytes()),
            data: Box::new(Rows { full: self.is_full(&words[1]), written: Arc::clone(&self.written) }),
        }
    }
}

fn check(words: &[String]) -> CheckResult {
    CheckResult {
        check: words[1].clone(),
        dataset: dataset(),
        category: CheckCategory::Integrity,
        severity: if words[3] == "block" { Severity::Block } else { Severity::Warn },
        status: match words[2].as_str() {
            "PASS" => CheckStatus::Pass,
            "WARN" => CheckStatus::Warn,
            _ => CheckStatus::Fail,
        },
        message: "3 against 4".to_owned(),
        actual: None,
        expected: None,
    }
}

impl Workbench for Scripted {
    fn input(&mut self, _: &str, _: &str) -> Result<Box<dyn TableReader>, Failure> {
        Err(unscripted())
    }
    fn open(&mut self, _: &str) -> Result<Box<dyn Blob>, Failure> {
        Err(unscripted())
    }
    fn output(&mut self, _: &str) -> Result<Box<dyn TableWriter>, Failure> {
        Err(unscripted())
    }
    fn files(&mut self, _: &str) -> Result<Vec<FileEntry>, Failure> {
        Err(unscripted())
    }
    fn save(&mut self, _: &str, _: &str, _: Vec<u8>) -> Result<(), Failure> {
        Err(unscripted())
    }

    fn keep(&mut self, _: InputBytes) {}

    fn reject(&mut self, _: Vec<RejectedRow>) -> Result<(), Failure> {
        Err(unscripted())
    }
    fn begin_partition(&mut self) {}

    fn end_partition(&mut self) {}

    fn written(&self) -> Vec<DatasetName> {
        vec![dataset()]
    }

    fn abandon(self: Box<Self>) -> Result<Finished, Failure> {
        self.finish().map(|finished| Finished { captures: Vec::new(), checks: Vec::new(), ..finished })
    }

    fn finish(self: Box<Self>) -> Result<Finished, Failure> {
        if self.script.contains("spill") {
            return Err(no_space());
        }
        let rejected = self.number("rejected ");
        let rejects = (0..rejected).map(|at| Reject {
            code: "bad_field".to_owned(),
            message: "not a number".to_owned(),
            line: Some(at + 2),
            raw: Some("A|x".to_owned()),
        });
        let folder = |words: &Vec<String>| KeptInput {
            file_name: words[1].clone(),
            digest: digest(words[1].as_bytes()),
            bytes: Arc::new(Vec::new()),
        };
        Ok(Finished {
            captures: self.lines("capture").iter().map(|words| self.capture(words)).collect(),
            checks: self.lines("check").iter().map(|words| check(words)).collect(),
            rejects: Rejects { rows: rejects.collect(), file: None },
            rejected,
            rows_in: self.number("rows_in "),
            rows_written: self.number("rows_written "),
            bytes_in: self.number("bytes_in "),
            bytes_written: self.number("bytes_written "),
            found_inputs: self.lines("folder").iter().map(folder).collect(),
            saved: Box::new(()),
        })
    }
}

fn unscripted() -> Failure {
    Failure::new(FailureKind::Internal, "unscripted", "no guest calls this in these tests")
}

fn no_space() -> Failure {
    Failure::new(FailureKind::Storage, "no_space", "the disk is full")
}

#[derive(Debug)]
struct Rows {
    full: bool,
    written: Arc<Mutex<Vec<CaptureId>>>,
}

impl PreparedData for Rows {
    fn compare(&self, _: Option<&CatalogFile>) -> Result<Difference, Failure> {
        let columns = BTreeMap::from([("k".to_owned(), 1)]);
        Ok(Difference { changed: 1, columns, ..Difference::default() })
    }

    fn write(self: Box<Self>, capture: CaptureId, _: RunId) -> Result<Option<StagedFile>, Failure> {
        if self.full {
            return Err(no_space());
        }
        self.written.lock().unwrap().push(capture);
        let file = StagedFile { path: format!("{capture}.parquet"), bytes: 10, footer_bytes: 4, columns: Vec::new() };
        Ok(Some(file))
    }
}
