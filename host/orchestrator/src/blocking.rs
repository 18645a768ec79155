//! Work that blocks, off the threads that serve everything else. The span goes along, so log lines keep their run.

use model::failure::{Failure, FailureKind};

/// Carries `work` out where blocking is allowed. A panic in it is the failure `panic`.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(done) => done,
        Err(error) => Err(panicked(what).because(&error)),
    }
}

/// The failure of host code that panicked.
pub(crate) fn panicked(what: &str) -> Failure {
    let message = format!("the host failed to {what}: a defect of the host; its log has the place, please report it");
    Failure::new(FailureKind::Internal, "panic", message)
}
