//! Buffers across the boundary: there and back without loss, and every malformed one refused.

use arrow::array::{Float64Array, Int64Array, StringArray};

use super::*;

fn data(rows: u32, parts: &[&[u8]]) -> Buffers {
    Buffers { rows, parts: parts.iter().map(|part| part.to_vec()).collect() }
}

fn refused(dtype: &str, nullable: bool, buffers: Buffers, rows: usize) -> String {
    let error = import("volume", dtype.parse().unwrap(), nullable, buffers, rows).unwrap_err();
    assert_eq!(error.code, "invalid_buffer");
    assert!(error.message.contains("`volume`"), "{}", error.message);
    error.message
}

fn le(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn each_broken_rule_of_the_layout_is_named() {
    let number = 5_i64.to_le_bytes();
    for (dtype, rows, parts, why) in [
        ("int64", 1, vec![&number[..]], "1 parts where int64 has 2"),
        ("int64", 1, vec![&[], &number, &[]], "3 parts where int64 has 2"),
        ("utf8", 1, vec![&[], &number], "2 parts where utf8 has 3"),
        ("utf8", 1, vec![&[], &number, &[], &[]], "4 parts where utf8 has 3"),
        ("int64", 2, vec![&[], &number], "8 bytes where 2 rows need 8 each"),
        ("int64", 1, vec![&[3], &number], "bits set past the last row"),
        ("int64", 1, vec![&[1, 0], &number], "bitmap of 2 bytes where 1 rows need 1"),
        ("bool", 9, vec![&[], &[255, 2]], "bits set past the last row"),
        ("bool", 9, vec![&[], &[255]], "bitmap of 1 bytes where 9 rows need 2"),
        ("date32", 1, vec![&[], &i32::MAX.to_le_bytes()], "outside of the years"),
        ("timestamp[us,UTC]", 1, vec![&[], &i64::MIN.to_le_bytes()], "outside of the years"),
        ("decimal128(3,1)", 1, vec![&[], &1000_i128.to_le_bytes()], "more than 3 digits"),
        ("decimal128(38,0)", 1, vec![&[], &i128::MIN.to_le_bytes()], "more than 38 digits"),
        ("float64", 1, vec![&[], &[0; 7]], "7 bytes"),
    ] {
        let message = refused(dtype, true, data(rows, &parts), rows as usize);
        assert!(message.contains(why), "{dtype}: {message}");
    }
    assert!(refused("int64", true, data(1, &[&[], &number]), 2).contains("1 rows where 2 are due"));
    assert!(refused("int64", false, data(1, &[&[0], &number]), 1).contains("holds nulls"));
}

#[test]
fn text_offsets_are_checked_before_anything_is_read_through_them() {
    for (offsets, bytes, why) in [
        (le(&[0, 1]), &b"ab"[..], "end at 1 where its text has 2"),
        (le(&[0, 3]), b"ab", "end at 3"),
        (le(&[1, 2]), b"ab", "begin with 0"),
        (le(&[0]), b"", "offsets are 4 bytes"),
        (le(&[0, -1]), b"ab", "go down at row 0"),
        (le(&[0, 2]), b"\xff\xfe", "not UTF-8 at byte 0"),
        (vec![0; 7], b"", "offsets are 7 bytes"),
    ] {
        let message = refused("utf8", true, data(1, &[&[], &offsets, bytes]), 1);
        assert!(message.contains(why), "{message}");
    }
    let split = refused("utf8", true, data(2, &[&[], &le(&[0, 1, 2]), "é".as_bytes()]), 2);
    assert!(split.contains("splits a character"), "{split}");
    let down = refused("utf8", true, data(2, &[&[], &le(&[0, 2, 1]), b"ab"]), 2);
    assert!(down.contains("go down at row 1"), "{down}");
}

#[test]
fn empty_columns_have_their_first_offset() {
    assert_eq!(import("a", DataType::Utf8, false, data(0, &[&[], &le(&[0]), b""]), 0).unwrap().len(), 0);
    assert!(refused("utf8", false, data(0, &[&[], &[], b""]), 0).contains("offsets are 0 bytes"));
    assert_eq!(import("a", DataType::Int64, false, data(0, &[&[], &[]]), 0).unwrap().len(), 0);
}

#[test]
fn what_stands_under_nulls_is_forgotten() {
    let limit = [7_i128, i128::MAX].iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let decimals = import("a", "decimal128(3,1)".parse().unwrap(), true, data(2, &[&[1], &limit]), 2).unwrap();
    let out = export::export(&decimals).unwrap();
    assert_eq!(out.parts[0], [1][..]);
    assert_eq!(out.parts[1][16..], [0; 16]);
    let texts = import("a", DataType::Utf8, true, data(2, &[&[2], &le(&[0, 3, 4]), b"oldx"]), 2).unwrap();
    let out = export::export(&texts).unwrap();
    assert_eq!(out.parts, [vec![2], le(&[0, 0, 1]), b"x".to_vec()]);
    let bools = import("a", DataType::Bool, true, data(2, &[&[2], &[3]]), 2).unwrap();
    assert_eq!(export::export(&bools).unwrap().parts, [vec![2], vec![2]]);
}

#[test]
fn unaligned_buffers_are_copied_and_read_right() {
    let mut padded = vec![0; 3];
    padded.extend((0..100_i128).flat_map(i128::to_le_bytes));
    for offset in 0..3 {
        let shifted = padded[3 - offset..].to_vec().split_off(offset);
        let array = import("a", "decimal128(5,0)".parse().unwrap(), false, data(100, &[&[], &shifted]), 100).unwrap();
        assert_eq!(export::export(&array).unwrap().parts[1], shifted);
    }
}

fn batch() -> ArrowBatch {
    let schema = Schema::new(vec![
        ArrowField::new("symbol", ArrowType::Utf8, false),
        ArrowField::new("ratio", ArrowType::Float64, true),
        ArrowField::new("_line", ArrowType::Int64, false),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["A", "NAN", "TpC", "é"])),
        Arc::new(Float64Array::from(vec![Some(0.5), None, Some(f64::NAN), Some(-0.0)])),
        Arc::new(Int64Array::from(vec![2, 3, 4, 5])),
    ];
    ArrowBatch::new(RecordBatch::try_new(Arc::new(schema), columns).unwrap())
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn rows(of: &[u32]) -> Vec<u8> {
    of.iter().flat_map(|row| row.to_le_bytes()).collect()
}

/// Whatever is done to a batch before, its buffers begin at offset 0 and have zero padding.
#[test]
fn kernels_give_buffers_of_the_same_layout() {
    let batch = batch();
    let filtered = batch.filter(&[0b1110]).unwrap();
    let out = filtered.columns(&names(&["symbol", "ratio"])).unwrap();
    assert_eq!(out[0].parts, [vec![], le(&[0, 3, 6, 8]), "NANTpCé".as_bytes().to_vec()]);
    assert_eq!((out[1].rows, &out[1].parts[0][..]), (3, &[0b110][..]));
    assert_eq!(out[1].parts[1][..8], [0; 8]);
    let sliced = ArrowBatch::new(batch.batch.slice(1, 2)).columns(&names(&["symbol", "ratio"])).unwrap();
    assert_eq!(sliced[0].parts, [vec![], le(&[0, 3, 6]), b"NANTpC".to_vec()]);
    assert_eq!(sliced[1].parts[0], [0b10][..]);
    let taken = batch.take(&rows(&[3, 0, 0]), 1000).unwrap();
    assert_eq!(taken.columns(&names(&["symbol"])).unwrap()[0].parts[2], "éAA".as_bytes());
    let selected = batch.select(&names(&["_line"])).unwrap();
    assert_eq!(selected.schema().iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["_line"]);
}

#[test]
fn the_size_of_columns_is_known_before_they_are_made() {
    let batch = batch();
    let all = names(&["symbol", "ratio", "_line"]);
    let made: usize = batch.columns(&all).unwrap().iter().flat_map(|column| &column.parts).map(|part| part.len()).sum();
    assert_eq!(batch.columns_bytes(&all).unwrap(), made as u64);
}

#[test]
fn wrong_questions_have_their_own_codes() {
    let batch = batch();
    let code = |result: Result<Box<dyn TableBatch>, DataError>| result.unwrap_err().code;
    assert_eq!(batch.columns(&names(&["nope"])).unwrap_err().code, "unknown_column");
    assert_eq!(batch.columns(&names(&["ratio", "ratio"])).unwrap_err().code, "duplicate_column");
    assert_eq!(code(batch.filter(&[0b1_1111])), "invalid_buffer");
    assert_eq!(code(batch.filter(&[])), "invalid_buffer");
    assert_eq!(code(batch.take(&[0, 0, 0], 1000)), "invalid_buffer");
    assert_eq!(code(batch.take(&rows(&[4]), 1000)), "invalid_buffer");
    assert_eq!(code(batch.take(&rows(&[0; 65_537]), u64::MAX)), "limit_exceeded");
}

#[test]
fn taking_a_long_value_often_is_refused_before_it_is_made() {
    let schema = Schema::new(vec![ArrowField::new("text", ArrowType::Utf8, false)]);
    let long = StringArray::from(vec!["x".repeat(1024 * 1024)]);
    let batch = ArrowBatch::new(RecordBatch::try_new(Arc::new(schema), vec![Arc::new(long)]).unwrap());
    let error = batch.take(&rows(&[0; 60_000]), 64 * 1024 * 1024).unwrap_err();
    assert_eq!(error.code, "held_limit");
    assert!(batch.take(&rows(&[0; 3]), 4 * 1024 * 1024).is_ok());
}

#[test]
fn a_column_is_added_or_replaced_by_its_name() {
    let batch = batch();
    let field = |name: &str, dtype: &str| Field {
        name: name.to_owned(),
        dtype: dtype.to_owned(),
        nullable: true,
        details: vec![("unit".to_owned(), "shares".to_owned())],
    };
    let bools = data(4, &[&[], &[0b0101]]);
    let added = batch.with_column(&field("flag", "bool"), bools.clone()).unwrap();
    assert_eq!(added.schema()[3], field("flag", "bool"));
    let replaced = batch.with_column(&field("ratio", "bool"), bools.clone()).unwrap();
    assert_eq!(replaced.schema().len(), 3);
    assert_eq!(replaced.columns(&names(&["ratio"])).unwrap()[0].parts[1], [0b0101][..]);
    assert_eq!(batch.with_column(&field("x", "int32"), bools.clone()).unwrap_err().code, "unsupported_type");
    assert_eq!(batch.with_column(&field("x", "int64"), bools).unwrap_err().code, "invalid_buffer");
}

/// A seeded loop of nonsense: no buffer may panic, and what is taken comes out as it went in, nulls aside.
#[test]
fn random_buffers_are_refused_or_survive_a_round_trip() {
    let mut seed: u64 = 7;
    let mut next = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let types = ["bool", "int64", "float64", "utf8", "date32", "timestamp[us,UTC]", "decimal128(38,0)"];
    let mut taken = 0;
    for _ in 0..20_000 {
        let rows = next(4) as usize;
        let dtype: DataType = types[next(7) as usize].parse().unwrap();
        let sizes = match dtype {
            DataType::Bool => vec![0, rows.div_ceil(8)],
            DataType::Utf8 => vec![0, 4 * (rows + 1), next(4) as usize],
            other => vec![0, crate::schema::fixed_width(other) * rows],
        };
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for (at, size) in sizes.into_iter().enumerate() {
            let size = if at == 0 && next(2) == 0 { rows.div_ceil(8) } else { size };
            let size = if next(20) == 0 { size + 1 } else { size };
            parts.push((0..size).map(|_| if next(3) == 0 { next(8) as u8 } else { 0 }).collect());
        }
        let buffers = Buffers { rows: rows as u32, parts };
        if let Ok(array) = import("a", dtype, true, buffers.clone(), rows) {
            taken += 1;
            let out = export::export(&array).unwrap();
            if array.null_count() == 0 {
                assert_eq!(out.parts[1..], buffers.parts[1..]);
            }
            assert!(import("a", dtype, true, out.to_owned_buffers(), rows).is_ok());
        }
    }
    assert!(taken > 1000, "{taken}");
}
