//! The bytes of one column, kept exactly as they cross the boundary, and the only code that knows that layout.
//!
//! Reads are safe on any alignment: values are assembled from byte arrays, which costs nothing on the machines that
//! matter. No unsafe code.

use spine_primitives::DataType;

use crate::error::Error;

/// Raw Arrow buffers of one column of one batch, as `wit/tables.wit` lays them out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    pub rows: u32,
    pub parts: Vec<Vec<u8>>,
}

/// Values of any one column type. What `values` holds depends on the type: fixed-width values, a bitmap for
/// booleans, 32-bit offsets into `text` for strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    rows: usize,
    /// A bitmap, 1 = valid; empty if nothing is null.
    validity: Vec<u8>,
    values: Vec<u8>,
    text: String,
}

/// Bytes of one value; None for types that have no width.
pub(crate) const fn width(data_type: DataType) -> Option<usize> {
    match data_type {
        DataType::Bool | DataType::Utf8 => None,
        DataType::Date => Some(4),
        DataType::Int64 | DataType::Float64 | DataType::Timestamp => Some(8),
        DataType::Decimal { .. } => Some(16),
    }
}

impl Storage {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn reserve(&mut self, data_type: DataType, rows: usize) {
        match (width(data_type), data_type) {
            (Some(width), _) => self.values.reserve(rows.saturating_mul(width)),
            (None, DataType::Bool) => self.values.reserve(rows.div_ceil(8)),
            (None, _) => self.values.reserve(rows.saturating_add(1).saturating_mul(4)),
        }
    }

    pub(crate) fn null_count(&self) -> usize {
        if self.validity.is_empty() { 0 } else { self.rows - ones(&self.validity) }
    }

    pub(crate) fn first_null(&self) -> Option<usize> {
        if self.validity.is_empty() { None } else { (0..self.rows).find(|&row| !self.is_valid(row)) }
    }

    pub(crate) fn is_valid(&self, row: usize) -> bool {
        self.validity.is_empty() || bit(&self.validity, row)
    }

    /// Bytes this column takes at the boundary.
    pub(crate) fn bytes(&self) -> usize {
        self.validity.len() + self.values.len() + self.text.len()
    }

    pub(crate) fn fixed<const W: usize>(&self, row: usize) -> [u8; W] {
        self.values.as_chunks::<W>().0[row]
    }

    #[inline]
    pub(crate) fn all_fixed<const W: usize>(&self) -> &[[u8; W]] {
        self.values.as_chunks::<W>().0
    }

    #[inline]
    pub(crate) fn validity(&self) -> &[u8] {
        &self.validity
    }

    /// A column of values of a fixed width, none of them null.
    #[inline]
    pub(crate) fn of_fixed<const W: usize>(values: Vec<[u8; W]>) -> Self {
        Self { rows: values.len(), values: values.into_flattened(), ..Self::default() }
    }

    /// The same values, some of them null. What is null holds nothing: zeros, or no text.
    pub(crate) fn with_validity(self, validity: Validity) -> Self {
        Self { validity: validity.into_bits(), ..self }
    }

    pub(crate) fn boolean(&self, row: usize) -> bool {
        assert!(row < self.rows, "row {row} of a column of {} rows", self.rows);
        bit(&self.values, row)
    }

