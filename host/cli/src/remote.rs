//! The host that owns the data folder, over its HTTP API on loopback.

use std::time::Duration;

use api::{BackfillBody, BreakerBody, ExportBody, Problem, ResolveBody, ResolvedBody, RunBody};
use model::failure::{Failure, FailureKind};
use model::plugin::{PluginGrants, PluginRecord};
use model::ports::{BackfillRequest, RunRequest, Standing};
use model::replay::ReplayReport;
use model::run::RunReport;
use model::{CaptureId, CaptureRecord, RunId};
use serde::de::DeserializeOwned;

use crate::host::{Intervened, Intervention, Verdict};
use crate::owner::OwnerAddress;

/// How long one question about a run waits for its end.
const WAIT_SECONDS: u64 = 20;

/// How long an answer may take to begin; longer than any wait that a question asks for.
const ANSWER_PATIENCE: Duration = Duration::from_secs(WAIT_SECONDS + 40);

/// How long a host may take to say that it is there.
const PRESENCE_PATIENCE: Duration = Duration::from_secs(2);

/// What the owner says when it is asked whether it takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Ready,
    /// It answers, and takes no work: it is about to let the folder go.
    Busy,
    Silent,
}

/// A client of the owner. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    owner: OwnerAddress,
    agent: ureq::Agent,
}

impl Remote {
    pub(crate) fn new(owner: OwnerAddress) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            // A stopped process still has its connections accepted by the system: silence must end.
            .timeout_recv_response(Some(ANSWER_PATIENCE))
            .proxy(None)
            .build();
        Self { owner, agent: config.into() }
    }

    /// Asks whether somebody answers at the address and takes work.
    pub(crate) async fn presence(&self) -> Presence {
        let this = self.clone();
        let asked = move || {
            let url = format!("http://{}/readyz", this.owner.address);
            let request = this.agent.get(url).config().timeout_global(Some(PRESENCE_PATIENCE)).build();
            match request.call() {
                Ok(response) if response.status().as_u16() == 200 => Presence::Ready,
                Ok(_) => Presence::Busy,
                Err(_) => Presence::Silent,
            }
        };
        tokio::task::spawn_blocking(asked).await.unwrap_or(Presence::Silent)
    }

    /// The parameters of type `file` of a pipeline, source or task.
    pub(crate) async fn file_params(&self, name: &str) -> Result<Vec<String>, Failure> {
        let export: ExportBody = self.get(format!("/api/v1/exports/{}", path_segment(name))).await?;
        Ok(export.file_params)
    }

    /// Records a run and starts it.
    ///
    /// # Errors
    ///
    /// `gone` if nobody listens any more: then no run was made. `unreachable` if the answer did not come: the run may
    /// have been made.
    pub(crate) async fn spawn(&self, request: &RunRequest) -> Result<RunReport, Failure> {
        let body = serde_json::to_vec(&RunBody::of(request)).map_err(|error| unreadable(&error.to_string()))?;
        self.post("/api/v1/runs".to_owned(), body).await
    }

    /// Records a backfill and begins it.
    ///
    /// # Errors
    ///
    /// As for [`Remote::spawn`].
    pub(crate) async fn backfill(&self, request: &BackfillRequest) -> Result<RunReport, Failure> {
        let body = serde_json::to_vec(&BackfillBody::of(request)).map_err(|error| unreadable(&error.to_string()))?;
        self.post("/api/v1/backfills".to_owned(), body).await
    }

    /// Waits for the end of a run.
    pub(crate) async fn wait(&self, run: RunId) -> Result<RunReport, Failure> {
        loop {
            let report: RunReport = self.get(format!("/api/v1/runs/{run}?wait={WAIT_SECONDS}")).await?;
            if report.status.is_terminal() {
                return Ok(report);
            }
        }
    }

    /// Asks a run to stop.
    pub(crate) async fn cancel(&self, run: RunId) -> Result<RunReport, Failure> {
        self.post(format!("/api/v1/runs/{run}/cancel"), b"{}".to_vec()).await
    }

    /// The report of a run as it is.
    pub(crate) async fn report(&self, run: RunId) -> Result<RunReport, Failure> {
        self.get(format!("/api/v1/runs/{run}")).await
    }

    /// Repeats a run that ended badly; the answer is the new run.
    pub(crate) async fn retry(&self, run: RunId) -> Result<RunReport, Failure> {
        self.post(format!("/api/v1/runs/{run}/retry"), b"{}".to_vec()).await
    }

    /// Carries a run out again, and compares.
    pub(crate) async fn replay(&self, run: RunId) -> Result<ReplayReport, Failure> {
        self.post(format!("/api/v1/runs/{run}/replay"), b"{}".to_vec()).await
    }

    /// What a run waits for.
    pub(crate) async fn why(&self, run: RunId) -> Result<Standing, Failure> {
        self.get(format!("/api/v1/runs/{run}/why")).await
    }

    /// Says that a dead letter needs nothing more. Whether it was open.
    pub(crate) async fn resolve(&self, run: RunId, body: &ResolveBody) -> Result<bool, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| unreadable(&error.to_string()))?;
        let answer: ResolvedBody = self.post(format!("/api/v1/dead-letters/{run}/resolve"), body).await?;
        Ok(answer.resolved)
    }

    /// Releases or discards a quarantined capture.
    pub(crate) async fn judge(&self, capture: CaptureId, verdict: Verdict) -> Result<CaptureRecord, Failure> {
        let action = match verdict {
            Verdict::Release => "release",
            Verdict::Discard => "discard",
        };
        self.post(format!("/api/v1/captures/{capture}/{action}"), b"{}".to_vec()).await
    }

    /// Changes something by hand.
    pub(crate) async fn intervene(&self, intervention: &Intervention) -> Result<Intervened, Failure> {
        let body = intervention.body().map_err(|error| unreadable(&error.to_string()))?;
        let path = intervention.path();
        Ok(match intervention {
            Intervention::ResetBreaker(_) | Intervention::OpenBreaker(_) => {
                let _changed: BreakerBody = self.post(path, body).await?;
                Intervened::Breaker
            }
            Intervention::ReleaseLease { .. } => Intervened::Released(self.post(path, body).await?),
            Intervention::Retain { .. } => Intervened::Retained(self.post(path, body).await?),
            Intervention::Shadow(_) => Intervened::Shadowed(Box::new(self.post(path, body).await?)),
            Intervention::RollBack { .. } | Intervention::Approve { .. } | Intervention::Promote { .. } => {
                Intervened::Activated(self.post(path, body).await?)
            }
        })
    }

    /// What the versions of a plugin ask for and have.
    pub(crate) async fn plugin_grants(&self, name: &str) -> Result<PluginGrants, Failure> {
        self.get(format!("/api/v1/plugins/{}/grants", path_segment(name))).await
    }

    /// What the owner has loaded.
    pub(crate) async fn plugins(&self) -> Result<Vec<PluginRecord>, Failure> {
        self.get("/api/v1/plugins".to_owned()).await
    }

    async fn get<T: DeserializeOwned + Send + 'static>(&self, path: String) -> Result<T, Failure> {
        let this = self.clone();
        blocking(move || {
            let request = this.agent.get(this.url(&path)).header("Authorization", this.bearer());
            answer(request.call())
        })
        .await
    }

    async fn post<T: DeserializeOwned + Send + 'static>(&self, path: String, body: Vec<u8>) -> Result<T, Failure> {
        let this = self.clone();
        blocking(move || {
            let request = this.agent.post(this.url(&path)).header("Authorization", this.bearer());
            answer(request.content_type("application/json").send(&body[..]))
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.owner.address)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.owner.token)
    }
}

