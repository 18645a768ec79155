//! Parameters of work, typed.

use serde_json::{Map, Value};
use spine_primitives::WeekEnding;
use spine_primitives::date::{self, NaiveDate};

use crate::error::Error;
use crate::manifest::{ParamSpec, ParamType};

/// The parameters of a pipeline, source or task. Made by [`params!`](crate::params!).
pub trait Params: Sized {
    fn specs() -> Vec<ParamSpec>;

    #[doc(hidden)]
    fn from_values(values: &ParamValues) -> Result<Self, Error>;

    /// Parses parameters from the text of a JSON object. The error is a usage error.
    fn from_json(text: &str) -> Result<Self, Error> {
        Self::from_values(&ParamValues::from_json(text)?)
    }
}

/// A type that a parameter may have.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// #[derive(Debug, PartialEq)]
/// enum Tier { One, Two }
///
/// impl ParamValue for Tier {
///     const TYPE: ParamType = ParamType::String;
///
///     fn parse(value: &Json) -> Result<Self, String> {
///         match value.as_str() {
///             Some("T1") => Ok(Self::One),
///             Some("T2") => Ok(Self::Two),
///             _ => Err(format!("{value} is no tier: write T1 or T2")),
///         }
///     }
/// }
/// ```
pub trait ParamValue: Sized {
    const TYPE: ParamType;
    /// Whether a value has to be given where the parameter has no default.
    const REQUIRED: bool = true;

    /// The error is a sentence without the name of the parameter.
    fn parse(value: &Value) -> Result<Self, String>;

    /// As [`ParamValue::parse`], for a type that keeps the name of its parameter.
    fn parse_named(_name: &str, value: &Value) -> Result<Self, String> {
        Self::parse(value)
    }

    /// What it is without a value; None if it needs one.
    fn absent() -> Option<Self> {
        None
    }
}

/// A file that a parameter names: the name of the pipeline's input, and of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    input: String,
    name: String,
}

impl File {
    /// The file's name without its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the input, which is that of the parameter.
    pub fn input(&self) -> &str {
        &self.input
    }
}

/// For work without parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoParams;

impl Params for NoParams {
    fn specs() -> Vec<ParamSpec> {
        Vec::new()
    }

    fn from_values(_: &ParamValues) -> Result<Self, Error> {
        Ok(Self)
    }
}

/// Declares the parameters of work: a struct, and their entries in the manifest.
///
/// A type other than `Option<...>` without a default is required. A parameter of type [`File`] is an input of the
/// pipeline: `host.read(&params.file)` reads it in the first of its formats whose header fits.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// params! {
///     pub struct Window {
///         /// How many weeks.
///         weeks: i64 => default(4),
///         /// The last week.
///         week_ending: Option<WeekEnding> => example("2025-12-26"),
///         /// How strict to be.
///         mode: String => default("strict").one_of(["strict", "lax"]),
///     }
/// }
///
/// let params = Window::from_json(r#"{"week_ending": "2025-12-26"}"#).unwrap();
/// assert_eq!((params.weeks, params.mode.as_str()), (4, "strict"));
///
/// let error = Window::from_json(r#"{"week_ending": "2025-12-25"}"#).unwrap_err();
/// assert_eq!(error.code, "bad_params");
/// assert!(error.message.contains("`week_ending`: 2025-12-25 is a Thursday"));
/// ```
#[macro_export]
macro_rules! params {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident : $type:ty
                $(=> $( $option:ident $( :: < $generic:ty > )? ( $($argument:expr),* $(,)? ) ).+ )?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $( $(#[doc = $field_doc])* $vis $field: $type, )*
        }

        impl $crate::Params for $name {
            fn specs() -> ::std::vec::Vec<$crate::manifest::ParamSpec> {
                ::std::vec![
                    $(
                        $crate::manifest::ParamSpec::of::<$type>(stringify!($field), &[$($field_doc),*])
                        $( $( .$option $( ::<$generic> )? ($($argument),*) )+ )?
                    ),*
                ]
            }

            fn from_values(
                values: &$crate::params::ParamValues,
            ) -> ::std::result::Result<Self, $crate::Error> {
                let specs = <Self as $crate::Params>::specs();
                let mut specs = specs.iter();
                ::std::result::Result::Ok(Self { $( $field: values.get(specs.next(), stringify!($field))?, )* })
            }
        }
    };
}

/// Values by name, as the host gave them.
#[derive(Clone, Debug, Default)]
pub struct ParamValues(Map<String, Value>);

