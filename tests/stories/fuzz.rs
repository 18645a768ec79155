//! Whatever a guest or a caller sends, and whatever lies in the plugins folder, is refused or taken, and nothing else:
//! no panic, no hang, nothing taken that breaks a rule.
//!
//! Properties with a time to try: a few seconds each with the same cases every time, minutes with new ones in the long
//! form (SPINE_SOAK=1). What they found is in CONTRIBUTING.md.

mod buffers;
mod components;
mod json;

use std::cell::Cell;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Cases between two looks at the clock.
const ROUND: u32 = 16;

/// Tries cases until the time is up; fails with the smallest case that it finds for which `holds` panics.
fn fuzz<S>(cases: &S, holds: impl Fn(S::Value))
where
    S: Strategy,
    S::Value: Debug,
{
    let config = Config { cases: ROUND, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let is_long = std::env::var_os("SPINE_SOAK").is_some();
    let (mut first, time) = match is_long {
        true => (TestRunner::new(config.clone()), Duration::from_secs(120)),
        false => {
            let same = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
            (TestRunner::new_with_rng(config.clone(), same), Duration::from_secs(2))
        }
    };
    let (began, tried) = (Instant::now(), Cell::new(0_u64));
    while began.elapsed() < time {
        // A runner counts what it has tried for as long as it lives: the same one would try nothing in its second round.
        let mut round = TestRunner::new_with_rng(config.clone(), first.new_rng());
        let outcome = round.run(cases, |case| {
            tried.set(tried.get() + 1);
            holds(case);
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, case)) => panic!("{why}\nthe smallest case that fails: {case:?}"),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
    assert!(tried.get() > u64::from(ROUND), "time for more than one round");
    eprintln!("{} cases in {:?}", tried.get(), began.elapsed());
}
