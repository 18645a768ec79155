//! One column being read: words of a file become typed values by the rules the format declares for it.
//!
//! What a word means is never guessed from the word: `NAN`, `TRUE`, `ON` and `E` are symbols in a text column, and a
//! word means null only in a column that lists it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;
use model::DataType;
use model::manifest::FormatColumn;

use super::moment::{DateFormat, timestamp};
use super::number;

/// Why a value is not one of its column.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadValue {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    spec: Arc<FormatColumn>,
    dates: DateFormat,
    /// The rows of most files share a date: its text and its day.
    last_date: (Vec<u8>, i32),
    values: Values,
    /// Rows that are null, ascending.
    nulls: Vec<usize>,
}

#[derive(Debug)]
enum Values {
    Bool(Vec<bool>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
    Utf8 { offsets: Vec<i32>, bytes: Vec<u8> },
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
    Decimal { values: Vec<i128>, precision: u8, scale: u8 },
}

/// A value as a JSON document writes it.
pub(crate) enum JsonValue<'a> {
    Null,
    Bool(bool),
    /// The digits as they stand.
    Number(&'a str),
    Text(&'a str),
    /// An array or an object.
    Nested,
}

impl ColumnBuilder {
    pub(crate) fn new(spec: Arc<FormatColumn>, rows: usize) -> Self {
        let values = match spec.data_type {
            DataType::Bool => Values::Bool(Vec::with_capacity(rows)),
            DataType::Int64 => Values::Int64(Vec::with_capacity(rows)),
            DataType::Float64 => Values::Float64(Vec::with_capacity(rows)),
            DataType::Utf8 => {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                Values::Utf8 { offsets, bytes: Vec::with_capacity(rows * 8) }
            }
            DataType::Date => Values::Date(Vec::with_capacity(rows)),
            DataType::Timestamp => Values::Timestamp(Vec::with_capacity(rows)),
            DataType::Decimal { precision, scale } => {
                Values::Decimal { values: Vec::with_capacity(rows), precision, scale }
            }
        };
        let dates = DateFormat::new(spec.date_format.as_deref());
        Self { spec, dates, last_date: (Vec::new(), 0), values, nulls: Vec::new() }
    }

    /// Adds a value as a text file writes it.
    pub(crate) fn push_text(&mut self, field: &[u8]) -> Result<(), BadValue> {
        let value = if self.spec.trim { field.trim_ascii() } else { field };
        if self.spec.nulls.iter().any(|word| word.as_bytes() == value) {
            return self.push_null();
        }
        if self.spec.key && value.trim_ascii().is_empty() {
            return Err(self.blank());
        }
        if let Values::Utf8 { offsets, bytes } = &mut self.values {
            if let Some(why) = self.spec.too_long(value) {
                return Err(self.bad(&String::from_utf8_lossy(value), &why));
            }
            bytes.extend_from_slice(value);
            return match i32::try_from(bytes.len()) {
                Ok(end) => {
                    offsets.push(end);
                    Ok(())
                }
                Err(_) => Err(self.bad("", "is longer than a column may be")),
            };
        }
        if value.is_empty() {
            return Err(self.bad("", "is empty, and the column has no empty value"));
        }
        if let Some(separator) = self.spec.thousands
            && let Ok(text) = str::from_utf8(value)
            && text.contains(separator)
        {
            let plain = number::without_thousands(text, separator).map_err(|why| self.bad(text, &why))?;
            return self.push_word(plain.as_bytes()).map_err(|why| self.bad(text, &why));
        }
        self.push_word(value).map_err(|why| self.bad(&String::from_utf8_lossy(value), &why))
    }

    /// Adds a value as JSON writes it. A number or a text may stand for a number; a truth value only for itself.
    pub(crate) fn push_json(&mut self, value: &JsonValue<'_>) -> Result<(), BadValue> {
        match (value, &mut self.values) {
            (JsonValue::Null, _) => self.push_null(),
            (JsonValue::Text(text), _) => self.push_text(text.as_bytes()),
            (JsonValue::Bool(value), Values::Bool(values)) => {
                values.push(*value);
                Ok(())
            }
            (JsonValue::Number(text), Values::Utf8 { .. } | Values::Float64(_)) => self.push_text(text.as_bytes()),
            (JsonValue::Number(text), Values::Decimal { .. }) => {
                let plain = number::without_exponent(text).ok_or_else(|| self.bad(text, "is too large"))?;
                self.push_text(plain.as_bytes())
            }
            (JsonValue::Number(text), Values::Int64(_)) => {
                let plain = number::without_exponent(text).ok_or_else(|| self.bad(text, "is too large"))?;
                // `5.0` is a whole number that passed through a float on its way.
                let whole = plain.split_once('.').filter(|(_, fraction)| fraction.bytes().all(|digit| digit == b'0'));
                self.push_text(whole.map_or(plain.as_str(), |(whole, _)| whole).as_bytes())
            }
            (JsonValue::Number(text), Values::Date(_) | Values::Timestamp(_)) => self.push_text(text.as_bytes()),
            (JsonValue::Number(text), Values::Bool(_)) => Err(self.bad(text, "is a number, not true or false")),
            (JsonValue::Bool(value), _) => {
                Err(self.bad(&value.to_string(), "is true or false, not a value of its type"))
            }
            (JsonValue::Nested, _) => Err(self.bad("", "is an array or an object")),
        }
    }

    /// A word that is not null, of a column that is not text.
    fn push_word(&mut self, word: &[u8]) -> Result<(), String> {
        match &mut self.values {
            Values::Bool(values) => values.push(match word {
                b"1" => true,
                b"0" => false,
                _ if word.eq_ignore_ascii_case(b"true") => true,
                _ if word.eq_ignore_ascii_case(b"false") => false,
                _ => return Err("is not true or false".to_owned()),
            }),
            Values::Int64(values) => values.push(number::int64(word)?),
            Values::Float64(values) => values.push(number::float64(word)?),
            Values::Decimal { values, precision, scale } => values.push(number::decimal(word, *precision, *scale)?),
            Values::Date(values) => {
                if self.last_date.0 != word {
                    let day = self.dates.date(word)?;
                    self.last_date.0.clear();
                    self.last_date.0.extend_from_slice(word);
                    self.last_date.1 = day;
                }
                values.push(self.last_date.1);
            }
            Values::Timestamp(values) => {
                let text = str::from_utf8(word).map_err(|_| "is not UTF-8".to_owned())?;
                values.push(timestamp(text, self.spec.date_format.as_deref())?);
            }
            // Text columns take every word as it is, before they come here.
            Values::Utf8 { .. } => return Err("is not text".to_owned()),
        }
        Ok(())
    }

    pub(crate) fn push_null(&mut self) -> Result<(), BadValue> {
        if self.spec.key {
            return Err(self.blank());
        }
        if !self.spec.nullable {
            return Err(self.bad("", "is missing, and every row must have it"));
        }
        self.nulls.push(self.len());
        match &mut self.values {
            Values::Bool(values) => values.push(false),
            Values::Int64(values) | Values::Timestamp(values) => values.push(0),
            Values::Float64(values) => values.push(0.0),
            Values::Utf8 { offsets, .. } => offsets.push(offsets.last().copied().unwrap_or(0)),
            Values::Date(values) => values.push(0),
            Values::Decimal { values, .. } => values.push(0),
        }
        Ok(())
    }

    fn blank(&self) -> BadValue {
        let message = format!("column `{}` is blank, and it is part of the key", self.spec.header);
        BadValue { code: "blank_key", message }
    }

    fn bad(&self, value: &str, why: &str) -> BadValue {
        let shown: String = value.chars().take(60).collect();
        let shown = if shown.is_empty() { shown } else { format!(" `{shown}`") };
        BadValue { code: "bad_field", message: format!("column `{}`:{shown} {why}", self.spec.header) }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.values {
            Values::Bool(values) => values.len(),
            Values::Int64(values) | Values::Timestamp(values) => values.len(),
            Values::Float64(values) => values.len(),
            Values::Utf8 { offsets, .. } => offsets.len() - 1,
            Values::Date(values) => values.len(),
            Values::Decimal { values, .. } => values.len(),
        }
    }

    /// Forgets the rows from `rows` on: those of a line that turned out to be none.
    pub(crate) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Bool(values) => values.truncate(rows),
            Values::Int64(values) | Values::Timestamp(values) => values.truncate(rows),
            Values::Float64(values) => values.truncate(rows),
            Values::Utf8 { offsets, bytes } => {
                offsets.truncate(rows + 1);
                bytes.truncate(offsets.last().and_then(|&end| usize::try_from(end).ok()).unwrap_or(0));
            }
            Values::Date(values) => values.truncate(rows),
            Values::Decimal { values, .. } => values.truncate(rows),
        }
        while self.nulls.last().is_some_and(|&row| row >= rows) {
            self.nulls.pop();
        }
    }

