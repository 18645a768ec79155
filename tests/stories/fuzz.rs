//! Whatever a guest or a caller sends, and whatever lies in the plugins folder, is refused or taken, and nothing else:
//! no panic, no hang, nothing taken that breaks a rule.
//!
//! Properties with a time to try: a few seconds each with the same cases every time, minutes with new ones in the long
//! form (SPINE_SOAK=1). What they found is in CONTRIBUTING.md.

mod buffers;
mod components;
mod json;

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
    let (mut runner, time) = match is_long {
        true => (TestRunner::new(config), Duration::from_secs(120)),
        false => {
            let same = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
            (TestRunner::new_with_rng(config, same), Duration::from_secs(2))
        }
    };
    let (began, mut rounds) = (Instant::now(), 0_u32);
    while began.elapsed() < time {
        let outcome = runner.run(cases, |case| {
            holds(case);
            Ok(())
        });
        match outcome {
            Ok(()) => rounds += 1,
            Err(TestError::Fail(why, case)) => panic!("{why}\nthe smallest case that fails: {case:?}"),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
    eprintln!("{} cases", u64::from(rounds) * u64::from(ROUND));
}
