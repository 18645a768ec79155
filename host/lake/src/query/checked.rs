//! Sums, differences and products of 64-bit integers that are an error where the engine's own would wrap around.
//!
//! The engine spells out the name of an expression whenever it asks for its type. A name that has the arguments in it
//! grows with every term of a sum, and a sum of a thousand took more than a minute to plan. So here a name is short: a
//! digest of what the function was made of. Nobody sees it, since columns keep the names that the SQL gave them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Datum};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;
use sha2::{Digest as _, Sha256};

/// Whether an operator on integers may leave their range.
pub(super) fn overflows(op: Operator) -> bool {
    kernel(op).is_some()
}

/// The call that does what `op` does to two 64-bit integers, or fails.
pub(super) fn call(op: Operator, sides: [Expr; 2]) -> Expr {
    let signature = Signature::exact(vec![DataType::Int64, DataType::Int64], Volatility::Immutable);
    let made_of = format!("{} {op} {}", sides[0].schema_name(), sides[1].schema_name());
    let digest = hex::encode(&Sha256::digest(made_of)[..16]);
    let function = Arc::new(ScalarUDF::from(Checked { op, digest, signature }));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, sides.into()))
}

/// Whether an expression is such a call; its type is known then.
pub(super) fn is_call(expr: &Expr) -> bool {
    let names = [Operator::Plus, Operator::Minus, Operator::Multiply].map(|op| kernel(op).map(|(name, _)| name));
    matches!(expr, Expr::ScalarFunction(call) if names.contains(&Some(call.func.name())))
}

type Kernel = fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, ArrowError>;

fn kernel(op: Operator) -> Option<(&'static str, Kernel)> {
    match op {
        Operator::Plus => Some(("checked_add", add as Kernel)),
        Operator::Minus => Some(("checked_subtract", sub as Kernel)),
        Operator::Multiply => Some(("checked_multiply", mul as Kernel)),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    /// Of the names of the arguments that it was made with.
    digest: String,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        kernel(self.op).map_or("checked", |(name, _)| name)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, _args: &[Expr]) -> Result<String> {
        Ok(format!("{} {}", self.name(), self.digest))
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = take_function_args(self.name(), args.args)?;
        let Some((_, kernel)) = kernel(self.op) else {
            return datafusion::common::internal_err!("{} has no checked form", self.op);
        };
        apply(&left, &right, kernel)
    }
}
