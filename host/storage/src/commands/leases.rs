//! Leases: taking, extending and freeing slots of keys.
//!
//! Tokens come from counters, a fixed number of them: a key always counts at the same one, and shares it with other
//! keys. Whoever takes slots needs the counters of their keys ([`Needs`]) and has them for as long as its transaction
//! lasts, so what it read of the keys stays true, and nobody gets a token before one that is less is visible.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::failure::Failure;
use model::ports::{Acquired, Exclusive, Held, LeaseRequest};
use model::run::Claim;
use model::{RunId, Timestamp, WorkerId};
use serde::Serialize;

use super::{int, json};
use crate::failure::{corrupt, failed};
use crate::lock::Needs;
use crate::read::count;
use crate::read::leases::LeaseRow;
use crate::read::runs::RunRow;
use crate::writer::{Command, Scribe, Statement, Value};

/// What one run wants to hold: all of it or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) run: RunId,
    pub(crate) worker: WorkerId,
    pub(crate) until: Timestamp,
    pub(crate) wanted: &'a [Exclusive],
}

/// The leases of some keys as they are, and as they will be.
struct Table {
    /// The last token of each counter.
    counters: BTreeMap<i64, i64>,
    /// Those that have not expired.
    live: BTreeMap<(String, String), LeaseRow>,
    changed: BTreeSet<(String, String)>,
    /// Whether there are others, which go when their key is taken.
    any_expired: bool,
    now: Timestamp,
}

/// Counters of tokens; the ledger has a row for each.
const COUNTERS: u32 = 64;

/// The counter of a key: by FNV-1a, the same in every process and version.
pub(crate) fn counter(key: &str) -> i64 {
    let hash = key.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i64::from(hash % COUNTERS)
}

