//! What a plugin costs before it does anything: a fresh instance for each call, and twenty plugins at the start.

#![expect(clippy::unwrap_used, reason = "a bench stops where something is wrong")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use divan::Bencher;
use lake::LocalLake;
use model::ports::{Lake as _, Work, Workbench};
use runtime::Runtime;
use serde_json::json;
use tests::bench::{self, Component};

const CALLS: usize = 2_000;
const STARTS: usize = 7;
const PLUGINS: usize = 20;

struct Setup {
    runtime: Runtime,
    threads: tokio::runtime::Runtime,
    lake: LocalLake,
    hello: Component,
    _folder: tempfile::TempDir,
}

static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    let folder = bench::folder();
    let runtime = bench::runtime();
    let hello = bench::load(&runtime, &tests::component("hello_rust"));
    let lake = LocalLake::open(folder.path()).unwrap();
    Setup { runtime, threads: bench::threads(), lake, hello, _folder: folder }
});

impl Setup {
    fn workbench(&self) -> Box<dyn Workbench> {
        self.lake.workbench(self.hello.order(json!({}), BTreeMap::new())).unwrap()
    }

    async fn call(&self, bench: Box<dyn Workbench>) {
        let input = r#"{"text":"a"}"#.to_owned();
        let work = Work::Task { name: "hello_rust.echo".to_owned(), input: input.clone() };
        let invoked = self.hello.invoke(&self.runtime, work, Vec::new(), input, bench).await;
        assert!(invoked.answer.is_ok(), "{:?}", invoked.answer);
    }
}

#[divan::bench(sample_count = 500, sample_size = 1)]
fn fresh_instance_and_call(bencher: Bencher<'_, '_>) {
    let setup = &*SETUP;
    bencher.with_inputs(|| setup.workbench()).bench_values(|bench| setup.threads.block_on(setup.call(bench)));
}

/// Plugins that differ in name, and with it in digest: the smallest example under other names of the same length.
fn plugins(folder: &Path) {
    let hello = std::fs::read(tests::component("hello_rust")).unwrap();
    for number in 0..PLUGINS {
        let name = format!("hello_ru{number:02}");
        let mut bytes = hello.clone();
        let places = (0..bytes.len()).filter(|&at| hello[at..].starts_with(b"hello_rust"));
        for at in places.collect::<Vec<_>>() {
            bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
        }
        std::fs::write(folder.join(format!("{name}.wasm")), bytes).unwrap();
    }
}

fn main() {
    divan::main();
    bench::say(&format!("instances are {:?}", SETUP.runtime.allocation()));
    let calls = SETUP.threads.block_on(async {
        // As the host calls: from a task of its own runtime, guests on theirs.
        tokio::spawn(async {
            let mut times = Vec::with_capacity(CALLS);
            for _ in 0..CALLS {
                let bench = SETUP.workbench();
                let began = std::time::Instant::now();
                SETUP.call(bench).await;
                times.push(began.elapsed());
            }
            times
        })
        .await
        .unwrap()
    });
    bench::time("fresh instance per call, p50", bench::median(calls), "<= 50 us");

    let host = tests::TestHost::without_plugins();
    plugins(&host.plugins());
    // The first start compiles. From the start of the process until it says that it is ready.
    let mut resident = None;
    let starts = (0..=STARTS).map(|_| {
        let began = std::time::Instant::now();
        let serving = host.serve();
        let took = began.elapsed();
        assert!(serving.ready.contains(&format!(" plugins={PLUGINS} ")), "{}", serving.ready);
        resident = serving.resident_kib();
        serving.stop();
        took
    });
    let mut starts: Vec<Duration> = starts.collect();
    bench::say(&format!("{PLUGINS} plugins, first start: {}", bench::readable(starts.remove(0))));
    bench::time("20 plugins, warm cache, start to ready", bench::median(starts), "<= 300 ms");
    if let Some(resident) = resident {
        bench::say(&format!("memory of that host when idle: {} MiB (bar <= 120 MiB)", resident / 1024));
    }
}
