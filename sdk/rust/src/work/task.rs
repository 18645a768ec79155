//! Tasks: JSON in, JSON out.

use serde_json::Value;

use crate::error::Error;
use crate::host::Host;
use crate::manifest::{Object, TaskSpec};
use crate::params::Params;

/// A function that an operator or a workflow calls.
///
/// ```
/// use spine_sdk::prelude::*;
/// use spine_sdk::testing::MemoryHost;
///
/// params! { pub struct Numbers { first: i64, second: i64 => default(1) } }
///
/// #[derive(Debug)]
/// pub struct Add;
///
/// impl Task for Add {
///     const NAME: &'static str = "demo.add";
///     type Params = Numbers;
///
///     fn spec() -> TaskSpec {
///         TaskSpec::new("Adds two numbers.")
///     }
///
///     fn call(&self, params: Numbers, _host: &Host) -> Result<Json, Error> {
///         Ok(json!({ "sum": params.first + params.second }))
///     }
/// }
///
/// assert_eq!(MemoryHost::new().call(&Add, json!({ "first": 2 })).unwrap(), json!({ "sum": 3 }));
/// ```
pub trait Task: Sync + 'static {
    /// `domain.task`.
    const NAME: &'static str;
    type Params: Params;

    fn spec() -> TaskSpec;

    fn call(&self, params: Self::Params, host: &Host) -> Result<Value, Error>;
}

/// A task without its types; every [`Task`] is one.
#[doc(hidden)]
pub trait AnyTask: Sync {
    fn name(&self) -> &'static str;
    fn describe(&self, out: &mut Object<'_>);
    fn call_any(&self, input: &str, host: &Host) -> Result<Value, Error>;
}

impl<T: Task> AnyTask for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn describe(&self, out: &mut Object<'_>) {
        T::spec().write(T::NAME, &T::Params::specs(), out);
    }

    fn call_any(&self, input: &str, host: &Host) -> Result<Value, Error> {
        self.call(T::Params::from_json(input)?, host)
    }
}
