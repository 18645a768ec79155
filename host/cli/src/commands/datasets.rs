//! `datasets`: what the tables mean.

use clap::{Args, Subcommand};
use model::manifest::DatasetSpec;
use model::{DatasetName, Failure};

use super::{dataset_name, known_dataset, ledger};
use crate::args::Global;
use crate::output::{Output, Rows};

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
        #[arg(value_parser = dataset_name)]
        dataset: DatasetName,
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
    let header = ["dataset", "partition by", "key", "columns", "description"];
    let mut rows =
        Rows::new(&header, &[3], "no datasets; load a plugin first, for example with `spine-host plugins list`");
    for dataset in datasets {
        rows.rows.push(vec![
            dataset.name.to_string(),
            dataset.partition_by.join(", "),
            dataset.key.join(", "),
            dataset.columns.len().to_string(),
            dataset.description.clone(),
        ]);
    }
    rows
}

fn columns(spec: &DatasetSpec) -> Rows {
    let mut rows = Rows::new(&["column", "type", "null", "unit", "description"], &[], "");
    for column in &spec.columns {
        rows.rows.push(vec![
            column.name.clone(),
            column.data_type.to_string(),
            if column.nullable { "yes" } else { "no" }.to_owned(),
            column.unit.clone().unwrap_or_default(),
            column.description.clone(),
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
