//! What SQL makes of numbers of different types, where the engine's own choice would lose digits.
//!
//! A literal such as `0.1` is a decimal, and exact. Left alone, the engine would compare a float with it as a decimal of
//! 15 digits after the point, divide decimals into few digits, and let integers wrap around. [`ExactNumbers`] runs
//! before the engine's conversions and says what DuckDB says too:
//!
//! - a decimal that meets a float becomes a float, and a literal the nearest one;
//! - decimals and integers are compared in a type that holds both;
//! - a division with a decimal in it is one of floats;
//! - integers that overflow are an error.
//!
//! Columns keep the names that the SQL gave them. Not done: decimals and floats that meet in `VALUES` or in `USING` of a
//! join are left to the engine.

use std::sync::Arc;

use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type, DecimalType,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Cast, InSubquery};
use datafusion::logical_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, Union, cast, lit};
use datafusion::optimizer::AnalyzerRule;

use super::{checked, literals};

/// Digits of a 64-bit integer.
const INTEGER_DIGITS: u8 = 20;

/// The rule; see the module.
#[derive(Debug)]
pub(super) struct ExactNumbers;

impl AnalyzerRule for ExactNumbers {
    fn name(&self) -> &'static str {
        "exact_numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(of_plan)?.data)
    }
}

fn of_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    let names = NamePreserver::new(&plan);
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.transform_up(|expr| of_expr(expr, &schema).map(Transformed::yes))?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })?;
    plan.map_data(of_union)?.map_data(LogicalPlan::recompute_schema)
}

fn of_expr(mut expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match &mut expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let Some(types) = types(&[left, right], schema) else { return Ok(expr) };
            let any_decimal = types.iter().any(DataType::is_decimal);
            let op = *op;
            if op == Operator::Divide && any_decimal && types.iter().all(DataType::is_numeric) {
                to_type(left, &types[0], &DataType::Float64);
                to_type(right, &types[1], &DataType::Float64);
            } else if checked::overflows(op) && types.iter().all(DataType::is_signed_integer) {
                let sides = [(left, &types[0]), (right, &types[1])].map(|(side, data_type)| {
                    to_type(side, data_type, &DataType::Int64);
                    std::mem::take(&mut **side)
                });
                return Ok(checked::call(op, sides));
            } else if compares(op) {
                meet(&mut [left, right], schema, common);
            } else {
                meet(&mut [left, right], schema, float_if_mixed);
            }
        }
        Expr::Between(between) => {
            meet(&mut [&mut between.expr, &mut between.low, &mut between.high], schema, common);
        }
        Expr::InList(within) => {
            let mut all: Vec<&mut Expr> = within.list.iter_mut().collect();
            all.push(&mut within.expr);
            meet(&mut all, schema, common);
        }
        Expr::InSubquery(InSubquery { expr: tested, subquery, .. }) => {
            let Ok(data_type) = tested.get_type(schema) else { return Ok(expr) };
            let found = subquery.subquery.schema().field(0).data_type().clone();
            if float_if_mixed(&[data_type.clone(), found]).is_some() {
                to_type(tested, &data_type, &DataType::Float64);
                subquery.subquery = with_floats(Arc::clone(&subquery.subquery), &[true])?;
            }
        }
        Expr::Case(case) => {
            let (mut whens, mut thens): (Vec<&mut Expr>, Vec<&mut Expr>) =
                case.when_then_expr.iter_mut().map(|(when, then)| (&mut **when, &mut **then)).unzip();
            thens.extend(case.else_expr.iter_mut().map(|other| &mut **other));
            meet(&mut thens, schema, float_if_mixed);
            if let Some(base) = &mut case.expr {
                whens.push(base);
                meet(&mut whens, schema, common);
            }
        }
        Expr::ScalarFunction(function) => {
            if let Some(float) = literals::float(&function.func, &function.args) {
                return Ok(lit(float));
            }
            meet(&mut function.args.iter_mut().collect::<Vec<_>>(), schema, float_if_mixed);
        }
        Expr::WindowFunction(function) => {
            meet(&mut function.params.args.iter_mut().collect::<Vec<_>>(), schema, float_if_mixed);
        }
        Expr::AggregateFunction(function) => {
            let args = &mut function.params.args;
            // What follows the column is a percentile or the like, which these functions want as a float.
            for literal in args.iter_mut().skip(1) {
                if let Some(float) = nearest_float(literal) {
                    *literal = lit(float);
                }
            }
            meet(&mut args.iter_mut().collect::<Vec<_>>(), schema, float_if_mixed);
        }
        Expr::Cast(Cast { expr: literal, field }) if field.data_type() == &DataType::Float64 => {
            if let Some(float) = nearest_float(literal) {
                return Ok(lit(float));
            }
        }
        _ => {}
    }
    Ok(expr)
}

