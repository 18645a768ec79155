//! `backfill`: many runs of one kind of work, asked for at once.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use clap::Args;
use model::backfill::{BACKFILL_ITEMS_MAX, BACKFILL_PARALLEL_MAX};
use model::failure::{FailureKind, Reading};
use model::ports::ParamValue;
use model::work::{Lane, Priority, Routing, idempotency_key};
use model::{Failure, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{key_value, run, story};
use crate::args::Global;
use crate::host::{self, BackfillOrder, NamedItem};
use crate::output::{Output, complain_about};

/// Run one pipeline, source or task for many files or parameters
///
/// Each item becomes a run of its own, a few at one time, in the lane `backfill`. The backfill is a run too: `runs
/// show` counts its items, `runs children` lists their runs, `runs cancel` stops them, `runs retry` does again what did
/// not complete. If its process dies, the next one goes on and does nothing twice.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  spine-host backfill finra.regsho_daily --each file drop/*.txt
  spine-host backfill --items plan.json --stop-on-failure

Items: [{\"name\": \"finra.regsho_daily\", \"params\": {...}}, ...]")]
pub(crate) struct BackfillCommand {
    /// What to run, such as `finra.regsho_daily`; of items, those that name nothing else
    #[arg(required_unless_present = "items")]
    name: Option<String>,

    /// One run for each value of this parameter
    #[arg(long, num_args = 2.., value_names = ["NAME", "VALUE"], conflicts_with = "items")]
    each: Vec<String>,

    /// A file with the items, a JSON array; `-` is standard input
    #[arg(long, value_name = "FILE")]
    items: Option<String>,

    /// A parameter of every item; may be repeated. A file is given by its path
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = key_value)]
    param: Vec<(String, String)>,

    /// Begin nothing more once an item has failed
    #[arg(long)]
    stop_on_failure: bool,

    /// Items at work at one time [default: 4, 1 with --stop-on-failure]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(BACKFILL_PARALLEL_MAX)))]
    parallel: Option<u32>,

    /// Publish new revisions even if the content is the same
    #[arg(long)]
    force: bool,

    /// Idempotency key: the same backfill is asked for at most once
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Return as soon as the backfill has begun; needs a serving host
    #[arg(long)]
    detach: bool,

    /// Which of the queued runs goes first: realtime, high, normal, low or slow
    #[arg(long, default_value_t, value_name = "PRIORITY", allow_negative_numbers = true)]
    priority: Priority,

    /// The queue the items wait in: default, backfill or slow
    #[arg(long, default_value_t = Lane::Backfill, value_name = "LANE")]
    lane: Lane,

    /// End what has not ended by then as `timed_out`: an RFC 3339 time, UTC without a zone
    #[arg(long, value_name = "TIME", value_parser = run::time)]
    deadline: Option<Timestamp>,
}

/// One item of `--items`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, Value>,
}

impl BackfillCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let items = self.work()?;
        if items.is_empty() || items.len() > BACKFILL_ITEMS_MAX {
            let message = format!("{} items: a backfill has 1 to {BACKFILL_ITEMS_MAX}", items.len());
            return Err(usage(message));
        }
        let order = BackfillOrder {
            items,
            parallel: self.parallel,
            stop_on_failure: self.stop_on_failure,
            force: self.force,
            key: self.key.map(idempotency_key).transpose()?,
            detach: self.detach,
            routing: Routing { priority: self.priority, lane: self.lane, deadline: self.deadline },
        };
        let report = host::backfill(global, order).await?;
        story::show(&report, output)?;
        if let Some(error) = &report.error {
            complain_about(error);
        }
        Ok(run::exit_code(&report))
    }

    /// Name and parameters of each item.
    fn work(&self) -> Result<Vec<NamedItem>, Failure> {
        let mut fixed = BTreeMap::new();
        for (name, value) in &self.param {
            if fixed.insert(name.clone(), ParamValue::Text(value.clone())).is_some() {
                let name = model::brief(name);
                return Err(usage(format!(
                    "`{name}` is given twice; `--each {name} VALUE VALUE...` makes a run of each"
                )));
            }
        }
        if let Some(path) = &self.items {
            let items = read_items(path)?.into_iter().enumerate();
            return items.map(|(at, item)| self.named(at, item, &fixed)).collect();
        }
        let Some(name) = &self.name else {
            return Err(usage("say what to run, or where the items are: `--items FILE`".to_owned()));
        };
        let [each, values @ ..] = self.each.as_slice() else {
            return Err(usage("say for what to run it: `--each PARAMETER VALUE VALUE...`".to_owned()));
        };
        if fixed.contains_key(each) {
            return Err(usage(format!("`{}` is in `--each` and in `-p`; give it once", model::brief(each))));
        }
        let item = |value: &String| {
            let own = (each.clone(), ParamValue::Text(value.clone()));
            (name.clone(), fixed.clone().into_iter().chain([own]).collect())
        };
        Ok(values.iter().map(item).collect())
    }

    fn named(&self, at: usize, item: Item, fixed: &BTreeMap<String, ParamValue>) -> Result<NamedItem, Failure> {
        let Some(name) = item.name.or_else(|| self.name.clone()) else {
            return Err(usage(format!("item {} has no `name`; give it one, or name one for all", at + 1)));
        };
        let own = item.params.into_iter().map(|(name, value)| (name, ParamValue::Json(value)));
        Ok((name, fixed.clone().into_iter().chain(own).collect()))
    }
}

fn read_items(path: &str) -> Result<Vec<Item>, Failure> {
    let read = match path {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        }
        path => std::fs::read_to_string(Path::new(path)),
    };
    let text = read.map_err(|error| usage(Failure::io(Reading::Input, "read", path, &error).message))?;
    serde_json::from_str(&text).map_err(|error| {
        usage(format!("`{path}` is not a JSON array of items, each with `name` and `params`: {error}"))
    })
}

fn usage(message: String) -> Failure {
    Failure::new(FailureKind::Config, "usage", message)
}