async fn blocking<T: Send + 'static>(ask: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer,
        Err(error) => Err(Failure::new(FailureKind::Internal, "panicked", error.to_string())),
    }
}

fn answer<T: DeserializeOwned>(sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<T, Failure> {
    let mut response = sent.map_err(|error| no_answer(&error))?;
    let status = response.status();
    let text = response.body_mut().with_config().limit(u64::MAX).read_to_string().map_err(|error| no_answer(&error))?;
    if status.is_success() {
        return serde_json::from_str(&text).map_err(|error| unreadable(&error.to_string()));
    }
    match serde_json::from_str::<Problem>(&text) {
        Ok(problem) => Err(problem.failure),
        Err(_) => Err(unreadable(&format!("status {status}"))),
    }
}

fn no_answer(error: &ureq::Error) -> Failure {
    let refused = match error {
        ureq::Error::ConnectionFailed => true,
        ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        _ => false,
    };
    // Nobody listened, so nothing was asked: whoever owns the folder now may be asked instead.
    let code = if refused { "gone" } else { "unreachable" };
    let message = format!("the host that owns the data folder does not answer: {error}");
    Failure::new(FailureKind::Network, code, message)
}

fn unreadable(what: &str) -> Failure {
    let message = format!("the host that owns the data folder answered something else than expected: {what}");
    Failure::new(FailureKind::Internal, "unreachable", message)
}

/// Names are words and dots; anything else must not become another path.
pub(crate) fn path_segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_stay_one_path_segment() {
        assert_eq!(super::path_segment("finra.regsho_daily"), "finra.regsho_daily");
        assert_eq!(super::path_segment("../x?y#é"), "..%2Fx%3Fy%23%C3%A9");
    }
}
