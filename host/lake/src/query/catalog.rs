//! A view of the catalog as DataFusion asks for it: schemas are domains, tables are made when a query names them.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::DataFusionError;
use model::catalog::{CatalogCapture, CatalogDataset, CatalogView};

use super::table::CaptureTable;

/// The catalog's name in three-part names: the same word that `ATTACH ... AS lake` gives in DuckDB.
pub(super) const CATALOG: &str = "lake";

pub(super) const HISTORY: &str = "_history";

/// All tables of one view.
#[derive(Clone, Debug)]
pub(super) struct ViewCatalog(pub(super) Arc<CatalogView>);

impl ViewCatalog {
    /// Whether there is a table `domain.table`.
    pub(super) fn has(&self, domain: &str, table: &str) -> bool {
        self.find(domain, table).is_some()
    }

    /// `domain.dataset` of every table, in the order of the view, each before its history.
    pub(super) fn names(&self) -> Vec<String> {
        let names = self.0.datasets.iter().map(|dataset| dataset.spec.name.to_string());
        names.flat_map(|name| [name.clone(), format!("{name}{HISTORY}")]).collect()
    }

    /// The dataset of a table, and whether all its captures are meant. A dataset that is itself called
    /// `something_history` wins over the history of `something`.
    fn find(&self, domain: &str, table: &str) -> Option<(&CatalogDataset, bool)> {
        let dataset = |wanted: &str| {
            let mut datasets = self.0.datasets.iter();
            datasets.find(|it| it.spec.name.domain() == domain && it.spec.name.dataset() == wanted)
        };
        let history = || Some((dataset(table.strip_suffix(HISTORY)?)?, true));
        dataset(table).map(|dataset| (dataset, false)).or_else(history)
    }
}

impl CatalogProvider for ViewCatalog {
    fn schema_names(&self) -> Vec<String> {
        let mut domains: Vec<String> =
            self.0.datasets.iter().map(|dataset| dataset.spec.name.domain().to_owned()).collect();
        domains.sort();
        domains.dedup();
        domains
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let known = self.0.datasets.iter().any(|dataset| dataset.spec.name.domain() == name);
        known.then(|| Arc::new(Domain { catalog: self.clone(), name: name.to_owned() }) as Arc<dyn SchemaProvider>)
    }
}

/// The tables of one domain.
#[derive(Debug)]
struct Domain {
    catalog: ViewCatalog,
    name: String,
}

#[async_trait::async_trait]
impl SchemaProvider for Domain {
    fn table_names(&self) -> Vec<String> {
        let prefix = format!("{}.", self.name);
        self.catalog.names().iter().filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some((dataset, history)) = self.catalog.find(&self.name, name) else { return Ok(None) };
        let captures: Vec<CatalogCapture> =
            dataset.captures.iter().filter(|capture| history || capture.latest).cloned().collect();
        Ok(Some(Arc::new(CaptureTable::new(&dataset.spec, captures)?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.catalog.has(&self.name, name)
    }
}
