//! Versions change under load: nothing fails, and every run was carried out by a version that was active when it began.
//!
//! Clients ask as fast as they are answered, and the folder changes each time that so many runs have ended. The short form
//! runs with the other stories; the long one with `SPINE_SOAK=1`: more than 72,000 runs, 40 swaps between two good
//! versions and 40 attempts of broken ones, which is long enough to tell memory that grows from memory that warms up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::files::regsho;
use tests::{Serving, TestHost};

use super::{digest, drop_in, finra, is_active, listed, state_of, until};

/// What is asked of the host.
struct Load {
    clients: usize,
    swaps: usize,
    /// Runs that end between two changes of the folder.
    between: usize,
}

impl Load {
    fn chosen() -> Self {
        match std::env::var_os("SPINE_SOAK") {
            Some(_) => Self { clients: 16, swaps: 40, between: 900 },
            None => Self { clients: 4, swaps: 3, between: 8 },
        }
    }
}

/// A hundred rows of a day, sent as a request for a run.
fn request(day: usize) -> String {
    let date = format!("202103{:02}", day + 1);
    let rows: Vec<String> = (0..100).map(|row| format!("S{row:03}|{row}|0|{}|B", 2 * row)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let file = base64(regsho(&date, &rows).as_bytes());
    format!(
        r#"{{"name": "finra.regsho_daily", "text": {{"facility": "FNYX", "trailer": "required"}}, "wait": 60,
            "inputs": {{"file": {{"file_name": "FNYXshvol{date}.txt", "base64": "{file}"}}}}}}"#
    )
}

fn ask(serving: &Serving, body: &str) -> Value {
    let bearer = format!("Bearer {}", serving.token);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let (status, answer) = serving.http("POST", "/api/v1/runs", &headers, body);
    assert!(status == 200 || status == 202, "{status}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn no_run_fails_while_versions_change() {
    let load = Load::chosen();
    let host = TestHost::without_plugins();
    let versions = ["a", "b"].map(finra);
    drop_in(&host, "finra.wasm", &versions[0]);
    let serving = host.serve();
    let stop = AtomicBool::new(false);
    let (tell, ended) = std::sync::mpsc::channel();
    let bodies: Vec<String> = (0..28).filter(|day| matches!((day + 1) % 7, 1..=5)).map(request).collect();
    let mut slowest = Duration::ZERO;
    let mut resident = Vec::new();
    let mut swaps = vec![active(&serving)];

    let began = Instant::now();
    let runs: Vec<Value> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..load.clients)
            .map(|client| {
                let (serving, stop, body, tell) = (&serving, &stop, &bodies[client], tell.clone());
                scope.spawn(move || {
                    let mut runs = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        runs.push(ask(serving, body));
                        tell.send(()).unwrap();
                    }
                    runs
                })
            })
            .collect();
        for swap in 1..=load.swaps {
            assert_eq!(ended.iter().take(load.between).count(), load.between);
            let broken = &versions[0][..10_000 + swap];
            std::fs::write(host.plugins().join("finra.wasm"), broken).unwrap();
            until(&serving, "it is refused", |plugins| state_of(plugins, &digest(broken)) == "refused");
            assert_eq!(ended.iter().take(load.between).count(), load.between);
            let next = &versions[swap % 2];
            drop_in(&host, "finra.wasm", next);
            slowest = slowest.max(until(&serving, "the next version", |plugins| is_active(plugins, &digest(next))));
            swaps.push(active(&serving));
            resident.extend(serving.resident_kib());
        }
        stop.store(true, Ordering::SeqCst);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });

    let rate = runs.len() as f64 / began.elapsed().as_secs_f64();
    let failed: Vec<&Value> = runs.iter().filter(|run| run["status"] != "completed").collect();
    assert!(failed.is_empty(), "{} of {}: {:#?}", failed.len(), runs.len(), failed[0]);
    until(&serving, "the old versions have drained", |plugins| plugins.iter().all(|it| it["state"] != "draining"));
    assert_eq!(listed(&serving).len(), 1);
    serving.assert_no_guest_is_left();
    let wrong: Vec<&Value> = runs.iter().filter(|run| !was_active(&swaps, run)).collect();
    assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), runs.len(), wrong[0]);
    let (before, after) = levels(&resident);
    println!(
        "{} runs, {rate:.0} a second, 0 failed, {} swaps, the slowest from rename to serving {slowest:?}, resident KiB {resident:?}: \
         {before} in the third quarter, {after} in the last",
        runs.len(),
        load.swaps
    );
    // A version that stays, or something kept of each run, would be far more.
    assert!(after <= before + before / 20, "{resident:?}");
}

/// The mean of the third quarter and of the last, when caches are full; both 0 where the system does not tell, or there
/// is too little.
fn levels(resident: &[u64]) -> (u64, u64) {
    let quarter = resident.len() / 4;
    let mean = |values: &[u64]| values.iter().sum::<u64>() / quarter.max(1) as u64;
    let later = &resident[resident.len() - 2 * quarter..];
    (mean(&later[..quarter]), mean(&later[quarter..]))
}

/// Whether the version of a run was active at the time when the run began.
fn was_active(swaps: &[(String, String)], run: &Value) -> bool {
    let (at, digest) = (run["started_at"].as_str().unwrap(), run["plugin"]["digest"].as_str().unwrap());
    let mut spans = swaps.iter().enumerate().filter(|(_, (active, _))| active == digest);
    spans.any(|(number, (_, from))| from.as_str() <= at && swaps.get(number + 1).is_none_or(|(_, to)| at < to.as_str()))
}

/// The digest of the active version, and since when it is.
fn active(serving: &Serving) -> (String, String) {
    let plugins = listed(serving);
    let active = plugins.iter().find(|plugin| plugin["state"] == "active").unwrap();
    let text = |key: &str| active[key].as_str().unwrap().to_owned();
    (text("digest"), text("loaded_at"))
}

/// In the standard alphabet, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| u32::from(chunk.get(at).copied().unwrap_or(0)));
        let bits = a << 16 | b << 8 | c;
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = char::from(ALPHABET[(bits >> shift & 63) as usize]);
            text.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    text
}
