//! A million rows of six columns from the host into a Rust guest and back, against copying the same bytes there and
//! back between buffers that exist already. In the time are: a fresh instance, exporting the Arrow columns, both ways
//! across the boundary, the guest's checks and the host's full validation (lengths, offsets, UTF-8, days). Not in it:
//! making the rows, sorting, hashing, Parquet.

#![expect(clippy::unwrap_used, reason = "a bench stops where something is wrong")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::Duration;

use divan::Bencher;
use lake::LocalLake;
use model::ports::{Buffers, Lake as _, SharedBuffers, TableBatch, Work, Workbench};
use runtime::Runtime;
use serde_json::json;
use tests::bench::{self, Component};

const ROWS: u32 = 1_000_000;
const CHUNK_ROWS: u32 = 65_536;
const ROUNDS: usize = 15;
/// Bytes that keep copies from beginning at the same place of their pages.
const APART: usize = 1_344;

struct Setup {
    runtime: Runtime,
    threads: tokio::runtime::Runtime,
    lake: LocalLake,
    echo: Component,
    batches: Vec<Box<dyn TableBatch>>,
    _folder: tempfile::TempDir,
}

static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    let folder = bench::folder();
    let runtime = bench::runtime();
    let echo = bench::load(&runtime, &tests::component("echo"));
    let lake = LocalLake::open(folder.path()).unwrap();
    let mut bench = lake.workbench(echo.order(json!({}), BTreeMap::new())).unwrap();
    let mut output = bench.output("echo.rows").unwrap();
    for from in (0..ROWS).step_by(CHUNK_ROWS as usize) {
        output.write(chunk(from, (ROWS - from).min(CHUNK_ROWS))).unwrap();
    }
    let batches = read(&mut *bench, "staged:echo.rows");
    Setup { runtime, threads: bench::threads(), lake, echo, batches, _folder: folder }
});

fn chunk(from: u32, rows: u32) -> Vec<(String, Buffers)> {
    let fixed = |name: &str, values: Vec<u8>| (name.to_owned(), Buffers { rows, parts: vec![Vec::new(), values] });
    let number = |row: u32| u64::from(row.wrapping_mul(2_654_435_761));
    let all = from..from + rows;
    vec![
        fixed("day", all.clone().flat_map(|_| 18_655_i32.to_le_bytes()).collect()),
        texts("symbol", all.clone().map(|row| format!("S{row:05}"))),
        texts("market", all.clone().map(|row| ["B,Q,N", "Q,N", "Q"][row as usize % 3].to_owned())),
        fixed("short_volume", all.clone().flat_map(|row| (number(row) / 3).to_le_bytes()).collect()),
        fixed("total_volume", all.clone().flat_map(|row| number(row).to_le_bytes()).collect()),
        fixed("short_ratio", all.flat_map(|row| (f64::from(row) / f64::from(ROWS)).to_le_bytes()).collect()),
    ]
}

fn texts(name: &str, texts: impl Iterator<Item = String>) -> (String, Buffers) {
    let (mut offsets, mut bytes) = (0_u32.to_le_bytes().to_vec(), Vec::new());
    for text in texts {
        bytes.extend_from_slice(text.as_bytes());
        offsets.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
    }
    let rows = u32::try_from(offsets.len() / 4 - 1).unwrap();
    (name.to_owned(), Buffers { rows, parts: vec![Vec::new(), offsets, bytes] })
}