    pub(crate) fn str(&self, row: usize) -> &str {
        assert!(row < self.rows, "row {row} of a column of {} rows", self.rows);
        let offsets = self.values.as_chunks::<4>().0;
        let (start, end) = (u32::from_le_bytes(offsets[row]), u32::from_le_bytes(offsets[row + 1]));
        // Offsets on character boundaries were checked when the buffers came in, so this finds the text always.
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The texts of all rows, one after the other.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn push_fixed<const W: usize>(&mut self, value: [u8; W]) {
        self.values.extend_from_slice(&value);
        self.end_row(true);
    }

    pub(crate) fn push_bool(&mut self, value: bool) {
        push_bit(&mut self.values, self.rows, value);
        self.end_row(true);
    }

    pub(crate) fn push_str(&mut self, value: &str) {
        if self.values.is_empty() {
            self.values.extend_from_slice(&[0; 4]);
        }
        self.text.push_str(value);
        // Past 2 GiB the offset no longer fits; `into_buffers` refuses such a column.
        self.values.extend_from_slice(&u32::try_from(self.text.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.end_row(true);
    }

    pub(crate) fn push_null(&mut self, data_type: DataType) {
        match data_type {
            DataType::Bool => push_bit(&mut self.values, self.rows, false),
            DataType::Date => self.values.extend_from_slice(&[0; 4]),
            DataType::Int64 | DataType::Float64 | DataType::Timestamp => self.values.extend_from_slice(&[0; 8]),
            DataType::Decimal { .. } => self.values.extend_from_slice(&[0; 16]),
            DataType::Utf8 => match self.values.last_chunk::<4>().copied() {
                Some(end) => self.values.extend_from_slice(&end),
                None => self.values.extend_from_slice(&[0; 8]),
            },
        }
        self.end_row(false);
    }

    #[inline]
    fn end_row(&mut self, valid: bool) {
        if !valid && self.validity.is_empty() {
            self.validity = all_ones(self.rows);
        }
        if !(valid && self.validity.is_empty()) {
            push_bit(&mut self.validity, self.rows, valid);
        }
        self.rows += 1;
    }

    /// The values of `rows`, in that order. A row past the end panics.
    pub(crate) fn gather(&self, data_type: DataType, rows: impl Iterator<Item = usize>) -> Self {
        let mut out = Self::default();
        out.reserve(data_type, rows.size_hint().0);
        for row in rows {
            match data_type {
                _ if !self.is_valid(row) => out.push_null(data_type),
                DataType::Bool => out.push_bool(self.boolean(row)),
                DataType::Utf8 => out.push_str(self.str(row)),
                DataType::Date => out.push_fixed::<4>(self.fixed(row)),
                DataType::Int64 | DataType::Float64 | DataType::Timestamp => out.push_fixed::<8>(self.fixed(row)),
                DataType::Decimal { .. } => out.push_fixed::<16>(self.fixed(row)),
            }
        }
        out
    }

    /// Adds the rows of `other`, a column of the same type.
    pub(crate) fn append(&mut self, data_type: DataType, other: &Self) {
        let plain = self.validity.is_empty() && other.validity.is_empty() && width(data_type).is_some();
        if self.rows == 0 {
            self.clone_from(other);
        } else if plain {
            self.values.extend_from_slice(&other.values);
            self.rows += other.rows;
        } else {
            self.reserve(data_type, other.rows);
            for row in 0..other.rows {
                match data_type {
                    _ if !other.is_valid(row) => self.push_null(data_type),
                    DataType::Bool => self.push_bool(other.boolean(row)),
                    DataType::Utf8 => self.push_str(other.str(row)),
                    DataType::Date => self.push_fixed::<4>(other.fixed(row)),
                    DataType::Int64 | DataType::Float64 | DataType::Timestamp => self.push_fixed::<8>(other.fixed(row)),
                    DataType::Decimal { .. } => self.push_fixed::<16>(other.fixed(row)),
                }
            }
        }
    }

    /// Takes over buffers that came across the boundary. Nothing is copied; text is validated once, here.
    pub(crate) fn from_buffers(data_type: DataType, buffers: Buffers) -> Result<Self, Error> {
        let rows = buffers.rows as usize;
        let wrong = |what: &str| {
            Error::internal("invalid_buffer", format!("the host sent a {data_type} column of {rows} rows {what}"))
        };
        let mut parts = buffers.parts.into_iter();
        let mut part = || parts.next().ok_or_else(|| wrong("with too few buffers"));
        let mut validity = part()?;
        if !validity.is_empty() && validity.len() != rows.div_ceil(8) {
            return Err(wrong("with a validity bitmap of another length"));
        }
        if ones(&validity) == rows {
            validity = Vec::new();
        }
        let values = part()?;
        let expected = match width(data_type) {
            Some(width) => rows * width,
            None if data_type == DataType::Bool => rows.div_ceil(8),
            None => (rows + 1) * 4,
        };
        if values.len() != expected {
            return Err(wrong("with values of another length"));
        }
        let mut text = String::new();
        if data_type == DataType::Utf8 {
            text = String::from_utf8(part()?).map_err(|_| wrong("whose text is not UTF-8"))?;
            if !offsets_fit(values.as_chunks::<4>().0, &text) {
                return Err(wrong("with offsets that do not fit its text"));
            }
        }
        Ok(Self { rows, validity, values, text })
    }

    /// Gives the buffers away as they cross the boundary. Nothing is copied.
    pub(crate) fn into_buffers(self, data_type: DataType) -> Result<Buffers, Error> {
        let too_large = || Error::pipeline("limit_exceeded", format!("a column of {} rows is too large", self.rows));
        let rows = u32::try_from(self.rows).map_err(|_| too_large())?;
        let mut parts = vec![self.validity, self.values];
        if data_type == DataType::Utf8 {
            if i32::try_from(self.text.len()).is_err() {
                return Err(Error::pipeline("limit_exceeded", "a text column of one batch holds more than 2 GiB"));
            }
            if parts[1].is_empty() {
                parts[1] = vec![0; 4];
            }
            parts.push(self.text.into_bytes());
        }
        Ok(Buffers { rows, parts })
    }
}

/// Whether these offsets go up and end within the text, on boundaries of characters.
fn offsets_fit(offsets: &[[u8; 4]], text: &str) -> bool {
    let offset = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
    let (mut before, mut up) = (0, true);
    // No way out in the middle: it costs more than going on.
    for at in offsets.iter().map(offset) {
        up &= at >= before;
        before = at;
    }
    let within = up && before as usize <= text.len();
    // In ASCII every place is a boundary.
    within && (text.is_ascii() || offsets.iter().all(|at| text.is_char_boundary(offset(at) as usize)))
}

/// Collects which values are there.
#[derive(Debug, Default)]
pub(crate) struct Validity {
    bits: Vec<u8>,
    rows: usize,
    last: u8,
    nulls: bool,
}

impl Validity {
    #[inline]
    pub(crate) fn push(&mut self, valid: bool) {
        self.last |= u8::from(valid) << (self.rows % 8);
        self.nulls |= !valid;
        self.rows += 1;
        if self.rows.is_multiple_of(8) {
            self.bits.push(std::mem::take(&mut self.last));
        }
    }

    /// Nothing if nothing is null.
    fn into_bits(mut self) -> Vec<u8> {
        if !self.nulls {
            return Vec::new();
        }
        if !self.rows.is_multiple_of(8) {
            self.bits.push(self.last);
        }
        self.bits
    }
}

/// Packs flags into a bitmap, least significant bit first.
pub(crate) fn bitmap(flags: &[bool]) -> Vec<u8> {
    let mut bits = Vec::with_capacity(flags.len().div_ceil(8));
    flags.iter().enumerate().for_each(|(row, &flag)| push_bit(&mut bits, row, flag));
    bits
}

#[inline]
pub(crate) fn bit(bits: &[u8], row: usize) -> bool {
    bits[row / 8] >> (row % 8) & 1 == 1
}

fn push_bit(bits: &mut Vec<u8>, row: usize, value: bool) {
    if row.is_multiple_of(8) {
        bits.push(0);
    }
    bits[row / 8] |= u8::from(value) << (row % 8);
}

fn all_ones(rows: usize) -> Vec<u8> {
    let mut bits = vec![u8::MAX; rows / 8];
    if !rows.is_multiple_of(8) {
        bits.push((1 << (rows % 8)) - 1);
    }
    bits
}

fn ones(bits: &[u8]) -> usize {
    bits.iter().map(|byte| byte.count_ones() as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(values: &[Option<&str>]) -> Storage {
        let mut storage = Storage::default();
        for value in values {
            match value {
                Some(value) => storage.push_str(value),
                None => storage.push_null(DataType::Utf8),
            }
        }
        storage
    }

    #[test]
    fn text_has_one_offset_more_than_rows_also_when_empty() {
        let buffers = Storage::default().into_buffers(DataType::Utf8).unwrap();
        assert_eq!(buffers, Buffers { rows: 0, parts: vec![vec![], vec![0; 4], vec![]] });
        let buffers = text(&[None, Some("é"), Some("")]).into_buffers(DataType::Utf8).unwrap();
        assert_eq!(buffers.parts[0], [0b110]);
        assert_eq!(buffers.parts[1], [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(buffers.parts[2], "é".as_bytes());
    }

    #[test]
    fn a_null_in_the_ninth_row_starts_a_second_validity_byte_with_zero_padding() {
        let mut storage = Storage::default();
        (0..8).for_each(|_| storage.push_fixed(7_i64.to_le_bytes()));
        storage.push_null(DataType::Int64);
        storage.push_fixed(7_i64.to_le_bytes());
        let buffers = storage.into_buffers(DataType::Int64).unwrap();
        assert_eq!(buffers.parts[0], [0xff, 0b10]);
        assert_eq!(buffers.parts[1][64..72], [0; 8], "the value under a null is zero");
    }

    #[test]
    fn buffers_survive_a_round_trip_and_a_full_validity_bitmap_means_no_nulls() {
        let before = text(&[Some("a"), None, Some("bc")]);
        let after = Storage::from_buffers(DataType::Utf8, before.clone().into_buffers(DataType::Utf8).unwrap());
        assert_eq!(after.unwrap(), before);
        let full = Buffers { rows: 2, parts: vec![vec![0b11], vec![0; 16]] };
        assert_eq!(Storage::from_buffers(DataType::Int64, full).unwrap().null_count(), 0);
    }

    #[test]
    fn buffers_that_do_not_fit_are_errors() {
        let offsets = |list: &[u32]| list.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>();
        for (data_type, parts) in [
            (DataType::Int64, vec![vec![]]),
            (DataType::Int64, vec![vec![], vec![0; 15]]),
            (DataType::Int64, vec![vec![1, 1], vec![0; 16]]),
            (DataType::Bool, vec![vec![], vec![]]),
            (DataType::Utf8, vec![vec![], vec![0; 8], vec![]]),
            (DataType::Utf8, vec![vec![], offsets(&[0, 2, 1]), b"ab".to_vec()]),
            (DataType::Utf8, vec![vec![], offsets(&[0, 1, 9]), b"ab".to_vec()]),
            (DataType::Utf8, vec![vec![], offsets(&[0, 1, 2]), "é".into()]),
            (DataType::Utf8, vec![vec![], offsets(&[0, 1, 2]), vec![0xff, 0xff]]),
        ] {
            let error = Storage::from_buffers(data_type, Buffers { rows: 2, parts }).unwrap_err();
            assert_eq!(error.code, "invalid_buffer");
        }
    }

    #[test]
    fn appending_and_gathering_agree_for_every_type() {
        for data_type in [
            DataType::Bool,
            DataType::Int64,
            DataType::Float64,
            DataType::Utf8,
            DataType::Date,
            DataType::Timestamp,
            DataType::Decimal { precision: 18, scale: 6 },
        ] {
            let mut nulls = Storage::default();
            (0..11).for_each(|_| nulls.push_null(data_type));
            let mut twice = nulls.clone();
            twice.append(data_type, &nulls);
            assert_eq!(twice, nulls.gather(data_type, (0..11).chain(0..11)));
            assert_eq!(twice.null_count(), 22);
        }
    }
}
