//! What happens to a run, as it happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use model::RunId;
use model::failure::Failure;
use model::run::RunEvent;

use super::Served;
use super::received::Named;
use super::runs::{bad_body, run, unknown_run};
use crate::problem::Refusal;

/// How long to wait before the ledger is asked again; the end of a run is told at once.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// `GET /api/v1/runs/{id}/events`: server-sent events, `id` their number, `event` their type, `data` the whole event as
/// JSON. All that was goes first, or what follows `Last-Event-ID`; the stream ends with the run.
pub(super) async fn events(
    State(served): State<Served>,
    Named(id): Named,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let run = run(&id)?;
    let last = match headers.get("last-event-id") {
        None => 0,
        Some(sent) => sent
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| bad_body("the header `Last-Event-ID` is the number of an event".to_owned()))?,
    };
    if served.parts.engine.wait(run, Duration::ZERO).await?.is_none() {
        return Err(unknown_run(run));
    }
    let follower = Follower { served, run, last, told: Vec::new(), has_ended: false };
    Ok(Sse::new(futures::stream::unfold(follower, Follower::next)).keep_alive(KeepAlive::default()))
}

/// Who listens to one run.
struct Follower {
    served: Served,
    run: RunId,
    /// The number of the last event that was read.
    last: u64,
    /// Events that were read and not sent, the next last.
    told: Vec<RunEvent>,
    has_ended: bool,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.told.pop() {
                return Some((Ok(sent(&event)), self));
            }
            if self.has_ended {
                return None;
            }
            if let Err(failure) = self.read_on().await {
                tracing::warn!(run.id = %self.run, code = %failure.code, "the events of a run are not told further: {failure}");
                return None;
            }
        }
    }

    async fn read_on(&mut self) -> Result<(), Failure> {
        let parts = &self.served.parts;
        // Before the events: what a run that has ended is told of is all there.
        let report = tokio::select! {
            biased;
            report = parts.engine.wait(self.run, if self.last == 0 { Duration::ZERO } else { ASK_AGAIN }) => report?,
            () = self.served.shutdown.cancelled() => None,
        };
        let has_ended = report.is_none_or(|report| report.status.is_terminal());
        let mut events = parts.runs.events_after(self.run, self.last).await?;
        self.last = events.last().map_or(self.last, |event| event.seq);
        events.reverse();
        (self.told, self.has_ended) = (events, has_ended);
        Ok(())
    }
}

fn sent(event: &RunEvent) -> Event {
    let data = serde_json::to_string(event).unwrap_or_default();
    Event::default().id(event.seq.to_string()).event(event.event.clone()).data(data)
}
