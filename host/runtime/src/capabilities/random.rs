//! Randomness: from the seed of the attempt, so that a replay sees the same.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use wasmtime_wasi::WasiCtxBuilder;

/// Bytes of randomness a guest may ask for in one call.
const BYTES_MAX: u64 = 16 << 20;

/// Has everything random of WASI come from `seed`.
pub(super) fn give(builder: &mut WasiCtxBuilder, seed: [u8; 32]) {
    let mut insecure = seed;
    insecure.reverse();
    let mut insecure_seed = [0; 16];
    insecure_seed.copy_from_slice(&seed[8..24]);
    builder
        .secure_random(StdRng::from_seed(seed))
        .insecure_random(StdRng::from_seed(insecure))
        .insecure_random_seed(u128::from_le_bytes(insecure_seed))
        .max_random_size(BYTES_MAX);
}

#[cfg(test)]
mod tests {
    use model::ports::LogSink;
    use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
    use wasmtime_wasi::random::WasiRandomView as _;

    use super::*;
    use crate::testing::{Bench, state};

    /// Everything random that a guest with this seed sees first.
    fn seen(seed: u8) -> (Vec<u8>, u64, (u64, u64)) {
        let mut state = state(seed, Bench::default(), LogSink::none());
        let given = state.random();
        let bytes = random::Host::get_random_bytes(given, 16).unwrap();
        let insecure = insecure::Host::get_insecure_random_u64(given).unwrap();
        (bytes, insecure, insecure_seed::Host::insecure_seed(given).unwrap())
    }

    #[test]
    fn allowed_is_randomness_of_the_seed_the_same_on_replay() {
        assert_eq!(seen(1), seen(1));
        let (one, other) = (seen(1), seen(2));
        assert!(one.0 != other.0 && one.1 != other.1, "another attempt sees other numbers");
    }

    #[test]
    fn denied_is_more_at_one_time_than_anybody_needs() {
        let mut state = state(1, Bench::default(), LogSink::none());
        assert!(random::Host::get_random_bytes(state.random(), BYTES_MAX + 1).is_err());
        assert!(insecure::Host::get_insecure_random_bytes(state.random(), BYTES_MAX + 1).is_err());
    }
}
