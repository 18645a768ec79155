//! Watches the memory that this process holds, whatever it is used for.
//!
//! Some memory has no owner who counts it: one SQL function may make gigabytes of a short text. The kernel counts all of
//! it. Known on Linux only; elsewhere nothing is watched.

use std::convert::Infallible;
use std::time::Duration;

/// How often to look. A processor fills some tens of MiB meanwhile.
const EVERY: Duration = Duration::from_millis(4);

/// Ends once this process holds more than `bytes_max`, with what it holds then.
pub(crate) async fn exceeds(bytes_max: u64) -> u64 {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        match resident_bytes() {
            Some(bytes) if bytes > bytes_max => return bytes,
            Some(_) => {}
            None => match std::future::pending::<Infallible>().await {},
        }
    }
}

/// What the kernel says; none where it does not say it this way.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests;
