//! Everything one attempt reads and writes, and what comes of it.
//!
//! Nothing that a guest does here is visible to anybody else: rows stay in memory, or in files that no reader looks for,
//! until the orchestrator writes the captures that [`finish`](Workbench::finish) returns, and neither those nor a file of
//! rejects is read by anybody until the ledger knows them.

mod checks;
mod finish;
mod inputs;
mod origins;
mod refused;
mod rejects;
mod saved;
mod seeing;
mod select;
mod staging;
mod tables;

use std::sync::Arc;

use model::ports::{
    Blob, FileEntry, Finished, InputBytes, Outlook, RejectedRow, TableReader, TableWriter, WorkOrder, Workbench,
};
use model::{DatasetName, Failure, FailureKind};

use self::inputs::Inputs;
use self::origins::Origins;
use self::rejects::GuestRejects;
use self::saved::Saved;
use self::select::Select;
use self::staging::{Budget, Memory, Staged, StagingWriter};
use self::tables::{BatchReader, CaptureReader};
use crate::capture::CaptureStore;
use crate::inputs::InputStore;
use crate::read::FileReader;
use crate::rejects::{Collector, RejectStore};
use crate::spill::SpillFolder;
use crate::staged::StagedRows;

#[derive(Debug)]
pub(crate) struct LocalWorkbench {
    order: WorkOrder,
    inputs: Inputs,
    captures: Arc<CaptureStore>,
    /// In the order of the order's outputs; made when they are opened.
    staged: Vec<(DatasetName, Staged)>,
    budget: Arc<Budget>,
    rejects: Arc<Collector>,
    guest_rejects: GuestRejects,
    origins: Origins,
    memory: Arc<Memory>,
    saved: Saved,
}

impl LocalWorkbench {
    /// Opens the declared inputs.
    pub(crate) fn open(
        order: WorkOrder,
        captures: Arc<CaptureStore>,
        inputs: InputStore,
        rejects: Arc<RejectStore>,
        spill: SpillFolder,
    ) -> Result<Self, Failure> {
        let keep = (!order.dry_run).then_some(rejects);
        let rejects = Arc::new(Collector::new(order.run_id, order.attempt, keep, &order.limits));
        let inputs = Inputs::open(&order, inputs, Arc::clone(&rejects))?;
        let budget = Arc::new(Budget::new(&order.manifest.name, &order.limits));
        let memory = Arc::new(Memory::new(&order.limits, (!order.dry_run).then_some(spill)));
        let guest_rejects = GuestRejects::new(Arc::clone(&rejects), order.secrets.clone());
        let (staged, origins, saved) = (Vec::new(), Origins::default(), Saved::default());
        Ok(Self { order, inputs, captures, staged, budget, rejects, guest_rejects, origins, memory, saved })
    }

    fn published(&self, dataset: &DatasetName, select: &Select) -> Result<Box<dyn TableReader>, Failure> {
        let found = self.order.catalog.dataset(dataset);
        let spec = found.map(|found| &found.spec).or_else(|| self.order.manifest.dataset(dataset));
        let Some(spec) = spec else { return Err(unknown_dataset(dataset)) };
        select.check_partition(&spec.partition_by)?;
        let captures = found.into_iter().flat_map(|found| &found.captures);
        let wanted = captures.filter(|capture| capture.latest && select.takes(&capture.partition));
        let files = wanted.filter_map(|capture| capture.file.clone()).collect();
        Ok(Box::new(CaptureReader::new(Arc::clone(&self.captures), spec, files, select.columns())?))
    }

    fn captures(&self, dataset: &DatasetName, select: &Select) -> Result<Box<dyn TableReader>, Failure> {
        let found = self.order.catalog.dataset(dataset);
        let spec = found.map(|found| &found.spec).or_else(|| self.order.manifest.dataset(dataset));
        let Some(spec) = spec else { return Err(unknown_dataset(dataset)) };
        select.check_partition(&spec.partition_by)?;
        let captures = found.into_iter().flat_map(|found| &found.captures);
        let wanted: Vec<_> = captures.filter(|capture| capture.latest && select.takes(&capture.partition)).collect();
        let batch = tables::list_captures(&spec.partition_by, &wanted)?;
        Ok(Box::new(BatchReader::new(&batch.schema(), &StagedRows::Memory(vec![batch]), select.columns())?))
    }

    fn staged(&self, dataset: &DatasetName, select: &Select) -> Result<Box<dyn TableReader>, Failure> {
        let spec = self.output_spec(dataset)?;
        select.refuse_partition("a staged dataset")?;
        let schema = crate::schema::staging_schema(spec);
        let staged = self.staged.iter().find(|(name, _)| name == dataset);
        let rows = staged.map_or(Ok(StagedRows::Memory(Vec::new())), |(_, staged)| staged.lock().rows())?;
        Ok(Box::new(BatchReader::new(&schema, &rows, select.columns())?))
    }

