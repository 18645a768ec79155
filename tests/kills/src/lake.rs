//! A lake without files: tasks read and write nothing.

use std::path::Path;

use model::capture::StagedCapture;
use model::failure::{Failure, FailureKind};
use model::ports::{
    Blob, FileEntry, Finished, InputBytes, KeptInput, Lake, RejectedRow, TableReader, TableWriter, WorkOrder, Workbench,
};
use model::reject::Rejects;
use model::{DatasetName, Digest};

#[derive(Debug)]
pub(crate) struct NoLake;

#[derive(Debug)]
struct NoBench;

fn absent() -> Failure {
    Failure::new(FailureKind::Internal, "no_lake", "there are no files here")
}

impl Lake for NoLake {
    fn keep_input(&self, _: InputBytes) -> Result<KeptInput, Failure> {
        Err(absent())
    }

    fn settle_input(&self, _: Digest) -> Result<(), Failure> {
        Ok(())
    }

    fn kept_input(&self, _: &str, _: Digest) -> Result<KeptInput, Failure> {
        Err(absent())
    }

    fn workbench(&self, _: WorkOrder) -> Result<Box<dyn Workbench>, Failure> {
        Ok(Box::new(NoBench))
    }

    fn discard(&self, _: &[StagedCapture]) {}

    fn check_folder(&self, _: &Path) -> Result<(), Failure> {
        Err(absent())
    }
}

impl Workbench for NoBench {
    fn input(&mut self, _: &str, _: &str) -> Result<Box<dyn TableReader>, Failure> {
        Err(absent())
    }

    fn open(&mut self, _: &str) -> Result<Box<dyn Blob>, Failure> {
        Err(absent())
    }

    fn output(&mut self, _: &str) -> Result<Box<dyn TableWriter>, Failure> {
        Err(absent())
    }

    fn files(&mut self, _: &str) -> Result<Vec<FileEntry>, Failure> {
        Err(absent())
    }

    fn save(&mut self, _: &str, _: &str, _: Vec<u8>) -> Result<(), Failure> {
        Err(absent())
    }

    fn keep(&mut self, _: InputBytes) {}

    fn reject(&mut self, _: Vec<RejectedRow>) -> Result<(), Failure> {
        Err(absent())
    }

    fn begin_partition(&mut self) {}

    fn end_partition(&mut self) {}

    fn written(&self) -> Vec<DatasetName> {
        Vec::new()
    }

    fn abandon(self: Box<Self>) -> Result<Finished, Failure> {
        self.finish()
    }

    fn finish(self: Box<Self>) -> Result<Finished, Failure> {
        Ok(Finished {
            captures: Vec::new(),
            checks: Vec::new(),
            rejects: Rejects::default(),
            rejected: 0,
            rows_in: 0,
            rows_written: 0,
            bytes_in: 0,
            bytes_written: 0,
            found_inputs: Vec::new(),
            saved: Box::new(()),
        })
    }
}
