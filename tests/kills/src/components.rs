//! Components of workers that have none: their plugin is part of them.

use model::Digest;
use model::failure::{Failure, FailureKind};
use model::ports::{Components, FoundPlugin};

#[derive(Debug)]
pub(crate) struct NoComponents;

#[async_trait::async_trait]
impl Components for NoComponents {
    async fn keep(&self, _: &FoundPlugin) -> Result<(), Failure> {
        Ok(())
    }

    async fn take_in(&self, _: &str, _: Vec<u8>) -> Result<FoundPlugin, Failure> {
        Err(absent())
    }

    async fn bring_back(&self, _: Digest) -> Result<FoundPlugin, Failure> {
        Err(absent())
    }

    fn forget(&self, _: &Digest) {}
}

fn absent() -> Failure {
    Failure::new(FailureKind::Validation, "not_kept", "workers keep no components")
}
