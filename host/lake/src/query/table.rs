//! One table of the catalog: the files of some captures of one dataset, in order.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Statistics;
use datafusion::common::{DFSchema, Result, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use model::HOST_COLUMNS;
use model::catalog::CatalogCapture;
use model::manifest::DatasetSpec;
use object_store::path::Path;

use super::constants::{Constants, utc};
use super::store::CAPTURES_URL;
use crate::schema::arrow_type;

/// Captures of one dataset as a table. A scan gives their rows capture by capture, each in key order.
#[derive(Debug)]
pub(super) struct CaptureTable {
    schema: TableSchema,
    /// Oldest first.
    captures: Vec<CatalogCapture>,
    constants: Constants,
}

impl CaptureTable {
    pub(super) fn new(spec: &DatasetSpec, captures: Vec<CatalogCapture>) -> Result<Self> {
        let constants = Constants::new(spec, &captures)?;
        let schema = TableSchema::builder(file_schema(spec)).with_table_partition_cols(catalog_columns()).build();
        Ok(Self { schema, captures, constants })
    }

    /// Whether the footer of a file may rule its rows out for this filter.
    ///
    /// Not for floats: minimum and maximum in Parquet leave NaN out, but NaN compares as the greatest value, so a file
    /// of `1.0` and NaN would be skipped for `x > 5`, which NaN fulfils.
    fn footer_decides(&self, filter: &Expr) -> bool {
        let schema = self.schema.table_schema();
        !filter.is_volatile()
            && filter
                .column_refs()
                .iter()
                .all(|column| schema.field_with_name(&column.name).is_ok_and(|field| !field.data_type().is_floating()))
    }

    fn file(&self, at: usize) -> Result<Option<PartitionedFile>> {
        let capture = &self.captures[at];
        let Some(file) = capture.file.as_ref().filter(|_| capture.rows > 0) else { return Ok(None) };
        let rows = usize::try_from(capture.rows).map_err(|error| DataFusionError::External(error.into()))?;
        let statistics = self.constants.statistics(self.schema.table_schema(), at, rows)?;
        let mut scanned = PartitionedFile::new(String::new(), file.bytes);
        scanned.object_meta.location = capture_path(&file.path)?;
        scanned.partition_values = self.constants.catalog_values(at)?;
        scanned.statistics = Some(Arc::new(statistics));
        Ok(Some(scanned))
    }

    fn scan_files(
        &self,
        session: &dyn Session,
        files: Vec<PartitionedFile>,
        projection: Option<&Vec<usize>>,
        pruning: Vec<Expr>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.schema.table_schema();
        let mut source = ParquetSource::new(self.schema.clone());
        if let Some(predicate) = conjunction(pruning) {
            let predicate = session.create_physical_expr(predicate, &DFSchema::try_from(Arc::clone(schema))?)?;
            source = source.with_predicate(predicate);
        }
        let statistics =
            Statistics::try_merge_iter(files.iter().filter_map(|file| file.statistics.as_deref()), schema)?;
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(CAPTURES_URL)?, Arc::new(source))
            .with_file_group(FileGroup::new(files))
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_preserve_order(true)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

#[async_trait::async_trait]
impl TableProvider for CaptureTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if self.constants.decide(filter) {
                TableProviderFilterPushDown::Exact
            } else if self.footer_decides(filter) {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (constant, pruning): (Vec<&Expr>, Vec<&Expr>) =
            filters.iter().partition(|filter| self.constants.decide(filter));
        let mut files = Vec::new();
        for at in self.constants.select(session, &constant)? {
            files.extend(self.file(at)?);
        }
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(self.schema.table_schema(), projection)?)));
        }
        let pruning = pruning.into_iter().filter(|filter| self.footer_decides(filter)).cloned().collect();
        self.scan_files(session, files, projection, pruning, limit)
    }
}

/// The place of a capture's file in the store. `..`, empty and absolute parts are refused.
pub(super) fn capture_path(path: &str) -> Result<Path> {
    if path.starts_with('/') {
        return Err(DataFusionError::Internal(format!("the catalog names a capture by an absolute path, `{path}`")));
    }
    Ok(Path::parse(path)?)
}

/// The columns of the files, in the order of the spec.
///
/// All of them may be null here, whatever the spec says: a file of an older revision may lack a column that was added
/// since, and an optimizer told `NOT NULL` would drop `IS NULL` filters that are true for it.
fn file_schema(spec: &DatasetSpec) -> SchemaRef {
    let ids = HOST_COLUMNS.map(|name| Field::new(name, DataType::Utf8, true));
    let columns = spec.columns.iter().map(|column| Field::new(&column.name, arrow_type(column.data_type), true));
    Arc::new(Schema::new(columns.chain(ids).collect::<Vec<_>>()))
}

fn catalog_columns() -> Vec<FieldRef> {
    vec![Arc::new(Field::new("_revision", DataType::Int64, false)), Arc::new(Field::new("_captured_at", utc(), false))]
}