    fn output_spec(&self, dataset: &DatasetName) -> Result<&model::manifest::DatasetSpec, Failure> {
        let spec = self.order.outputs.contains(dataset).then(|| self.order.manifest.dataset(dataset)).flatten();
        spec.ok_or_else(|| {
            let known: Vec<String> = self.order.outputs.iter().map(ToString::to_string).collect();
            let message = format!("`{dataset}` is not an output of this work; it may write {}", known.join(", "));
            Failure::new(FailureKind::Pipeline, "unknown_output", message)
        })
    }
}

fn unknown_dataset(dataset: &DatasetName) -> Failure {
    let message = format!("no dataset `{dataset}` was ever published here, and the plugin does not declare it");
    Failure::new(FailureKind::Pipeline, "unknown_input", message)
}

fn dataset_name(name: &str) -> Result<DatasetName, Failure> {
    name.parse().map_err(|error| Failure::new(FailureKind::Pipeline, "unknown_input", format!("{error}")))
}

impl Workbench for LocalWorkbench {
    fn input(&mut self, name: &str, select: &str) -> Result<Box<dyn TableReader>, Failure> {
        let select = Select::parse(select)?;
        if let Some(dataset) = name.strip_prefix("captures:") {
            return self.captures(&dataset_name(dataset)?, &select);
        }
        if let Some(dataset) = name.strip_prefix("staged:") {
            return self.staged(&dataset_name(dataset)?, &select);
        }
        let folder_file = name.split_once('/');
        if folder_file.is_none() && !self.inputs.is_declared(name) && name.contains('.') {
            return self.published(&dataset_name(name)?, &select);
        }
        select.refuse_partition("a file")?;
        let input = match folder_file {
            Some((folder, file)) => self.inputs.folder_file(&self.order, folder, file, select.format())?,
            None => self.inputs.declared(name)?,
        };
        Ok(Box::new(FileReader::new(&input, select.columns())?))
    }

    fn open(&mut self, name: &str) -> Result<Box<dyn Blob>, Failure> {
        match name.split_once('/') {
            Some((folder, file)) => {
                let kept = self.inputs.folder_bytes(&self.order, folder, file)?;
                Ok(Box::new(tables::Bytes(kept.bytes)))
            }
            None => Ok(Box::new(tables::Bytes(self.inputs.declared_bytes(name)?))),
        }
    }

    fn output(&mut self, dataset: &str) -> Result<Box<dyn TableWriter>, Failure> {
        let unknown = |message| Failure::new(FailureKind::Pipeline, "unknown_output", message);
        let name: DatasetName = dataset.parse().map_err(|error| unknown(format!("{error}")))?;
        let spec = self.output_spec(&name)?.clone();
        let staged = match self.staged.iter().find(|(known, _)| known == &name) {
            Some((_, staged)) => staged.clone(),
            None => {
                let staged = Staged::default();
                self.staged.push((name, staged.clone()));
                staged
            }
        };
        let (budget, memory) = (Arc::clone(&self.budget), Arc::clone(&self.memory));
        Ok(Box::new(StagingWriter::new(Arc::new(spec), staged, budget, memory)))
    }

    fn files(&mut self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        self.inputs.files(&self.order, folder)
    }

    fn save(&mut self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        saved::check_access(folder, inputs::granted(&self.order, folder)?, &self.order.manifest.name)?;
        let dir = match self.order.outlook {
            Outlook::Live { .. } => Some(self.inputs.folder(&self.order, folder)?),
            Outlook::Recorded(_) => None,
        };
        self.saved.add(&self.order, dir, (folder, name), bytes)
    }

    fn keep(&mut self, exchange: InputBytes) {
        self.inputs.keep(&self.order, exchange);
    }

    fn reject(&mut self, rows: Vec<RejectedRow>) -> Result<(), Failure> {
        self.guest_rejects.add(rows, &self.inputs);
        Ok(())
    }

    fn written(&self) -> Vec<DatasetName> {
        let written = |name: &&DatasetName| {
            self.staged.iter().any(|(staged_name, staged)| staged_name == *name && !staged.lock().is_empty())
        };
        self.order.outputs.iter().filter(written).cloned().collect()
    }

    fn begin_partition(&mut self) {
        self.end_partition();
        self.origins.begin();
    }

    fn end_partition(&mut self) {
        self.origins.end(self.inputs.all(), &self.staged);
    }

    fn finish(self: Box<Self>) -> Result<Finished, Failure> {
        finish::finish(*self)
    }

    fn abandon(self: Box<Self>) -> Result<Finished, Failure> {
        finish::abandon(*self)
    }
}

#[cfg(test)]
mod tests;
