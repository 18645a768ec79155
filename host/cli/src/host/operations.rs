//! What operators change by hand, by whoever owns the data folder: this process if nobody does, else the owner, over its
//! API.

use std::sync::Arc;

use api::{ReleaseBody, RetentionBody, ShadowBody, VersionBody};
use model::failure::Failure;
use model::plugin::PluginRecord;
use model::ports::{Candidate, Components, Lease, Operations};
use model::retention::RetentionReport;
use model::shadow::ShadowReport;
use model::{Digest, RunId};
use orchestrator::{Orchestrator, Retention};
use storage::Storage;

use super::Host;
use super::finding::{Owner, find_owner};
use super::orders::{is_leaving, open};
use crate::args::Global;

/// The parts of a host that an operator reaches.
#[derive(Clone, Debug)]
pub(super) struct Interventions {
    storage: Arc<Storage>,
    orchestrator: Orchestrator,
    components: Arc<dyn Components>,
    retention: Retention,
}

impl Interventions {
    pub(super) fn of(host: &Host) -> Self {
        let (storage, orchestrator) = (Arc::clone(&host.storage), host.orchestrator.clone());
        let components = Arc::clone(&host.components);
        Self { storage, orchestrator, components, retention: host.retention.clone() }
    }
}

#[async_trait::async_trait]
impl Operations for Interventions {
    async fn reset_breaker(&self, name: &str) -> Result<(), Failure> {
        self.orchestrator.reset(name).await.map(drop)
    }

    async fn open_breaker(&self, name: &str) -> Result<(), Failure> {
        self.orchestrator.force_open(name).await.map(drop)
    }

    async fn release_lease(&self, key: &str, run: Option<RunId>, force: bool) -> Result<Vec<Lease>, Failure> {
        let released = self.storage.release_lease(key, run, force).await?;
        for Lease { key, run, token, .. } in &released {
            tracing::warn!(run.id = %run, key, token, force, "a lease was released by hand");
        }
        self.orchestrator.leases_were_taken().await?;
        Ok(released)
    }

    async fn retain(&self, dry_run: bool) -> Result<RetentionReport, Failure> {
        if dry_run { self.retention.rehearse().await } else { self.retention.sweep().await }
    }

    async fn roll_back(&self, plugin: &str, to: Option<Digest>) -> Result<PluginRecord, Failure> {
        self.orchestrator.roll_back(plugin, to).await
    }

    async fn shadow(&self, candidate: Candidate) -> Result<ShadowReport, Failure> {
        let Candidate { file_name, bytes, last, budget } = candidate;
        let found = self.components.take_in(&file_name, bytes).await?;
        self.orchestrator.shadow(found, last, budget).await
    }

    async fn promote(&self, digest: Digest) -> Result<PluginRecord, Failure> {
        self.orchestrator.promote(digest).await
    }

    async fn approve(&self, plugin: &str, digest: Option<Digest>) -> Result<PluginRecord, Failure> {
        self.orchestrator.approve(plugin, digest).await
    }
}

/// What is to be changed.
#[derive(Clone, Debug)]
pub(crate) enum Intervention {
    ResetBreaker(String),
    OpenBreaker(String),
    ReleaseLease { key: String, run: Option<RunId>, force: bool },
    Retain { dry_run: bool },
    RollBack { plugin: String, to: Option<Digest> },
    Approve { plugin: String, digest: Option<Digest> },
    Promote { digest: Digest },
    Shadow(Candidate),
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Intervened {
    Breaker,
    Released(Vec<Lease>),
    Retained(RetentionReport),
    Activated(PluginRecord),
    Shadowed(Box<ShadowReport>),
}

/// Has the owner of the data folder change something.
///
/// # Errors
///
/// Those of [`Operations`].
pub(crate) async fn intervene(global: &Global, intervention: Intervention) -> Result<Intervened, Failure> {
    loop {
        match find_owner(global).await? {
            Owner::Us((lock, data)) => {
                let host = open(global, lock, data).await?;
                let done = carry_out(&Interventions::of(&host), intervention).await;
                host.storage.close().await;
                return done;
            }
            Owner::Other(remote) => match remote.intervene(&intervention).await {
                Err(failure) if is_leaving(&failure) => {}
                answer => return answer,
            },
        }
    }
}

async fn carry_out(operations: &dyn Operations, intervention: Intervention) -> Result<Intervened, Failure> {
    Ok(match intervention {
        Intervention::ResetBreaker(name) => {
            operations.reset_breaker(&name).await?;
            Intervened::Breaker
        }
        Intervention::OpenBreaker(name) => {
            operations.open_breaker(&name).await?;
            Intervened::Breaker
        }
        Intervention::ReleaseLease { key, run, force } => {
            Intervened::Released(operations.release_lease(&key, run, force).await?)
        }
        Intervention::Retain { dry_run } => Intervened::Retained(operations.retain(dry_run).await?),
        Intervention::RollBack { plugin, to } => Intervened::Activated(operations.roll_back(&plugin, to).await?),
        Intervention::Approve { plugin, digest } => Intervened::Activated(operations.approve(&plugin, digest).await?),
        Intervention::Promote { digest } => Intervened::Activated(operations.promote(digest).await?),
        Intervention::Shadow(candidate) => Intervened::Shadowed(Box::new(operations.shadow(candidate).await?)),
    })
}

impl Intervention {
    /// Where the owner's API takes it.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::ResetBreaker(name) => format!("/api/v1/breakers/{}/reset", crate::remote::path_segment(name)),
            Self::OpenBreaker(name) => format!("/api/v1/breakers/{}/open", crate::remote::path_segment(name)),
            Self::ReleaseLease { .. } => "/api/v1/leases/release".to_owned(),
            Self::Retain { .. } => "/api/v1/retention".to_owned(),
            Self::RollBack { plugin, .. } => {
                format!("/api/v1/plugins/{}/rollback", crate::remote::path_segment(plugin))
            }
            Self::Promote { .. } => "/api/v1/plugins/promote".to_owned(),
            Self::Shadow(_) => "/api/v1/plugins/shadow".to_owned(),
            Self::Approve { plugin, .. } => format!("/api/v1/plugins/{}/approve", crate::remote::path_segment(plugin)),
        }
    }

    pub(crate) fn body(&self) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::ResetBreaker(_) | Self::OpenBreaker(_) => Ok(b"{}".to_vec()),
            Self::ReleaseLease { key, run, force } => {
                serde_json::to_vec(&ReleaseBody { key: key.clone(), run: *run, force: *force })
            }
            Self::Retain { dry_run } => serde_json::to_vec(&RetentionBody { dry_run: *dry_run }),
            Self::Promote { digest } => serde_json::to_vec(&VersionBody { digest: Some(*digest) }),
            Self::Shadow(candidate) => serde_json::to_vec(&ShadowBody::of(candidate)),
            Self::RollBack { to: digest, .. } | Self::Approve { digest, .. } => {
                serde_json::to_vec(&VersionBody { digest: *digest })
            }
        }
    }
}
