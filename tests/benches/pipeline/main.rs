//! `finra.regsho_daily` as a component in the sandbox, against the same Rust code compiled for this machine, on the same
//! workbench: both read the same file through the host's reader, write to the same staging and run the same checks.
//!
//! Two ratios: of the whole pipeline, in which the host's parser takes part on both sides, and of the plugin alone on a
//! file that is parsed already. Sorting, hashing and Parquet are in neither, being the host's on both sides too.

#![expect(clippy::unwrap_used, reason = "a bench stops where something is wrong")]

mod native;
mod replay;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lake::LocalLake;
use model::DatasetName;
use model::ports::{InputBytes, KeptInput, Lake as _, Work, Workbench};
use runtime::Runtime;
use serde_json::{Value, json};
use spine_sdk::Host;
use tests::bench::{self, Component};
use tests::fixtures::regsho;

use self::native::Native;
use self::replay::{Parsed, Replay};

const PIPELINE: &str = "finra.regsho_daily";
const ROWS: usize = 9_100;
const DAYS: usize = 10;
const ROUNDS: usize = 31;

struct Day {
    input: KeptInput,
    params: Value,
    parsed: Arc<Parsed>,
}

struct Setup {
    runtime: Runtime,
    threads: tokio::runtime::Runtime,
    lake: LocalLake,
    finra: Component,
    dataset: DatasetName,
    _folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let folder = bench::folder();
        let runtime = bench::runtime();
        let finra = bench::load(&runtime, &tests::component("finra"));
        let lake = LocalLake::open(folder.path()).unwrap();
        let dataset = "finra.regsho_daily".parse().unwrap();
        Self { runtime, threads: bench::threads(), lake, finra, dataset, _folder: folder }
    }

    fn days(&self) -> Vec<Day> {
        let day = |file: tests::fixtures::Fixture| {
            let params = json!({ "file": file.name, "trailer": "required" });
            let bytes = InputBytes { file_name: file.name, bytes: Arc::new(file.bytes) };
            let input = self.lake.keep_input(bytes).unwrap();
            let mut bench = self.workbench(&input, &params);
            let mut reader = bench.input("file", "{}").unwrap();
            let parsed = Arc::new(Parsed::read(&mut *reader));
            Day { input, params, parsed }
        };
        regsho::days(DAYS, ROWS, 1).map(day).collect()
    }

    fn workbench(&self, input: &KeptInput, params: &Value) -> Box<dyn Workbench> {
        let inputs = BTreeMap::from([("file".to_owned(), input.clone())]);
        self.lake.workbench(self.finra.order(params.clone(), inputs)).unwrap()
    }

    fn bench(&self, day: &Day, parsed: bool) -> Box<dyn Workbench> {
        let bench = self.workbench(&day.input, &day.params);
        if parsed { Box::new(Replay { parsed: Arc::clone(&day.parsed), bench }) } else { bench }
    }

    /// In a fresh instance, on the guests' threads.
    fn sandboxed(&self, day: &Day, bench: Box<dyn Workbench>) -> Box<dyn Workbench> {
        let work = Work::Pipeline { name: PIPELINE.to_owned() };
        let checks = self.finra.checks(&self.dataset);
        let invoked =
            self.threads.block_on(self.finra.invoke(&self.runtime, work, checks, day.params.to_string(), bench));
        assert_eq!(invoked.answer.unwrap().result.unwrap()["rows"], ROWS);
        invoked.workbench.unwrap()
    }

    /// On this thread.
    fn native(&self, day: &Day, bench: Box<dyn Workbench>) -> Rc<RefCell<Box<dyn Workbench>>> {
        let bench = Rc::new(RefCell::new(bench));
        let host = Host::new(Box::new(Native { bench: Rc::clone(&bench), params: day.params.to_string() }));
        let summary = finra::PLUGIN.run(PIPELINE, &host).unwrap();
        assert_eq!(summary.0["rows"], ROWS);
        for check in self.finra.checks(&self.dataset) {
            finra::PLUGIN.check(&check.spec.name, &check.dataset.to_string(), &host).unwrap();
        }
        bench
    }

    fn compare(&self, what: &str, bar: &str, days: &[Day], parsed: bool) {
        let sum = |work: &dyn Fn(&Day, Box<dyn Workbench>)| {
            let each = |day| {
                let bench = self.bench(day, parsed);
                let began = Instant::now();
                work(day, bench);
                began.elapsed()
            };
            days.iter().map(each).sum::<Duration>()
        };
        let sandboxed = || sum(&|day, bench| drop(self.sandboxed(day, bench)));
        let native = || sum(&|day, bench| drop(self.native(day, bench)));
        let (sandboxed, native) = bench::in_turns(ROUNDS, sandboxed, native);
        let files = u32::try_from(days.len()).unwrap();
        let shown = |time: Duration| bench::readable(time / files);
        bench::say(&format!("{what}, a file of {ROWS} rows: sandboxed {}, native {}", shown(sandboxed), shown(native)));
        bench::ratio(&format!("{what}: sandboxed / native throughput"), bench::quotient(native, sandboxed), bar);
    }
}

fn main() {
    let setup = Setup::new();
    let days = setup.days();
    setup.compare("reading, plugin and its checks", ">= 0.8", &days, false);
    setup.compare("plugin and its checks alone, rows parsed before", "none, for information", &days, true);
}