impl ParamValues {
    #[doc(hidden)]
    pub fn from_json(text: &str) -> Result<Self, Error> {
        match serde_json::from_str(text) {
            Ok(Value::Object(values)) => Ok(Self(values)),
            Ok(other) => Err(Error::bad_params(format!("parameters are a JSON object, not {other}"))),
            Err(error) => Err(Error::bad_params(format!("the parameters are not JSON: {error}"))),
        }
    }

    #[doc(hidden)]
    pub fn get<T: ParamValue>(&self, spec: Option<&ParamSpec>, name: &str) -> Result<T, Error> {
        let given = self.0.get(name).filter(|value| !value.is_null());
        match given.or_else(|| spec?.default.as_ref()) {
            Some(value) => T::parse_named(name, value),
            None => T::absent().ok_or_else(|| "it is required".to_owned()),
        }
        .map_err(|why| Error::bad_params(format!("parameter `{name}`: {why}")))
    }
}

fn not_a(wanted: &str, value: &Value) -> String {
    format!("{value} is not {wanted}")
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| not_a("a string", value))
}

impl ParamValue for String {
    const TYPE: ParamType = ParamType::String;

    fn parse(value: &Value) -> Result<Self, String> {
        text(value).map(str::to_owned)
    }
}

impl ParamValue for i64 {
    const TYPE: ParamType = ParamType::Integer;

    fn parse(value: &Value) -> Result<Self, String> {
        value.as_i64().ok_or_else(|| not_a("a 64-bit integer", value))
    }
}

impl ParamValue for f64 {
    const TYPE: ParamType = ParamType::Number;

    fn parse(value: &Value) -> Result<Self, String> {
        value.as_f64().ok_or_else(|| not_a("a number", value))
    }
}

impl ParamValue for bool {
    const TYPE: ParamType = ParamType::Boolean;

    fn parse(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| not_a("true or false", value))
    }
}

impl ParamValue for NaiveDate {
    const TYPE: ParamType = ParamType::Date;

    fn parse(value: &Value) -> Result<Self, String> {
        date::parse(text(value)?).map_err(|error| error.to_string())
    }
}

impl ParamValue for WeekEnding {
    const TYPE: ParamType = ParamType::WeekEnding;

    fn parse(value: &Value) -> Result<Self, String> {
        text(value)?.parse().map_err(|error: spine_primitives::NotAWeekEnding| error.to_string())
    }
}

impl ParamValue for File {
    const TYPE: ParamType = ParamType::File;

    /// A file of the input `file`.
    fn parse(value: &Value) -> Result<Self, String> {
        Self::parse_named("file", value)
    }

    fn parse_named(name: &str, value: &Value) -> Result<Self, String> {
        let file = value.as_str().ok_or_else(|| not_a("the name of a file", value))?;
        Ok(Self { input: name.to_owned(), name: file.to_owned() })
    }
}

impl<T: ParamValue> ParamValue for Option<T> {
    const TYPE: ParamType = T::TYPE;
    const REQUIRED: bool = false;

    fn parse(value: &Value) -> Result<Self, String> {
        T::parse(value).map(Some)
    }

    fn parse_named(name: &str, value: &Value) -> Result<Self, String> {
        T::parse_named(name, value).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    params! {
        struct All {
            file: File,
            count: Option<i64>,
            ratio: f64 => default(0.5),
            flag: bool => default(false),
            day: Option<NaiveDate>,
        }
    }

    #[test]
    fn values_are_parsed_by_their_declared_type() {
        let all = All::from_json(r#"{"file":"a.txt","count":-3,"flag":true,"day":"2021-01-27","more":1}"#).unwrap();
        assert_eq!((all.file.name(), all.file.input()), ("a.txt", "file"));
        assert_eq!((all.count, all.ratio, all.flag), (Some(-3), 0.5, true));
        assert_eq!(all.day.unwrap().to_string(), "2021-01-27");
    }

    #[test]
    fn a_wrong_or_missing_value_names_its_parameter() {
        for (text, name) in [
            (r#"{}"#, "`file`"),
            (r#"{"file":7}"#, "`file`"),
            (r#"{"file":"a","count":"5"}"#, "`count`"),
            (r#"{"file":"a","count":9223372036854775808}"#, "`count`"),
            (r#"{"file":"a","day":"27.1.2021"}"#, "`day`"),
            (r#"{"file":"a","ratio":"much"}"#, "`ratio`"),
            (r#"[]"#, "object"),
            (r#"{"#, "JSON"),
        ] {
            let error = All::from_json(text).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Config, "bad_params"));
            assert!(error.message.contains(name), "{}", error.message);
        }
    }
}
