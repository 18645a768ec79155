//! Refuses to compare a date or a time with a number.
//!
//! The engine would take the number for days, or parts of a second, since 1970: `trade_date = 20210128` finds nothing,
//! in silence. [`check`] looks at a plan as it was written, since nothing is left of the number once the engine has
//! converted it.
//!
//! Looked at are comparisons of any operator, BETWEEN, IN with a list or a subquery, ANY and ALL, CASE with a base, and
//! the columns that a join compares.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{InSubquery, SetComparison};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan};
use model::Failure;

use super::numbers::compares;
use super::statement::bad_sql;

/// Looks at every expression of the plan.
///
/// # Errors
///
/// `bad_sql` for the first that compares a date or a time with a number.
pub(super) fn check(plan: &LogicalPlan) -> Result<(), Failure> {
    let mut found = None;
    let walked = plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        if let LogicalPlan::Join(join) = node {
            let pairs = join.on.iter();
            found = pairs.filter_map(|(left, right)| mixed(&[left, right], None, &schema)).next();
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                found = found.take().or_else(|| of_expr(expr, &schema));
                Ok(next(found.is_some()))
            })
        })?;
        Ok(next(found.is_some()))
    });
    match (found, walked) {
        (Some(mixed), _) => Err(mixed.refusal()),
        // Whatever is wrong with the plan, the engine says it better.
        (None, Ok(_) | Err(_)) => Ok(()),
    }
}

fn next(is_found: bool) -> TreeNodeRecursion {
    if is_found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue }
}

/// A comparison of what cannot be compared.
struct Mixed {
    /// The date or time, as the SQL has it.
    tested: String,
    place: Option<String>,
    is_date: bool,
}

fn of_expr(expr: &Expr, schema: &DFSchema) -> Option<Mixed> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => mixed(&[left, right], None, schema),
        Expr::Between(between) => mixed(&[&between.expr, &between.low, &between.high], None, schema),
        Expr::InList(within) => {
            mixed(&std::iter::once(&*within.expr).chain(&within.list).collect::<Vec<_>>(), None, schema)
        }
        Expr::InSubquery(InSubquery { expr, subquery, .. })
        | Expr::SetComparison(SetComparison { expr, subquery, .. }) => {
            mixed(&[expr], Some(subquery.subquery.schema().field(0).data_type().clone()), schema)
        }
        Expr::Case(case) => {
            let base = case.expr.as_ref()?;
            let whens = case.when_then_expr.iter().map(|(when, _)| &**when);
            mixed(&std::iter::once(&**base).chain(whens).collect::<Vec<_>>(), None, schema)
        }
        _ => None,
    }
}

/// What is wrong with comparing all of these, and a column of type `other`.
fn mixed(all: &[&Expr], other: Option<DataType>, schema: &DFSchema) -> Option<Mixed> {
    let mut types = all.iter().map(|expr| expr.get_type(schema).ok()).collect::<Option<Vec<_>>>()?;
    types.extend(other);
    if !types.iter().any(DataType::is_numeric) {
        return None;
    }
    let at = types.iter().position(is_time)?;
    let tested = all.get(at);
    let column = tested.and_then(|tested| tested.try_as_col());
    let start = column.and_then(|column| column.spans().first()).map(|span| span.start);
    Some(Mixed {
        tested: tested.map_or_else(|| "the subquery".to_owned(), |tested| format!("`{}`", tested.human_display())),
        place: start.map(|start| format!(" (line {}, column {})", start.line, start.column)),
        is_date: matches!(types[at], DataType::Date32 | DataType::Date64),
    })
}

fn is_time(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_)
    )
}

impl Mixed {
    fn refusal(self) -> Failure {
        let Self { tested, place, is_date } = self;
        let place = place.unwrap_or_default();
        bad_sql(match is_date {
            true => format!(
                "{tested}{place} is a date and cannot be compared with a number: write '2021-01-28' or DATE '2021-01-28'"
            ),
            false => {
                format!("{tested}{place} is a time and cannot be compared with a number: write '2021-01-28T14:30:00Z'")
            }
        })
    }
}
