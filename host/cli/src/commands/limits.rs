//! `limits`: how many calls may begin in so much time.

use clap::{Args, Subcommand};
use model::policy::RateLimitPolicy;
use model::ports::SharedKind;
use model::{Clock, Failure};
use orchestrator::{LimitReport, stored_limit};

use super::ledger;
use crate::args::Global;
use crate::output::{Cell, Output, Rows, json, text};
use crate::system::SystemClock;

/// Look at rate limits, and what is left of them
///
/// A rate limit belongs to a pipeline, source or task whose policy names one, or to a server that plugins send requests
/// to. To change it, change the policy, or the grant of that server.
#[derive(Debug, Args)]
pub(crate) struct LimitsCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the limits that have let a call through, with the policy that was in force then
    List,
}

impl LimitsCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let Action::List = self.action;
        let now = SystemClock.now();
        let stored = ledger(global).await?.shared_states(SharedKind::RateLimit).await?;
        let reports: Vec<LimitReport> =
            stored.into_iter().filter_map(|(name, state)| stored_limit(&name, state, now)).collect();
        output.show(&reports, || rows(&reports))?;
        Ok(0)
    }
}

fn rows(reports: &[LimitReport]) -> Rows {
    let columns = [text("name"), text("policy"), text("left"), text("next_at")];
    let mut rows = Rows::new(columns, "no limit has let a call through");
    for LimitReport { name, policy, left, next_at } in reports {
        rows.push([
            name.clone().into(),
            Cell::two(words(policy), json(policy)),
            left.to_string().into(),
            Cell::from(*next_at),
        ]);
    }
    rows
}

fn words(policy: &RateLimitPolicy) -> String {
    match policy {
        RateLimitPolicy::TokenBucket { per_second, capacity } => format!("{per_second} a second, {capacity} at once"),
        RateLimitPolicy::SlidingWindow { calls, window_ms } => format!("{calls} in {window_ms} ms"),
        RateLimitPolicy::All(limits) => limits.iter().map(words).collect::<Vec<_>>().join("; "),
    }
}