/// Grants wishes, the first one first. Each gets the tokens of its leases.
pub(crate) async fn take(
    scribe: &mut Scribe<'_>,
    wishes: &[Wish<'_>],
    now: Timestamp,
) -> Result<Vec<Result<Vec<u64>, Held>>, Failure> {
    let keys: BTreeSet<&str> =
        wishes.iter().flat_map(|wish| wish.wanted).map(|exclusive| exclusive.key.as_str()).collect();
    if keys.is_empty() {
        return Ok(wishes.iter().map(|_| Ok(Vec::new())).collect());
    }
    let mut table = read(scribe, &keys, now).await?;
    let mut answers = Vec::with_capacity(wishes.len());
    for wish in wishes {
        answers.push(match table.refusal(wish)? {
            Some(held) => Err(held),
            None => Ok(wish.wanted.iter().map(|exclusive| table.grant(wish, &exclusive.key)).collect()),
        });
    }
    write(scribe, table)?;
    Ok(answers)
}

impl Table {
    /// None if all that is wanted is to be had.
    fn refusal(&self, wish: &Wish<'_>) -> Result<Option<Held>, Failure> {
        let (run, worker) = (wish.run.to_string(), wish.worker.to_string());
        for Exclusive { key, slots } in wish.wanted {
            let holders = self.live.values().filter(|lease| &lease.lease_key == key);
            let (own, others): (Vec<&LeaseRow>, Vec<&LeaseRow>) =
                holders.partition(|lease| lease.run_id == run && lease.worker_id == worker);
            // One run under two workers is two owners of one slot: the first keeps it.
            let same_run = others.iter().any(|lease| lease.run_id == run);
            if !same_run && (!own.is_empty() || (others.len() as u64) < u64::from(*slots).max(1)) {
                continue;
            }
            if let Some(first) = others.into_iter().min_by_key(|lease| lease.expires_at_us) {
                let by = first.run_id.parse().map_err(|_| corrupt("a run id", &first.run_id))?;
                return Ok(Some(Held { key: key.clone(), by, until: Timestamp::from_micros(first.expires_at_us) }));
            }
        }
        Ok(None)
    }

    fn grant(&mut self, wish: &Wish<'_>, key: &str) -> u64 {
        let place = (key.to_owned(), wish.run.to_string());
        self.changed.insert(place.clone());
        let expires_at_us = wish.until.as_micros();
        if let Some(lease) = self.live.get_mut(&place) {
            lease.expires_at_us = lease.expires_at_us.max(expires_at_us);
            return count(lease.token);
        }
        let last = self.counters.entry(counter(key)).or_default();
        *last += 1;
        let token = *last;
        let (lease_key, run_id) = place.clone();
        let (worker_id, acquired_at_us) = (wish.worker.to_string(), self.now.as_micros());
        self.live.insert(place, LeaseRow { lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us });
        count(token)
    }
}

async fn read(scribe: &mut Scribe<'_>, keys: &BTreeSet<&str>, now: Timestamp) -> Result<Table, Failure> {
    let counters: BTreeSet<i64> = keys.iter().map(|key| counter(key)).collect();
    let last = Statement::new(
        "read the counters of leases",
        r#"
        SELECT counter, last_token
        FROM lease_counters
        WHERE counter IN (SELECT CAST(value AS BIGINT) FROM {texts $1} AS wanted)
        "#,
    );
    let leases = Statement::new(
        "read the leases",
        r#"
        SELECT lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us
        FROM leases
        WHERE lease_key IN (SELECT value FROM {texts $1} AS wanted)
        "#,
    );
    let (last, leases) = (last.bind(json(&counters)?), leases.bind(scribe.json(keys)?));
    let (counters, leases): (Vec<(i64, i64)>, Vec<LeaseRow>) = scribe.rows_of_two(last, leases).await?;
    let (live, expired): (Vec<_>, Vec<_>) = leases.into_iter().partition(|lease| lease.expires_at_us > now.as_micros());
    let live = live.into_iter().map(|lease| ((lease.lease_key.clone(), lease.run_id.clone()), lease));
    let (counters, live, any_expired) = (counters.into_iter().collect(), live.collect(), !expired.is_empty());
    Ok(Table { counters, live, changed: BTreeSet::new(), any_expired, now })
}

#[derive(Serialize)]
struct Counter {
    counter: i64,
    last_token: i64,
}

fn write(scribe: &mut Scribe<'_>, table: Table) -> Result<(), Failure> {
    let Table { counters, live, changed, any_expired, now } = table;
    let rows: Vec<LeaseRow> =
        live.into_iter().filter(|(place, _)| changed.contains(place)).map(|(_, row)| row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Value = scribe.json(&rows)?.into();
    if any_expired {
        // What is taken over is gone: whoever held it finds that it has fewer leases than it took.
        let gone = Statement::new(
            "take a lease over",
            r#"
            DELETE FROM leases
            WHERE expires_at_us <= $2 AND lease_key IN (SELECT value ->> 'lease_key' FROM {rows $1} AS new)
            "#,
        );
        scribe.later(gone.bind(&rows).bind(now.as_micros()));
    }
    let taken = Statement::new(
        "take a lease",
        r#"
        INSERT INTO leases (lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us)
        SELECT value ->> 'lease_key', value ->> 'run_id', value ->> 'worker_id', CAST(value ->> 'token' AS BIGINT),
            CAST(value ->> 'acquired_at_us' AS BIGINT), CAST(value ->> 'expires_at_us' AS BIGINT)
        FROM {rows $1} AS new
        WHERE TRUE
        ON CONFLICT (lease_key, run_id) DO UPDATE SET expires_at_us = excluded.expires_at_us
        "#,
    );
    scribe.later(taken.bind(&rows));
    let counters: Vec<Counter> =
        counters.into_iter().map(|(counter, last_token)| Counter { counter, last_token }).collect();
    let counted = Statement::new(
        "count the leases of a key",
        r#"
        UPDATE lease_counters
        SET last_token = CAST(new.value ->> 'last_token' AS BIGINT)
        FROM {rows $1} AS new
        WHERE lease_counters.counter = CAST(new.value ->> 'counter' AS BIGINT)
        "#,
    );
    scribe.later(counted.bind(scribe.json(&counters)?).changing(counters.len()));
    Ok(())
}

/// How many leases each run has under each worker, whether they have expired or not: one that nobody took over still
/// keeps others from what it stands for.
pub(crate) type Owned = HashMap<(String, String), i64>;

/// Whether an attempt may still say what became of its run: it is the one at work, under this worker, and has every
/// lease that it took. Whoever claims nothing may speak of a run that waits.
pub(crate) fn is_at_it(claim: Option<&Claim>, run: &RunRow, owned: &Owned) -> bool {
    let Some(claim) = claim else { return !run.is_running() };
    let worker = claim.worker.to_string();
    let held = owned.get(&(run.run_id.clone(), worker.clone())).copied().unwrap_or_default();
    run.is_running() && run.worker_id == Some(worker) && run.attempt == i64::from(claim.attempt) && held >= run.leases
}

/// Asks for what the runs of a JSON array of ids have.
pub(crate) fn of_runs(ids: &Value) -> Statement {
    let statement = Statement::new(
        "read the leases of a run",
        r#"
        SELECT run_id, worker_id
        FROM leases
        WHERE run_id IN (SELECT value FROM {texts $1} AS asked)
        "#,
    );
    statement.bind(ids)
}

/// What [`of_runs`] answers, counted.
pub(crate) fn counted(leases: Vec<(String, String)>) -> Owned {
    let mut owned = Owned::new();
    for lease in leases {
        *owned.entry(lease).or_default() += 1;
    }
    owned
}

/// Frees everything that these runs hold, whoever carried them out, before the next statement that is asked something.
pub(crate) fn free_all(scribe: &mut Scribe<'_>, runs: &[RunId]) -> Result<(), Failure> {
    if runs.is_empty() {
        return Ok(());
    }
    let statement = Statement::new(
        "free the leases of a run",
        "DELETE FROM leases WHERE run_id IN (SELECT value FROM {texts $1} AS ended)",
    );
    scribe.later(statement.bind(json(runs)?));
    Ok(())
}

impl Command for LeaseRequest {
    const LANE: &'static str = "acquire";
    type Answer = Result<Acquired, Held>;

    fn needs(&self, needs: &mut Needs) {
        needs.runs.insert(self.run);
        needs.slots.insert(self.key.clone());
    }

    async fn execute(
        scribe: &mut Scribe<'_>,
        commands: &[&Self],
    ) -> Result<Vec<Result<Self::Answer, Failure>>, Failure> {
        let now = scribe.lead.clock.now();
        let wanted: Vec<[Exclusive; 1]> =
            commands.iter().map(|it| [Exclusive { key: it.key.clone(), slots: it.slots }]).collect();
        let wishes = commands.iter().zip(&wanted);
        let wishes: Vec<Wish<'_>> = wishes
            .map(|(it, wanted)| Wish { run: it.run, worker: it.worker, until: it.until, wanted: wanted.as_slice() })
            .collect();
        let taken = take(scribe, &wishes, now).await?;
        let acquired = |tokens: Vec<u64>| Acquired { token: tokens.first().copied().unwrap_or_default() };
        Ok(taken.into_iter().map(|taken| Ok(taken.map(acquired))).collect())
    }
}

/// What an owner does with its lease, or anybody with those that have expired.
#[derive(Clone, Debug)]
pub(crate) enum LeaseChange {
    Extend { key: String, run: RunId, worker: WorkerId, until: Timestamp },
    Free { key: String, run: RunId, worker: WorkerId },
    CleanExpired,
}

impl Command for LeaseChange {
    const LANE: &'static str = "change_lease";
    /// How many leases it was about.
    type Answer = u64;

    fn needs(&self, needs: &mut Needs) {
        match self {
            Self::Extend { key, .. } | Self::Free { key, .. } => needs.slots.extend([key.clone()]),
            // Only those that nobody else has.
            Self::CleanExpired => {}
        }
    }

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<u64, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(Ok(change(scribe, command).await?));
        }
        Ok(answers)
    }
}

