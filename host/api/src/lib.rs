//! The only HTTP server: health and metrics for machines, the API under `/api/v1` for commands of the same user.
//!
//! Any web page can reach loopback, so nothing here trusts where a request comes from: `Host` must name this server
//! (a rebound name does not), `Origin` must be absent or ours, the API wants the token of the data folder, and POST
//! takes JSON only. Errors are `application/problem+json` and carry the failure whole.
//!
//! Knows only the ports of `model`. What a caller wants to be read it brings along: the host opens no path for it.

mod body;
mod guard;
mod metrics;
mod parts;
mod problem;
mod routes;
mod server;

#[cfg(test)]
mod stories;

pub use body::{
    BackfillBody, BreakerBody, ExportBody, InputBody, ItemBody, ReleaseBody, ResolveBody, ResolvedBody, RetentionBody,
    RunBody, ShadowBody, VersionBody,
};
pub use metrics::{Metrics, PluginSeries};
pub use parts::{HEAD_PATIENCE, Parts, Ready, body_bytes_max};
pub use problem::Problem;
pub use server::serve;
