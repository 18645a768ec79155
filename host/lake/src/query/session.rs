//! A DataFusion session that can read the captures of one view and do nothing else.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{SessionStateDefaults, context::SessionConfig};
use datafusion::logical_expr::ScalarUDF;
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use model::Failure;

use super::QueryLimits;
use super::catalog::{CATALOG, ViewCatalog};
use super::numbers::ExactNumbers;
use super::store::{CAPTURES_URL, CaptureStore};
use super::sums;
use super::table::capture_path;
use super::{errors, literals};

/// Functions that make as many bytes as a number says, in one call that no memory limit sees.
const LEFT_OUT: [&str; 7] = ["repeat", "lpad", "rpad", "array_repeat", "array_resize", "range", "generate_series"];

/// A session over `catalog`, with its files below `captures_dir`.
///
/// It has no file formats, no table factories and no other object store, so there is nothing that could read or write
/// another file, even if a statement got past the checks before it.
pub(super) fn session(
    captures_dir: &Path,
    catalog: &ViewCatalog,
    limits: &QueryLimits,
) -> Result<SessionState, Failure> {
    let runtime = runtime(captures_dir, catalog, limits)?;
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog.clone()));
    let table_functions = SessionStateDefaults::default_table_functions();
    let mut state = SessionStateBuilder::new()
        .with_config(config())
        .with_runtime_env(runtime)
        .with_catalog_list(Arc::new(catalogs))
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(scalar_functions())
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(sums::aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_table_functions(table_functions.into_iter().map(|it| (it.name().to_owned(), it)).collect())
        .with_analyzer_rules(analyzer_rules())
        .with_optimizer_rules(logical_rules())
        .with_physical_optimizer_rules(physical_rules())
        .build();
    // `now()` is the time at which the query starts, everywhere in it.
    let options = Arc::clone(state.config_options());
    state.execution_props_mut().mark_start_execution(options);
    Ok(state)
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        // One partition: sums of floats are ordered, and rows come in the order of the scan.
        .with_target_partitions(1)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, "main")
        .with_information_schema(false);
    let options = config.options_mut();
    // Errors say line and column.
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    // `0.1` is a tenth and not the float next to it; `numbers` says what becomes of it.
    options.sql_parser.parse_float_as_decimal = true;
    // Joins and top-k would push filters into the scan that were not checked for NaN.
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // Files are read in the order of the captures.
    options.optimizer.enable_sort_pushdown = false;
    options.optimizer.repartition_file_scans = false;
    config
}

/// DataFusion's rules, after ours for numbers.
fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let ours: Arc<dyn AnalyzerRule + Send + Sync> = Arc::new(ExactNumbers);
    std::iter::once(ours).chain(Analyzer::new().rules).collect()
}

/// DataFusion's rules without the one that adds what was added before: a sum of sums of decimals has another type than
/// the sum.
fn logical_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let rules = Optimizer::new().rules.into_iter();
    rules.filter(|rule| rule.name() != "single_distinct_aggregation_to_group_by").collect()
}

/// DataFusion's rules without the one that gives a scan every filter above it: the table chooses its own, see
/// [`super::table`].
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let rules = PhysicalOptimizer::new().rules.into_iter();
    rules.filter(|rule| !rule.name().starts_with("FilterPushdown")).collect()
}

fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let functions = SessionStateDefaults::default_scalar_functions().into_iter();
    functions.filter(|function| !LEFT_OUT.contains(&function.name())).chain([literals::function()]).collect()
}

fn runtime(captures_dir: &Path, catalog: &ViewCatalog, limits: &QueryLimits) -> Result<Arc<RuntimeEnv>, Failure> {
    let memory_bytes = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory_bytes)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
        .map_err(|error| errors::failure(&error, limits))?;

    // The default registry serves the whole file system under `file://`.
    runtime
        .deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref())
        .map_err(|error| errors::failure(&error, limits))?;
    let mut served = HashSet::new();
    for file in catalog.0.datasets.iter().flat_map(|it| &it.captures).filter_map(|capture| capture.file.as_ref()) {
        served.insert(capture_path(&file.path).map_err(|error| errors::failure(&error, limits))?);
    }
    // Before the first capture there may be no folder either.
    if !served.is_empty() {
        let store = CaptureStore::open(captures_dir, served)?;
        let url = ObjectStoreUrl::parse(CAPTURES_URL).map_err(|error| errors::failure(&error, limits))?;
        runtime.register_object_store(url.as_ref(), Arc::new(store));
    }
    Ok(runtime)
}
