//! Sums, differences and products of 64-bit integers that are an error where the engine's own would wrap around.

use std::sync::Arc;

use arrow::array::{ArrayRef, Datum};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

/// Whether an operator on integers may leave their range.
pub(super) fn overflows(op: Operator) -> bool {
    kernel(op).is_some()
}

/// The function that does what `op` does to two 64-bit integers, or fails.
pub(super) fn function(op: Operator) -> Arc<ScalarUDF> {
    let signature = Signature::exact(vec![DataType::Int64, DataType::Int64], Volatility::Immutable);
    Arc::new(ScalarUDF::from(Checked { op, signature }))
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
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        kernel(self.op).map_or("checked", |(name, _)| name)
    }

    fn signature(&self) -> &Signature {
        &self.signature
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
