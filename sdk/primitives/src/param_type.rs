//! The types that a parameter of work may have, and their names in a manifest.

use std::fmt;
use std::str::FromStr;

/// The type of one parameter. Text from a command line is parsed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    String,
    Integer,
    Number,
    Boolean,
    Date,
    /// A Friday, as a date: what a publisher's week is named by.
    WeekEnding,
    /// A path on the caller's machine; the guest sees the name of the file only.
    File,
}

impl ParamType {
    pub const ALL: [Self; 7] =
        [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::Date, Self::WeekEnding, Self::File];

    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::WeekEnding => "week_ending",
            Self::File => "file",
        }
    }
}

impl fmt::Display for ParamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no type of parameter has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownParamType(pub String);

impl fmt::Display for UnknownParamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown type of parameter `{}`: use {}", self.0, ParamType::ALL.map(ParamType::name).join(", "))
    }
}

impl std::error::Error for UnknownParamType {}

impl FromStr for ParamType {
    type Err = UnknownParamType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|it| it.name() == name).ok_or_else(|| UnknownParamType(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round_trip_and_nonsense_is_refused() {
        for param_type in ParamType::ALL {
            assert_eq!(param_type.to_string().parse(), Ok(param_type));
        }
        let error = "text".parse::<ParamType>().unwrap_err().to_string();
        assert!(error.contains("`text`") && error.contains("week_ending"), "{error}");
    }
}
