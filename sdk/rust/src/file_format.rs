//! File formats: how the host is to read a publisher's file, and what a plugin sees of it.

use crate::columns::Columns;
use crate::manifest::FormatSpec;

/// A declared file format, as rows that were read. Made by [`file_format!`](crate::file_format!).
pub trait Format: Columns + Default {
    const NAME: &'static str;

    fn spec() -> FormatSpec;
}

/// Declares a file format: its entry in the manifest, and a struct of typed columns that holds rows of such a file.
///
/// The struct has one more field, `line`: the line of the file each row came from (1 is the first line, the header).
/// The columns stand in file order. After them comes the kind of file, and a footer where the last line is not a row.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// file_format! {
///     /// Pipe-separated, with a count of lines at the end.
///     pub struct DailyFile = "daily_file" {
///         day: Date => header("Date").key().date_format("%Y%m%d"),
///         symbol: Utf8 => header("Symbol").key(),
///         volume: Option<Decimal<18, 6>> => header("Volume").nulls(["--", ""]).thousands(','),
///     }
///     delimited { delimiter: '|' }
///     footer { rule: RecordCount, required: true, required_param: "trailer" }
/// }
///
/// assert_eq!(DailyFile::spec().columns[1].header, "Symbol");
/// assert!(DailyFile::default().line.is_empty());
/// ```
///
/// Other kinds are `delimited { delimiter: ',', quote: '"', comment: "#" }`, `json { records: "data" }`, `json {}`,
/// `json_lines {}` and `parquet {}`.
#[macro_export]
macro_rules! file_format {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident = $format:literal {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident : $type:ty $(=> $( $option:ident ( $($argument:expr),* $(,)? ) ).+ )?
            ),* $(,)?
        }
        $kind:ident { $($kind_options:tt)* }
        $( footer { $($footer_options:tt)* } )?
    ) => {
        $crate::__columns_struct! {
            $(#[doc = $doc])*
            $vis struct $name {
                #[doc = "The line of the file each row came from."]
                line: $crate::column::Int64 = "_line",
                $( $(#[doc = $field_doc])* $field: $type = stringify!($field), )*
            }
        }

        impl $crate::Format for $name {
            const NAME: &'static str = $format;

            fn spec() -> $crate::manifest::FormatSpec {
                $crate::manifest::FormatSpec {
                    name: $format,
                    kind: $crate::__format_kind!($kind { $($kind_options)* }),
                    columns: ::std::vec![
                        $(
                            $crate::manifest::FileColumnSpec::new(
                                stringify!($field),
                                <$type as $crate::column::ColumnType>::DATA_TYPE,
                                <$type as $crate::column::ColumnType>::NULLABLE,
                            ) $( $( .$option($($argument),*) )+ )?
                        ),*
                    ],
                    footer: $crate::__footer!($($($footer_options)*)?),
                }
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __format_kind {
    (delimited { delimiter: $delimiter:expr $(, quote: $quote:expr)? $(, comment: $comment:expr)? $(,)? }) => {
        $crate::manifest::FormatKind::Delimited {
            delimiter: $delimiter,
            quote: $crate::__some!($($quote)?),
            comment: $crate::__some!($($comment)?),
        }
    };
    (json { $(records: $records:expr)? $(,)? }) => {
        $crate::manifest::FormatKind::Json { records: $crate::__some!($($records)?) }
    };
    (json_lines {}) => {
        $crate::manifest::FormatKind::JsonLines
    };
    (parquet {}) => {
        $crate::manifest::FormatKind::Parquet
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __footer {
    () => {
        $crate::manifest::FooterSpec::default()
    };
    (rule: $rule:ident $(, required: $required:expr)? $(, required_param: $param:expr)? $(,)?) => {
        $crate::manifest::FooterSpec {
            rule: $crate::manifest::FooterRule::$rule,
            required: $crate::__or!($($required)?, false),
            required_param: $crate::__some!($($param)?),
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __some {
    () => {
        ::std::option::Option::None
    };
    ($value:expr) => {
        ::std::option::Option::Some($value)
    };
}