    pub(crate) fn finish(self) -> Result<ArrayRef, ArrowError> {
        let rows = self.len();
        let nulls = (!self.nulls.is_empty()).then(|| {
            let mut valid = vec![true; rows];
            self.nulls.iter().for_each(|&row| valid[row] = false);
            NullBuffer::from(valid)
        });
        Ok(match self.values {
            Values::Bool(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            Values::Int64(values) => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            Values::Float64(values) => Arc::new(Float64Array::try_new(values.into(), nulls)?),
            Values::Utf8 { offsets, bytes } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls)?)
            }
            Values::Date(values) => Arc::new(Date32Array::try_new(values.into(), nulls)?),
            Values::Timestamp(values) => {
                Arc::new(TimestampMicrosecondArray::try_new(values.into(), nulls)?.with_timezone("UTC"))
            }
            Values::Decimal { values, precision, scale } => {
                let scale = i8::try_from(scale).unwrap_or(i8::MAX);
                Arc::new(Decimal128Array::try_new(values.into(), nulls)?.with_precision_and_scale(precision, scale)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    fn column(data_type: &str) -> FormatColumn {
        FormatColumn {
            header: "H".to_owned(),
            name: "h".to_owned(),
            data_type: data_type.parse().unwrap(),
            nullable: true,
            key: false,
            nulls: Vec::new(),
            date_format: None,
            trim: false,
            thousands: None,
            max_chars: None,
        }
    }

    fn builder(spec: FormatColumn) -> ColumnBuilder {
        ColumnBuilder::new(Arc::new(spec), 4)
    }

    #[test]
    fn symbols_that_look_like_values_of_other_types_stay_symbols() {
        let mut symbols = builder(column("utf8"));
        for symbol in ["NAN", "TRUE", "ON", "E", "NA", "null", "TpC", "TPC", ""] {
            symbols.push_text(symbol.as_bytes()).unwrap();
        }
        let array = symbols.finish().unwrap();
        assert_eq!(array.null_count(), 0);
        let read: Vec<_> = array.as_string::<i32>().iter().map(Option::unwrap).collect();
        assert_eq!(read, ["NAN", "TRUE", "ON", "E", "NA", "null", "TpC", "TPC", ""]);
    }

    #[test]
    fn null_words_belong_to_their_column() {
        let spec =
            FormatColumn { nulls: vec!["--".to_owned(), String::new()], trim: true, ..column("decimal128(18,4)") };
        let mut numbers = builder(spec);
        for word in ["--", "", " -- ", "+0.01 "] {
            numbers.push_text(word.as_bytes()).unwrap();
        }
        assert_eq!(numbers.push_text(b"NA").unwrap_err().code, "bad_field");
        let array = numbers.finish().unwrap();
        assert_eq!((array.len(), array.null_count()), (4, 3));
        assert_eq!(array.as_primitive::<arrow::datatypes::Decimal128Type>().value(3), 100);
    }

    #[test]
    fn a_text_is_as_long_as_its_column_takes_counted_in_characters_and_without_what_is_trimmed() {
        let spec =
            FormatColumn { max_chars: Some(5), trim: true, nulls: vec!["no value".to_owned()], ..column("utf8") };
        let mut symbols = builder(spec);
        for fits in ["ABRpD", "ÄÖÜßé", "  ABRpD  ", "no value"] {
            symbols.push_text(fits.as_bytes()).unwrap();
        }
        let bad = symbols.push_text(b"ABRpDx").unwrap_err();
        assert_eq!(bad.code, "bad_field");
        for expected in ["column `H`", "`ABRpDx`", "longer than 5 characters", "`max_chars`"] {
            assert!(bad.message.contains(expected), "{}", bad.message);
        }
        assert_eq!(symbols.push_json(&JsonValue::Number("1234567")).unwrap_err().code, "bad_field");
        let mut notes = builder(column("utf8"));
        notes.push_text(&[b'x'; 4_096]).unwrap();
        let bad = notes.push_text(&vec![b'x'; 10 << 20]).unwrap_err();
        assert!(bad.message.len() < 300 && bad.message.contains("4096"), "{}", bad.message);
    }

    #[test]
    fn blank_keys_are_told_from_bad_fields() {
        let key = FormatColumn { key: true, nullable: false, ..column("utf8") };
        assert_eq!(builder(key.clone()).push_text(b"  ").unwrap_err().code, "blank_key");
        assert_eq!(builder(key.clone()).push_text(b"").unwrap_err().code, "blank_key");
        assert_eq!(builder(key).push_null().unwrap_err().code, "blank_key");
        let plain = FormatColumn { nullable: false, ..column("int64") };
        assert_eq!(builder(plain.clone()).push_text(b"").unwrap_err().code, "bad_field");
        assert_eq!(builder(plain).push_null().unwrap_err().code, "bad_field");
    }

    #[test]
    fn day_first_dates_and_thousands_are_read_as_declared() {
        let spec = FormatColumn { date_format: Some("%d/%m/%Y".to_owned()), trim: true, ..column("date32") };
        let mut dates = builder(spec);
        dates.push_text(b" 01/08/2023").unwrap();
        dates.push_text(b" 01/08/2023").unwrap();
        assert!(dates.push_text(b" 13/13/2023").is_err());
        dates.push_text(b"31/07/2023").unwrap();
        let array = dates.finish().unwrap();
        let days = array.as_primitive::<arrow::datatypes::Date32Type>().values().to_vec();
        assert_eq!(days, [19_570, 19_570, 19_569]);
        let mut cap = builder(FormatColumn { thousands: Some(','), ..column("int64") });
        cap.push_text(b"168,143").unwrap();
        assert!(cap.push_text(b"1,5").unwrap_err().message.contains("thousands"));
        assert_eq!(cap.finish().unwrap().as_primitive::<arrow::datatypes::Int64Type>().values(), &[168_143]);
    }

    #[test]
    fn a_row_that_is_taken_back_leaves_no_trace() {
        let mut texts = builder(column("utf8"));
        texts.push_text(b"one").unwrap();
        texts.push_null().unwrap();
        texts.push_text(b"three").unwrap();
        texts.truncate(1);
        texts.push_text(b"two").unwrap();
        let array = texts.finish().unwrap();
        assert_eq!(array.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("one"), Some("two")]);
    }

    #[test]
    fn json_values_keep_their_exact_digits_and_their_kind() {
        let mut numbers = builder(column("decimal128(18,6)"));
        numbers.push_json(&JsonValue::Number("1.0299")).unwrap();
        numbers.push_json(&JsonValue::Number("1e-6")).unwrap();
        numbers.push_json(&JsonValue::Text("2.5")).unwrap();
        numbers.push_json(&JsonValue::Null).unwrap();
        assert!(numbers.push_json(&JsonValue::Number("1e-7")).is_err());
        assert!(numbers.push_json(&JsonValue::Bool(true)).is_err());
        let array = numbers.finish().unwrap();
        let values = array.as_primitive::<arrow::datatypes::Decimal128Type>().values().to_vec();
        assert_eq!(values, [1_029_900, 1, 2_500_000, 0]);
        let mut whole = builder(column("int64"));
        whole.push_json(&JsonValue::Number("5.0")).unwrap();
        assert!(whole.push_json(&JsonValue::Number("5.5")).is_err());
        assert!(builder(column("utf8")).push_json(&JsonValue::Bool(true)).is_err());
    }
}
