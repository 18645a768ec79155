//! Using up processors, stack and memory, and ending in the middle.

use std::hint::black_box;

/// Computes for ever.
pub(crate) fn endlessly() {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// Calls itself for ever.
pub(crate) fn too_deep() {
    black_box(deeper(black_box(1)));
}

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    if black_box(depth) == 0 {
        return 0;
    }
    black_box(deeper(depth.wrapping_add(1))).wrapping_add(depth)
}

/// Takes memory for ever, and uses it.
pub(crate) fn too_much() {
    loop {
        std::mem::forget(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Executes what must never be.
pub(crate) fn impossible() {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
}

/// Panics with words.
pub(crate) fn broken() {
    let nothing: Option<u8> = black_box(None);
    nothing.expect("there is always a first row");
}
