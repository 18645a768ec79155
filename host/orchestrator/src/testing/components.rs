//! Components that are kept in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use model::Digest;
use model::failure::{Failure, FailureKind};
use model::ports::{Components, FoundPlugin};
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct FakeComponents {
    pub(crate) kept: Mutex<BTreeMap<Digest, FoundPlugin>>,
    /// What the next call of `keep` fails with.
    pub(crate) keep_fails: Mutex<Option<Failure>>,
    forgotten: watch::Sender<Vec<Digest>>,
}

impl Default for FakeComponents {
    fn default() -> Self {
        Self { kept: Mutex::default(), keep_fails: Mutex::default(), forgotten: watch::Sender::new(Vec::new()) }
    }
}

impl FakeComponents {
    pub(crate) fn forgotten(&self) -> Vec<Digest> {
        self.forgotten.borrow().clone()
    }

    /// Waits until this many versions were forgotten.
    pub(crate) async fn forgot(&self, versions: usize) {
        self.forgotten.subscribe().wait_for(|forgotten| forgotten.len() >= versions).await.unwrap();
    }
}

#[async_trait::async_trait]
impl Components for FakeComponents {
    async fn keep(&self, found: &FoundPlugin) -> Result<(), Failure> {
        if let Some(failure) = self.keep_fails.lock().unwrap().take() {
            return Err(failure);
        }
        self.kept.lock().unwrap().insert(found.digest.unwrap(), found.clone());
        Ok(())
    }

    async fn take_in(&self, file_name: &str, bytes: Vec<u8>) -> Result<FoundPlugin, Failure> {
        let found = super::found(file_name, &bytes, super::MANIFEST);
        self.keep(&found).await?;
        Ok(found)
    }

    async fn bring_back(&self, digest: Digest) -> Result<FoundPlugin, Failure> {
        let kept = self.kept.lock().unwrap().get(&digest).cloned();
        let kept = kept.ok_or_else(|| Failure::new(FailureKind::Validation, "not_kept", "no such version"))?;
        Ok(FoundPlugin { file: PathBuf::new(), place: String::new(), ..kept })
    }

    fn forget(&self, digest: &Digest) {
        self.forgotten.send_modify(|forgotten| forgotten.push(*digest));
    }
}
