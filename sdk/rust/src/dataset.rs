//! Datasets: the tables a plugin owns and writes.

use crate::columns::Columns;
use crate::manifest::DatasetSpec;

/// A table that the plugin owns, as rows to write. Made by [`dataset!`](crate::dataset!).
pub trait Dataset: Columns + Default {
    /// `domain.dataset`.
    const NAME: &'static str;

    fn spec() -> DatasetSpec;
}

/// Declares a dataset: its entry in the manifest, and a struct of typed columns that holds rows of it.
///
/// A field of type `T` is a [`Column<T>`](crate::column::Column). Doc comments become descriptions. After the columns
/// stand the natural key (rows are stored in its order), the partition columns (one partition is one of the
/// publisher's deliveries), and, if wanted, the checks that the host carries out. A version that means to change what
/// captures have already says so at the end, `migration Migration { drops: vec!["ratio"], ..Migration::default() }`.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// dataset! {
///     /// Daily volume.
///     pub struct Volumes = "demo.volumes" {
///         /// The session.
///         day: Date,
///         /// Case-sensitive.
///         symbol: Utf8,
///         volume: Decimal<18, 6> => unit("shares"),
///         ratio: Option<Float64> => unit("fraction"),
///     }
///     key [symbol, day]
///     partition_by [day]
///     host_checks [TrailerCount]
/// }
///
/// let mut rows = Volumes::default();
/// rows.day.push(18_654);
/// rows.symbol.push("GME");
/// rows.volume.push(1_500_000);
/// rows.ratio.push(None);
/// assert_eq!(Volumes::NAME, "demo.volumes");
/// assert_eq!(Volumes::spec().columns[2].unit, Some("shares"));
/// ```
///
/// A key that is no column does not compile:
///
/// ```compile_fail
/// spine_sdk::dataset! {
///     struct Wrong = "demo.wrong" { symbol: spine_sdk::column::Utf8 }
///     key [symbl]
///     partition_by [symbol]
/// }
/// ```
#[macro_export]
macro_rules! dataset {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident = $dataset:literal {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident : $type:ty $(=> $( $option:ident ( $($argument:expr),* $(,)? ) ).+ )?
            ),* $(,)?
        }
        key [ $($key:ident),* $(,)? ]
        partition_by [ $($partition:ident),* $(,)? ]
        $( host_checks [ $($check:ident),* $(,)? ] )?
        $( migration $migration:expr )?
    ) => {
        $crate::__columns_struct! {
            $(#[doc = $doc])*
            $vis struct $name { $( $(#[doc = $field_doc])* $field: $type = stringify!($field), )* }
        }

        impl $crate::Dataset for $name {
            const NAME: &'static str = $dataset;

            fn spec() -> $crate::manifest::DatasetSpec {
                $crate::manifest::DatasetSpec {
                    name: $dataset,
                    description: $crate::manifest::description(&[$($doc),*]),
                    columns: ::std::vec![
                        $(
                            $crate::manifest::ColumnSpec::new(
                                stringify!($field),
                                <$type as $crate::column::ColumnType>::DATA_TYPE,
                                <$type as $crate::column::ColumnType>::NULLABLE,
                                &[$($field_doc),*],
                            ) $( $( .$option($($argument),*) )+ )?
                        ),*
                    ],
                    key: ::std::vec![$(stringify!($key)),*],
                    partition_by: ::std::vec![$(stringify!($partition)),*],
                    host_checks: ::std::vec![$($($crate::manifest::HostCheck::$check),*)?],
                    migration: [$($migration)?].into_iter().next(),
                }
            }
        }

        const _: fn(&$name) = |rows| {
            $( let _ = &rows.$key; )*
            $( let _ = &rows.$partition; )*
        };
    };
}
