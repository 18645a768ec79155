//! From what somebody asks for to the plan of a backfill: parameters validated, files kept by digest.

use std::collections::BTreeMap;

use model::backfill::{BACKFILL_ITEMS_MAX, BACKFILL_PARALLEL, BACKFILL_PARALLEL_MAX, BackfillItem, BackfillPlan};
use model::failure::{Failure, FailureKind};
use model::manifest::ParamSpec;
use model::ports::{BackfillWork, GivenFile, ParamValue};
use model::work::WorkInput;
use serde_json::Value;

use crate::orchestrator::Orchestrator;
use crate::plugins::PluginSet;
use crate::{inputs, params};

/// Files by parameter; of all items, by item and parameter.
type Files = BTreeMap<String, WorkInput>;

/// Items whose problems are told at once.
const ITEMS_TOLD: usize = 20;

impl Orchestrator {
    /// Checks every item before any is begun.
    ///
    /// # Errors
    ///
    /// `usage` for numbers out of range; `bad_params` with every problem.
    pub(super) async fn plan(
        &self,
        work: Vec<BackfillWork>,
        parallel: Option<u32>,
        stop_on_failure: bool,
    ) -> Result<(BackfillPlan, Files), Failure> {
        let parallel = parallel.unwrap_or(if stop_on_failure { 1 } else { BACKFILL_PARALLEL });
        check_numbers(work.len(), parallel)?;
        let set = self.plugin_set();
        let (mut checked, mut problems) = (Vec::with_capacity(work.len()), Vec::new());
        for (at, work) in work.into_iter().enumerate() {
            match check(&set, work) {
                Ok(item) => checked.push(item),
                Err(problem) => problems.push((format!("item {}", at + 1), problem)),
            }
        }
        if !problems.is_empty() {
            return Err(bad_params(problems));
        }
        let (mut items, mut kept) = (Vec::with_capacity(checked.len()), BTreeMap::new());
        for (at, (item, files)) in checked.into_iter().enumerate() {
            let (described, _) = inputs::keep(&self.shared.parts.lake, files, false).await;
            kept.extend(described.into_iter().map(|(param, input)| (format!("{}.{param}", at + 1), input)));
            items.push(item);
        }
        Ok((BackfillPlan { items, parallel, stop_on_failure }, kept))
    }
}

/// The files of one item, by parameter.
pub(super) fn files_of(all: &Files, at: usize) -> Files {
    let own = format!("{}.", at + 1);
    all.iter().filter_map(|(name, input)| Some((name.strip_prefix(&own)?.to_owned(), input.clone()))).collect()
}

/// One item with its files, or everything that is wrong with it. Of a name that nobody offers nothing is known.
fn check(set: &PluginSet, work: BackfillWork) -> Result<(BackfillItem, BTreeMap<String, GivenFile>), String> {
    let BackfillWork { name, params: given, files } = work;
    let Ok(target) = set.find(&name) else {
        return Ok((BackfillItem { name, kind: None, params: unchecked(&given) }, BTreeMap::new()));
    };
    let specs = target.params();
    let params = params::validate(&name, specs, &given, &files).map_err(|failure| failure.message)?;
    let is_secret = |spec: &&ParamSpec| spec.secret && given.contains_key(&spec.name);
    if let Some(spec) = specs.iter().find(is_secret) {
        let secret = &spec.name;
        return Err(format!("`{secret}` is secret and kept nowhere, but items begin later; run `{name}` by itself"));
    }
    Ok((BackfillItem { name, kind: Some(target.kind()), params: params.shown }, files))
}

fn check_numbers(items: usize, parallel: u32) -> Result<(), Failure> {
    let problem = if items == 0 {
        "a backfill needs at least one item".to_owned()
    } else if items > BACKFILL_ITEMS_MAX {
        format!("{items} items are more than the {BACKFILL_ITEMS_MAX} that one backfill may have; ask for several")
    } else if parallel == 0 || parallel > BACKFILL_PARALLEL_MAX {
        format!("{parallel} items at one time cannot be: allowed is a whole number from 1 to {BACKFILL_PARALLEL_MAX}")
    } else {
        return Ok(());
    };
    Err(Failure::new(FailureKind::Config, "usage", problem))
}

fn bad_params(mut problems: Vec<(String, String)>) -> Failure {
    let all = problems.len();
    problems.truncate(ITEMS_TOLD);
    let told: Vec<String> = problems.iter().map(|(item, problem)| format!("{item}: {problem}")).collect();
    let mut message = told.join("; ");
    if all > ITEMS_TOLD {
        message.push_str(&format!("; and {} more items", all - ITEMS_TOLD));
    }
    Failure { details: problems, ..Failure::new(FailureKind::Validation, "bad_params", message) }
}

/// Parameters that nobody declares, as they came.
fn unchecked(given: &BTreeMap<String, ParamValue>) -> Value {
    let plain = |value: &ParamValue| match value {
        ParamValue::Text(text) => Value::String(text.clone()),
        ParamValue::Json(json) => json.clone(),
    };
    Value::Object(given.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
}