async fn change(scribe: &mut Scribe<'_>, change: &LeaseChange) -> Result<u64, Failure> {
    let now = scribe.lead.clock.now().as_micros();
    let done = match change {
        LeaseChange::Extend { key, run, worker, until } => {
            sqlx::query(
                r#"
                UPDATE leases
                SET expires_at_us = CASE WHEN expires_at_us < $5 THEN $5 ELSE expires_at_us END
                WHERE lease_key = $1 AND run_id = $2 AND worker_id = $3 AND expires_at_us > $4
                "#,
            )
            .bind(key.clone())
            .bind(run.to_string())
            .bind(worker.to_string())
            .bind(now)
            .bind(until.as_micros())
            .execute(scribe.connection().await?)
            .await
        }
        LeaseChange::Free { key, run, worker } => {
            sqlx::query(
                r#"
                DELETE FROM leases
                WHERE lease_key = $1 AND run_id = $2 AND worker_id = $3 AND expires_at_us > $4
                "#,
            )
            .bind(key.clone())
            .bind(run.to_string())
            .bind(worker.to_string())
            .bind(now)
            .execute(scribe.connection().await?)
            .await
        }
        LeaseChange::CleanExpired => {
            let expired = scribe.sql(
                r#"
                DELETE FROM leases
                WHERE (lease_key, run_id) IN (
                    SELECT lease_key, run_id FROM leases WHERE expires_at_us <= $1 ORDER BY lease_key, run_id {lock_free}
                )
                "#,
            );
            sqlx::query(expired).bind(now).execute(scribe.connection().await?).await
        }
    };
    done.map(|done| done.rows_affected()).map_err(failed("change a lease"))
}

/// How many leases an attempt took, as its run keeps it.
pub(crate) fn kept(exclusive: &[Exclusive]) -> i64 {
    let keys: BTreeSet<&str> = exclusive.iter().map(|exclusive| exclusive.key.as_str()).collect();
    int(keys.len() as u64)
}
