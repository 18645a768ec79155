//! `datasets`: what the tables mean.

use clap::{Args, Subcommand};
use model::Failure;
use model::manifest::DatasetSpec;

use super::{known_dataset, ledger};
use crate::args::Global;
use crate::output::{Cell, Output, Rows, number, text};

/// Show the datasets with their columns, units and descriptions
#[derive(Debug, Args)]
pub(crate) struct DatasetsCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the datasets
    List,
    /// Show the columns of one dataset
    Show {
        /// Dataset, `domain.dataset`
        dataset: String,
    },
}

impl DatasetsCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        match self.action {
            Action::List => {
                let datasets = ledger.datasets().await?;
                output.show(&datasets, || list(&datasets))?;
            }
            Action::Show { dataset } => {
                let spec = known_dataset(&ledger, &dataset).await?;
                output.show(&spec, || columns(&spec))?;
            }
        }
        Ok(0)
    }
}

fn list(datasets: &[DatasetSpec]) -> Rows {
    let columns = [text("name"), text("partition_by"), text("key"), number("columns"), text("description")];
    let mut rows = Rows::new(columns, "no datasets; run something first, or start `spine-host serve`");
    for dataset in datasets {
        rows.push([
            dataset.name.to_string().into(),
            words(&dataset.partition_by),
            words(&dataset.key),
            dataset.columns.len().to_string().into(),
            dataset.description.clone().into(),
        ]);
    }
    rows
}

/// Words in one line for people, as JSON for programs.
fn words(words: &[String]) -> Cell {
    Cell::two(words.join(", "), crate::output::json(&words))
}

fn columns(spec: &DatasetSpec) -> Rows {
    let columns = [text("name"), text("type"), text("nullable"), text("unit"), text("description")];
    let mut rows = Rows::new(columns, "");
    for column in &spec.columns {
        rows.push([
            column.name.clone().into(),
            column.data_type.to_string().into(),
            Cell::two(if column.nullable { "yes" } else { "no" }, column.nullable.to_string()),
            column.unit.clone().into(),
            column.description.clone().into(),
        ]);
    }
    rows.footer = Some(format!(
        "{}\nkey: {}; partition by: {}; history in {}_history",
        spec.description,
        spec.key.join(", "),
        spec.partition_by.join(", "),
        spec.name
    ));
    rows
}
