//! Bytes in the plugins folder: spoiled components are refused for what they are, in time.

use std::path::Path;
use std::time::{Duration, Instant};

use model::limits::Limits;
use model::manifest::CONTRACT;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use runtime::{Runtime, RuntimeConfig};
use tests::component;
use tests::hostile::describes;

use super::fuzz;

/// The longest that loading one of them may take: compiling is most of it.
const LOADING_MAX: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
enum Spoil {
    Set(Index, u8),
    Cut(Index),
    Remove(Index, u8),
    Insert(Index, Vec<u8>),
    /// A piece of another file from here to there.
    Splice(Index, Index, u16),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        6 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Spoil::Set(at, byte)),
        1 => any::<Index>().prop_map(Spoil::Cut),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, length)| Spoil::Remove(at, length)),
        2 => (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Spoil::Insert(at, bytes)),
        2 => (any::<Index>(), any::<Index>(), any::<u16>()).prop_map(|(at, from, length)| Spoil::Splice(at, from, length)),
    ]
}

fn spoiled(mut bytes: Vec<u8>, other: &[u8], spoils: Vec<Spoil>) -> Vec<u8> {
    for spoil in spoils {
        let places = bytes.len() + 1;
        match spoil {
            Spoil::Set(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            Spoil::Set(..) => {}
            Spoil::Cut(at) => bytes.truncate(at.index(places)),
            Spoil::Remove(at, length) => {
                let at = at.index(places);
                bytes.drain(at..bytes.len().min(at + usize::from(length)));
            }
            Spoil::Insert(at, more) => {
                let at = at.index(places);
                bytes.splice(at..at, more);
            }
            Spoil::Splice(at, from, length) => {
                let (at, from) = (at.index(places), from.index(other.len()));
                let piece = other[from..other.len().min(from + usize::from(length))].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn runtime() -> Runtime {
    let limits =
        Limits { wall_clock: Duration::from_secs(2), cpu_time: Duration::from_millis(300), ..Limits::standard() };
    Runtime::open(RuntimeConfig { limits, ..RuntimeConfig::for_cores(2) }).unwrap()
}

/// Loads bytes, and fails if what may run then is not what a plugin has to be.
fn load(runtime: &Runtime, bytes: &[u8]) -> bool {
    let began = Instant::now();
    let loaded = runtime.load_bytes(Path::new("spoiled.wasm"), bytes);
    assert!(began.elapsed() < LOADING_MAX, "{:?}", began.elapsed());
    if !loaded.is_usable() {
        assert!(loaded.findings.iter().all(|finding| !finding.message.is_empty() && !finding.hint.is_empty()));
        assert!(!loaded.findings.is_empty(), "there is a reason");
        return false;
    }
    let manifest = loaded.manifest.unwrap();
    assert_eq!(manifest.problems(), Vec::<String>::new());
    assert_eq!(manifest.contract.rsplit_once('.').unwrap().0, CONTRACT.rsplit_once('.').unwrap().0);
    assert_eq!(runtime.occupied().instances, 0);
    true
}

#[test]
fn a_spoiled_component_is_refused_or_still_a_whole_plugin() {
    let manifest = r#"{"contract": "0.1.0", "name": "small", "version": "1", "description": "of few bytes"}"#;
    let small = describes(manifest, "$manifest");
    let large = std::fs::read(component("hello_rust")).unwrap();
    let runtime = runtime();
    assert!(load(&runtime, &small), "it is one before it is spoiled");
    fuzz(&vec(spoil(), 1..5), |spoils| {
        load(&runtime, &spoiled(small.clone(), &large, spoils));
    });
}

#[test]
fn a_spoiled_plugin_of_an_sdk_is_refused_or_still_a_whole_plugin() {
    let (large, other) = (std::fs::read(component("hello_rust")).unwrap(), std::fs::read(component("echo")).unwrap());
    let runtime = runtime();
    fuzz(&vec(spoil(), 1..3), |spoils| {
        load(&runtime, &spoiled(large.clone(), &other, spoils));
    });
}

#[test]
fn machine_code_is_never_taken_for_a_component() {
    let engine_made = b"\x7fELF\x02\x01\x01\xc9\0\0\0\0\0\0\0\0".to_vec();
    let runtime = runtime();
    fuzz(&vec(any::<u8>(), 0..200), |rest| {
        assert!(!load(&runtime, &[engine_made.clone(), rest.clone()].concat()));
        assert!(!load(&runtime, &rest));
    });
}