fn read(bench: &mut dyn Workbench, name: &str) -> Vec<Box<dyn TableBatch>> {
    let mut reader =
        bench.input(name, r#"{"columns":["day","symbol","market","short_volume","total_volume","short_ratio"]}"#);
    let reader = reader.as_mut().unwrap();
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

fn columns(batch: &dyn TableBatch) -> Vec<Buffers> {
    let names: Vec<String> = batch.schema().into_iter().map(|field| field.name).collect();
    batch.columns(&names).unwrap().iter().map(SharedBuffers::to_owned_buffers).collect()
}

impl Setup {
    /// A workbench on which the rows lie already; sharing them copies nothing.
    fn workbench(&self) -> Box<dyn Workbench> {
        let mut bench = self.lake.workbench(self.echo.order(json!({}), BTreeMap::new())).unwrap();
        let mut output = bench.output("echo.rows").unwrap();
        for batch in &self.batches {
            output.write_batch(&**batch).unwrap();
        }
        bench
    }

    fn send(&self, bench: Box<dyn Workbench>) -> Box<dyn Workbench> {
        let work = Work::Pipeline { name: "echo.return".to_owned() };
        let invoked = self.threads.block_on(self.echo.invoke(&self.runtime, work, Vec::new(), "{}".to_owned(), bench));
        assert_eq!(invoked.answer.unwrap().result, Some(json!({ "rows": ROWS })));
        invoked.workbench.unwrap()
    }
}

/// The same bytes, a buffer for the chunk that is there, and buffers for all that comes back: the host, too, has every
/// row in memory at the end.
///
/// The copies begin at another place of a page than what is copied: a processor copies between equal places half as fast,
/// and allocators differ in where they put large buffers.
struct Copies {
    chunks: Vec<Vec<Vec<u8>>>,
    there: Vec<u8>,
    back: Vec<Vec<u8>>,
}

impl Copies {
    fn new(setup: &Setup) -> Self {
        let parts = |batch: &dyn TableBatch| columns(batch).into_iter().flat_map(|it| it.parts).collect();
        let chunks: Vec<Vec<Vec<u8>>> = setup.batches.iter().map(|batch| parts(&**batch)).collect();
        let most = chunks.iter().map(|parts| parts.iter().map(Vec::len).sum()).max().unwrap_or(0);
        // Touched, so that no page is made while the clock runs.
        let back = chunks.iter().map(|parts| vec![1; 2 * APART + parts.iter().map(Vec::len).sum::<usize>()]).collect();
        Self { chunks, there: vec![1; APART + most], back }
    }

    fn copy(&mut self) {
        for (parts, back) in self.chunks.iter().zip(&mut self.back) {
            let mut at = APART;
            for part in parts {
                self.there[at..at + part.len()].copy_from_slice(black_box(part));
                at += part.len();
            }
            back[2 * APART..].copy_from_slice(black_box(&self.there[APART..at]));
            black_box(back);
        }
    }
}

#[divan::bench(sample_count = 15, sample_size = 1)]
fn through_a_guest_and_back(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| SETUP.workbench()).bench_values(|bench| SETUP.send(bench));
}

#[divan::bench(sample_count = 15, sample_size = 1)]
fn copied_there_and_back(bencher: Bencher<'_, '_>) {
    let mut copies = Copies::new(&SETUP);
    bencher.bench_local(|| copies.copy());
}

fn main() {
    divan::main();
    let mut bench = SETUP.send(SETUP.workbench());
    let back = read(&mut *bench, "staged:echo.back");
    assert_eq!(back.len(), SETUP.batches.len());
    for (sent, back) in SETUP.batches.iter().zip(&back) {
        assert!(columns(&**sent) == columns(&**back), "rows came back changed");
    }
    drop((back, bench));

    let mut copies = Copies::new(&SETUP);
    let bytes: usize = copies.chunks.iter().flatten().map(Vec::len).sum();
    let send = || {
        let bench = SETUP.workbench();
        bench::timed(|| SETUP.send(bench))
    };
    let copy = || -> Duration { bench::timed(|| copies.copy()) };
    let (sent, copied) = bench::in_turns(ROUNDS, send, copy);
    let (per_row, shown) = (sent.as_secs_f64() * 1e9 / f64::from(ROWS), bench::readable);
    bench::say(&format!(
        "{ROWS} rows, {bytes} bytes: through the guest {} ({per_row:.1} ns a row), copied {}",
        shown(sent),
        shown(copied)
    ));
    bench::ratio("boundary round trip / copied there and back", bench::quotient(sent, copied), "<= 3");
}
