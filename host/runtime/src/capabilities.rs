//! What a guest may reach beyond its own memory: one file for each, with what is allowed and what is denied.
//!
//! | | |
//! |---|---|
//! | [`folders`] | files of granted folders; no folder of WASI |
//! | [`http`] | requests to granted addresses |
//! | [`wasi_http`] | the same requests by the standard's interface |
//! | [`secrets`] | granted secrets, as placeholders |
//! | [`clock`] | a virtual clock, never that of the machine |
//! | [`random`] | randomness from a seed, never that of the machine |
//! | [`environment`] | no arguments, no variables; output goes to the log |
//! | [`sockets`] | none |

pub(crate) mod clock;
mod environment;
mod folders;
pub(crate) mod http;
mod random;
pub(crate) mod secrets;
mod sockets;
pub(crate) mod wasi_http;

use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use self::clock::VirtualClock;
use crate::attempt::Journal;

/// WASI with nothing behind it but what the host makes up.
pub(crate) fn wasi(clock: &VirtualClock, seed: [u8; 32], journal: &Journal) -> WasiCtx {
    let mut builder = WasiCtxBuilder::new();
    clock.give(&mut builder);
    environment::give(&mut builder, journal);
    random::give(&mut builder, seed);
    sockets::deny(&mut builder);
    builder.build()
}
