//! Where the process gets its memory from. What starts a host links this crate and so has the same allocator.

/// Keeps the memory of batches between runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asks the system not to serve this process with huge pages, if it knows such a thing.
///
/// The allocator asks for them, and each of many threads that touches its first bytes then waits until 2 MiB are cleared.
/// Without them a host is smaller, and copies through guests and small files are faster.
pub fn prefer_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
}
