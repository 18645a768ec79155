//! What stands between a run and a target that fails, is slow or must not be asked too often.
//!
//! Each part is a state and rules: the time, random numbers and policy are parameters, nothing sleeps, reads a clock
//! or does I/O, and what has to outlive the process serialises, so that the ledger keeps it and several processes
//! share it. Whoever drives a part loads its state, asks, and stores it again in one transaction.
//!
//! - [`retry`]: whether a failed call is made again, and when.
//! - [`breaker`]: leaving a target alone that keeps failing.
//! - [`rate_limit`]: so many calls in so much time, fairly.

pub mod breaker;
mod micros;
pub mod rate_limit;
pub mod retry;
