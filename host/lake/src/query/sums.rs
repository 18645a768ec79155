//! `sum` and `avg` that do not wrap around.
//!
//! The engine adds integers in 64 bits and decimals in 128, and what does not fit wraps around in silence. Here integers
//! are added as decimals, and decimals of so many digits that ten billion of them might not fit in 128 bits are added in
//! 256. The average of integers stays a float.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};

/// Most digits of decimals that are added in 128 bits: the engine gives a sum ten more, and 38 fit.
const NARROW_DIGITS_MAX: u8 = 28;

/// The engine's aggregate functions, with our `sum` and `avg`.
pub(super) fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let functions = SessionStateDefaults::default_aggregate_functions().into_iter();
    let widened = |function: Arc<AggregateUDF>| match function.name() {
        "sum" | "avg" => {
            let signature = Signature::user_defined(Volatility::Immutable);
            Arc::new(AggregateUDF::from(Widened { of: Arc::unwrap_or_clone(function), signature }))
        }
        _ => function,
    };
    functions.map(widened).collect()
}

/// A function of the engine whose argument gets a type in which it has room.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Widened {
    of: AggregateUDF,
    signature: Signature,
}

impl Widened {
    fn wide(&self, data_type: &DataType) -> DataType {
        match data_type {
            DataType::Decimal128(precision, scale) if *precision > NARROW_DIGITS_MAX => {
                DataType::Decimal256(*precision, *scale)
            }
            integer if integer.is_integer() && self.of.name() == "sum" => DataType::Decimal128(20, 0),
            other => other.clone(),
        }
    }
}

impl AggregateUDFImpl for Widened {
    fn name(&self) -> &str {
        self.of.name()
    }

    fn aliases(&self) -> &[String] {
        self.of.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let fields = arg_types.iter().map(|given| Arc::new(Field::new("value", self.wide(given), true)));
        let fields = fields_with_udf(&fields.collect::<Vec<FieldRef>>(), &self.of)?;
        Ok(fields.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.of.return_type(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.of.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.of.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.of.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.of.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.of.create_sliding_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.of.reverse_udf()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.of.order_sensitivity()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.of.default_value(data_type)
    }
}
