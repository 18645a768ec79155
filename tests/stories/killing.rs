//! `kill -9` at any moment leaves nothing half visible, whoever is killed and whatever it was publishing.
//!
//! Kills rotate over the shapes of [`scene::Shape`]; their moments are spread at random over the time that each shape
//! takes here. `SPINE_KILL_SEED` repeats the moments of a seed that was printed.

mod delivery;
mod scene;
mod witness;

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use delivery::Delivery;
use scene::{Scene, Shape};
use tests::random::Random;
use tests::{Answer, Duck, TestHost};
use witness::Witness;

/// A kill may also come a little after the end.
const PER_MILLE_MAX: u64 = 1_100;

fn is_long() -> bool {
    std::env::var_os("SPINE_SOAK").is_some()
}

/// Ten kills in the short form, two hundred in the long one.
fn kills() -> u64 {
    if is_long() { 200 } else { 10 }
}

/// The seed of the moments: another one each time, unless somebody wants to see one again.
fn seed() -> u64 {
    match std::env::var("SPINE_KILL_SEED") {
        Ok(text) => text.parse().expect("SPINE_KILL_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into(),
    }
}

/// The next owner cleans up and works: its own run is over a partition of its own.
fn next_owner(host: &TestHost, number: u64) {
    let run = Delivery::day(host, "20210127", number).command(host).output().unwrap();
    Answer::from(run).exits(0);
}

#[test]
fn a_killed_run_is_interrupted_and_the_lake_is_whole() {
    let seed = seed();
    eprintln!("SPINE_KILL_SEED={seed} repeats these moments");
    let mut random = Random::new(seed, "kills");
    let host = TestHost::new().with_own_cache();
    let mut witness = Witness::default();

    // How long each shape takes here when nobody is killed, so that kills fall all over it.
    let mut number = 10;
    let mut whole = BTreeMap::new();
    // The first start of all makes the folders and compiles everything.
    Scene::play(&host, Shape::Day, 1);
    for shape in Shape::ALL {
        whole.insert(shape, Scene::play(&host, shape, number));
        number += 10;
    }
    // Runs that lost a race left files that a start removes.
    next_owner(&host, 9);
    witness.sees_whole_runs(&host);
    witness.sees_a_clean_folder(&host);

    for (kill, shape) in (1..=kills()).zip(Shape::ALL.into_iter().cycle()) {
        let after = whole[&shape].mul_f64(random.below(PER_MILLE_MAX) as f64 / 1_000.0);
        eprintln!("kill {kill}: {shape:?} after {after:?} of {:?}", whole[&shape]);
        let scene = Scene::begin(&host, shape, number);
        let told = scene.kill(&host, Instant::now() + after);

        // Readers before anybody has cleaned up.
        witness.sees_whole_runs(&host);
        witness.believes(&told);
        next_owner(&host, number + 9);
        witness.sees_whole_runs(&host);
        witness.sees_a_clean_folder(&host);
        if is_long()
            && let Some(duck) = Duck::start()
        {
            witness::assert_duckdb_agrees(duck, &host);
        }
        number += 10;
    }
    eprintln!("{} kills interrupted {} runs", kills(), witness.interrupted());
    assert!(!is_long() || witness.interrupted() > 20, "kills that find nobody at work prove nothing");
}
