//! Rows as a struct of typed columns: any table, or a part of one.

use spine_primitives::DataType;

use crate::column::Storage;
use crate::error::Error;

/// What one column of a struct of columns is called and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    pub name: &'static str,
    pub data_type: DataType,
    pub nullable: bool,
}

/// A struct of typed columns; [`columns!`](crate::columns!), [`dataset!`](crate::dataset!) and
/// [`file_format!`](crate::file_format!) write it.
pub trait Columns: Sized {
    const COLUMNS: &'static [ColumnInfo];

    #[doc(hidden)]
    fn from_storages(storages: Vec<Storage>) -> Result<Self, Error>;
    #[doc(hidden)]
    fn into_storages(self) -> Vec<Storage>;
}

/// Declares a struct of typed columns: a projection of any table.
///
/// Only the named columns cross the boundary when it is read. `=> named("...")` says what the table calls a column
/// where the field has another name, as with `_line`, the input line of each row.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// columns! {
///     /// What the check looks at.
///     pub struct Volumes {
///         line: Int64 => named("_line"),
///         short_volume: Decimal<18, 6>,
///         short_exempt_volume: Option<Decimal<18, 6>>,
///     }
/// }
///
/// let volumes = Volumes { line: Column::repeat(2, 1), ..Volumes::default() };
/// assert_eq!(volumes.line.get(0), 2);
/// ```
#[macro_export]
macro_rules! columns {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $field_doc:literal])* $field:ident : $type:ty $(=> named($column:literal))? ),* $(,)?
        }
    ) => {
        $crate::__columns_struct! {
            $(#[doc = $doc])*
            $vis struct $name { $( $(#[doc = $field_doc])* $field: $type = $crate::__or!($($column)?, stringify!($field)), )* }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __or {
    (, $default:expr) => {
        $default
    };
    ($given:expr, $default:expr) => {
        $given
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __columns_struct {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $field_doc:literal])* $field:ident : $type:ty = $column:expr, )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        $vis struct $name {
            $( $(#[doc = $field_doc])* $vis $field: $crate::column::Column<$type>, )*
        }

        impl $crate::Columns for $name {
            const COLUMNS: &'static [$crate::ColumnInfo] = &[
                $( $crate::ColumnInfo {
                    name: $column,
                    data_type: <$type as $crate::column::ColumnType>::DATA_TYPE,
                    nullable: <$type as $crate::column::ColumnType>::NULLABLE,
                }, )*
            ];

            fn from_storages(
                storages: ::std::vec::Vec<$crate::column::Storage>,
            ) -> ::std::result::Result<Self, $crate::Error> {
                let mut storages = storages.into_iter();
                ::std::result::Result::Ok(Self {
                    $( $field: $crate::column::Column::checked($column, storages.next().unwrap_or_default())?, )*
                })
            }

            fn into_storages(self) -> ::std::vec::Vec<$crate::column::Storage> {
                ::std::vec![ $( self.$field.into_storage(), )* ]
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    columns! {
        struct Pair { line: Int64 => named("_line"), symbol: Option<Utf8> }
    }

    #[test]
    fn a_struct_of_columns_knows_its_names_types_and_nulls() {
        let [line, symbol] = Pair::COLUMNS else { panic!("two columns") };
        assert_eq!((line.name, line.data_type, line.nullable), ("_line", DataType::Int64, false));
        assert_eq!((symbol.name, symbol.data_type, symbol.nullable), ("symbol", DataType::Utf8, true));
    }

    #[test]
    fn columns_come_back_in_the_order_of_the_fields() {
        let pair = Pair { line: [2, 3].into_iter().collect(), symbol: [Some("A"), None].into_iter().collect() };
        assert_eq!(Pair::from_storages(pair.clone().into_storages()).unwrap(), pair);
    }
}