pub(super) fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    [Eq, NotEq, Lt, LtEq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom].contains(&op)
}

/// The types of all, or none if the engine has an error to report about one.
fn types(all: &[&mut Expr], schema: &DFSchema) -> Option<Vec<DataType>> {
    let of = |expr: &Expr| if checked::is_call(expr) { Some(DataType::Int64) } else { expr.get_type(schema).ok() };
    all.iter().map(|expr| of(expr)).collect()
}

/// Gives numbers that meet the type that `choose` says, if it says one.
fn meet(all: &mut [&mut Expr], schema: &DFSchema, choose: fn(&[DataType]) -> Option<DataType>) {
    let Some(types) = types(all, schema) else { return };
    let Some(target) = choose(&types) else { return };
    for (expr, data_type) in all.iter_mut().zip(&types) {
        if data_type.is_decimal() || (target.is_decimal() && data_type.is_integer()) {
            to_type(expr, data_type, &target);
        }
    }
}

fn to_type(expr: &mut Expr, data_type: &DataType, target: &DataType) {
    if data_type == target {
        return;
    }
    *expr = match nearest_float(expr).filter(|_| target == &DataType::Float64) {
        Some(float) => lit(float),
        None => cast(std::mem::take(expr), target.clone()),
    };
}

/// Float where floats and decimals meet.
fn float_if_mixed(types: &[DataType]) -> Option<DataType> {
    let mixed = types.iter().any(DataType::is_decimal) && types.iter().any(DataType::is_floating);
    mixed.then_some(DataType::Float64)
}

/// The type in which numbers are compared, where the engine's own choice would not hold them all.
fn common(types: &[DataType]) -> Option<DataType> {
    if let Some(float) = float_if_mixed(types) {
        return Some(float);
    }
    let shape = |data_type: &DataType| match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Some((*precision, u8::try_from(*scale).ok()?)),
        data_type => data_type.is_integer().then_some((INTEGER_DIGITS, 0)),
    };
    let shapes: Vec<(u8, u8)> = types.iter().map(shape).collect::<Option<_>>()?;
    let scale = shapes.iter().map(|(_, scale)| *scale).max()?;
    let whole = shapes.iter().map(|(precision, scale)| precision.saturating_sub(*scale)).max()?;
    let precision = whole.saturating_add(scale);
    if precision <= DECIMAL128_MAX_PRECISION || !types.iter().any(DataType::is_decimal) {
        return None;
    }
    Some(DataType::Decimal256(precision.min(DECIMAL256_MAX_PRECISION), i8::try_from(scale).ok()?))
}

/// The float nearest to a decimal literal. A conversion by division would round twice.
fn nearest_float(expr: &Expr) -> Option<f64> {
    let Expr::Literal(value, _) = expr else { return None };
    let text = match value {
        ScalarValue::Decimal128(Some(value), precision, scale) => {
            Decimal128Type::format_decimal(*value, *precision, *scale)
        }
        ScalarValue::Decimal256(Some(value), precision, scale) => {
            Decimal256Type::format_decimal(*value, *precision, *scale)
        }
        _ => return None,
    };
    text.parse().ok()
}

/// Floats where one side of a union has floats and another decimals. The union's own types are those of its first input.
fn of_union(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Union(Union { inputs, .. }) = plan else { return Ok(plan) };
    let columns = inputs.iter().map(|input| input.schema().fields().len()).min().unwrap_or_default();
    let types = |at| inputs.iter().map(|input| input.schema().field(at).data_type().clone()).collect::<Vec<_>>();
    let mixed: Vec<bool> = (0..columns).map(|at| float_if_mixed(&types(at)).is_some()).collect();
    let inputs = match mixed.contains(&true) {
        true => inputs.into_iter().map(|input| with_floats(input, &mixed)).collect::<Result<_>>()?,
        false => inputs,
    };
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
}

/// The plan with floats in the columns that are marked.
fn with_floats(plan: Arc<LogicalPlan>, marked: &[bool]) -> Result<Arc<LogicalPlan>> {
    let fields = plan.schema().iter().zip(marked).map(|((table, field), marked)| {
        let field = match marked {
            true => Arc::new(field.as_ref().clone().with_data_type(DataType::Float64)),
            false => Arc::clone(field),
        };
        (table.cloned(), field)
    });
    let schema = DFSchema::new_with_metadata(fields.collect(), plan.schema().metadata().clone())?;
    coerce_plan_expr_for_schema(Arc::unwrap_or_clone(plan), &schema).map(Arc::new)
}
