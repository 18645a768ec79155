//! Publishers' files end to end in one host process: read, kept, parsed, run in the sandbox, checked, sorted, hashed,
//! written as Parquet, fsynced and published, each file its own run and its own capture, in a fresh data folder.
//!
//! The baseline does less: the Polars wheel parses the same files, adds the ratio and writes Parquet, with no sandbox,
//! ledger, checks, hashes or fsync.

#![expect(clippy::unwrap_used, reason = "a bench stops where something is wrong")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cli::{Config, Host, HostOptions, OwnerLock};
use model::ports::{Engine as _, GivenFile, RunRequest};
use model::run::{RunReport, RunStatus};
use tests::bench;
use tests::fixtures::otc::{self, Tier};
use tests::fixtures::regsho;

const DAYS: usize = 51;
const ROWS: usize = 9_100;
const ROUNDS: usize = 5;
const WEEKS: usize = 21;
const OTC_ROWS: usize = 5_328;

async fn open(plugins: &Path, data: &Path) -> Host {
    std::fs::create_dir(data).unwrap();
    // Components compiled by tests and other benches, as after an earlier start.
    let cache = tests::target_folder().join("test-cache");
    std::fs::create_dir_all(&cache).unwrap();
    std::os::unix::fs::symlink(&cache, data.join("cache")).unwrap();
    let lock = OwnerLock::acquire(data).unwrap().unwrap();
    let options = HostOptions { plugins: plugins.to_owned(), data: data.to_owned(), config: Config::standard() };
    Host::open(options, lock).await.unwrap()
}

/// Runs a pipeline on a file of the disk.
async fn submit(host: &Host, pipeline: &str, file: PathBuf) -> RunReport {
    let file_name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = tokio::task::spawn_blocking(move || std::fs::read(file)).await.unwrap().unwrap();
    let given = GivenFile { file_name, bytes: Ok(Arc::new(bytes)) };
    let files = BTreeMap::from([("file".to_owned(), given)]);
    let request = RunRequest { name: pipeline.to_owned(), files, ..RunRequest::default() };
    let report = host.orchestrator.submit(request).await.unwrap();
    assert_eq!(report.status, RunStatus::Completed, "{:?}", report.error);
    report
}

/// All files at once; the host decides how many are in flight.
async fn daily(plugins: &Path, data: &Path, files: &[PathBuf]) -> Duration {
    let host = Arc::new(open(plugins, data).await);
    let began = Instant::now();
    let runs: Vec<_> = files
        .iter()
        .cloned()
        .map(|file| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { submit(&host, "finra.regsho_daily", file).await })
        })
        .collect();
    let mut rows = 0;
    for run in runs {
        rows += run.await.unwrap().rows_out;
    }
    let took = began.elapsed();
    assert_eq!(rows, (DAYS * ROWS) as u64);
    took
}

/// The seconds that Polars needs, or why there is no saying.
fn polars(folder: &Path) -> Result<Duration, String> {
    let python = tests::target_folder().join("polars-venv/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/polars_days.py");
    let output = Command::new(python).arg(script).arg(folder).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let seconds = String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|error| format!("{error}"))?;
    Ok(Duration::from_secs_f64(seconds))
}

/// Installs Polars where that is possible; elsewhere the script says why not.
fn install_polars() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/install_polars.sh");
    let done = Command::new(script).env("CARGO_TARGET_DIR", tests::target_folder()).status();
    if !done.as_ref().is_ok_and(std::process::ExitStatus::success) {
        bench::say(&format!("the script that installs Polars failed: {done:?}"));
    }
}

fn main() {
    let threads = bench::threads();
    let folder = bench::folder();
    let plugins = folder.path().join("plugins");
    let days = folder.path().join("days");
    for folder in [&plugins, &days] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::copy(tests::component("finra"), plugins.join("finra.wasm")).unwrap();
    let files: Vec<PathBuf> = regsho::days(DAYS, ROWS, 1).map(|file| file.write_to(&days).unwrap()).collect();
    install_polars();

    let (mut ours, mut theirs, mut missing) = (Vec::new(), Vec::new(), None);
    for round in 0..=ROUNDS {
        let data = folder.path().join(format!("data-{round}"));
        let took = threads.block_on(daily(&plugins, &data, &files));
        let baseline = polars(&days);
        // The first round warms the disk cache.
        if round > 0 {
            ours.push(took);
            baseline.map_or_else(|why| missing = Some(why), |took| theirs.push(took));
        }
        std::fs::remove_dir_all(data).unwrap();
    }
    let rows = DAYS * ROWS;
    let all: Vec<String> = ours.iter().map(|took| bench::readable(*took)).collect();
    let took = bench::median(ours);
    bench::say(&format!("{DAYS} files, {rows} rows: {} (rounds: {})", bench::readable(took), all.join(", ")));
    match missing {
        None => {
            let theirs = bench::median(theirs);
            bench::say(&format!("Polars: {}", bench::readable(theirs)));
            bench::ratio("51 daily files / Polars", bench::quotient(took, theirs), "<= 2");
        }
        Some(why) => bench::say(&format!("ratio 51 daily files / Polars: unknown, the baseline is missing: {why}")),
    }
    weekly(&threads, &plugins, folder.path());
}

/// One weekly file after the other in a warm host, each a correction of the one before.
fn weekly(threads: &tokio::runtime::Runtime, plugins: &Path, folder: &Path) {
    let publication = chrono::NaiveDate::from_ymd_opt(2025, 12, 15).unwrap();
    let times = threads.block_on(async {
        let host = open(plugins, &folder.join("weekly")).await;
        let mut times = Vec::new();
        for seed in 0..WEEKS as u64 {
            let mut file = otc::weekly(Tier::Otc, publication, OTC_ROWS, seed);
            let lines: Vec<String> = file.text().lines().take(OTC_ROWS + 1).map(str::to_owned).collect();
            file.bytes = lines.join("\n").into_bytes();
            let path = file.write_to(folder).unwrap();
            let began = Instant::now();
            let report = submit(&host, "finra.otc_weekly", path).await;
            times.push(began.elapsed());
            assert_eq!((report.rows_in, report.unchanged), (OTC_ROWS as u64, false));
        }
        times
    });
    bench::time("OTC weekly file of 5,328 rows, warm", bench::median(times.into_iter().skip(2).collect()), "<= 24 ms");
}
