//! Whole files through the readers: the publishers' traps in small.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, Int64Type};
use model::limits::Limits;
use model::manifest::FileFormat;
use model::ports::KeptInput;
use model::reject::Reject;

use super::*;
use crate::inputs::digest;
use crate::rejects::tests::collector;

const REGSHO: &str = r#"{"name":"six","kind":"delimited","delimiter":"|","columns":[
    {"header":"Date","name":"trade_date","type":"date32","key":true,"date_format":"%Y%m%d"},
    {"header":"Symbol","name":"symbol","type":"utf8","key":true},
    {"header":"ShortVolume","name":"short_volume","type":"decimal128(18,6)"},
    {"header":"ShortExemptVolume","name":"short_exempt_volume","type":"decimal128(18,6)"},
    {"header":"TotalVolume","name":"total_volume","type":"decimal128(18,6)"},
    {"header":"Market","name":"market","type":"utf8"}],
    "footer":{"rule":"record_count","required":true,"required_param":"trailer"}}"#;
const HEADER: &str = "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market";

const CSV: &str = r#"{"name":"csv","kind":"delimited","delimiter":",","quote":"\"","comment":"//","columns":[
    {"header":"Symbol","name":"symbol","type":"utf8","key":true},
    {"header":"Note","name":"note","type":"utf8","nullable":true,"nulls":["--"],"max_chars":200000},
    {"header":"Cap","name":"cap","type":"int64","thousands":","}]}"#;

fn format(json: &str) -> FileFormat {
    serde_json::from_str(json).unwrap()
}

fn open_any(bytes: &[u8], formats: &[&str]) -> Result<Arc<OpenInput>, Failure> {
    let bytes = Arc::new(bytes.to_vec());
    let kept = KeptInput { file_name: "f.txt".to_owned(), digest: digest(&bytes), bytes };
    let formats: Vec<FileFormat> = formats.iter().map(|json| format(json)).collect();
    let rejects = Arc::new(collector(&Limits::standard()).0);
    OpenInput::open(&kept, &formats.iter().collect::<Vec<_>>(), 1 << 30, &rejects, 0).map(Arc::new)
}

fn open(bytes: impl AsRef<[u8]>, json: &str) -> Arc<OpenInput> {
    open_any(bytes.as_ref(), &[json]).unwrap()
}

/// Everything an input holds: its rows joined, rejects, and what the reader says at the end.
fn read(input: &Arc<OpenInput>) -> (RecordBatch, Vec<Reject>, Vec<(String, String)>) {
    let mut reader = FileReader::new(input, None).unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = reader.next().unwrap() {
        batches.push(batch.as_any().downcast_ref::<ArrowBatch>().unwrap().record_batch().clone());
    }
    let rows = arrow::compute::concat_batches(&input.schema, &batches).unwrap();
    let rejects = input.rejects.finish().unwrap().rejects.rows;
    (rows, rejects, reader.info())
}

fn texts(rows: &RecordBatch, column: &str) -> Vec<Option<String>> {
    rows.column_by_name(column).unwrap().as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn lines(rows: &RecordBatch) -> Vec<i64> {
    rows.column_by_name("_line").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn volumes(rows: &RecordBatch) -> Vec<i128> {
    rows.column_by_name("total_volume").unwrap().as_primitive::<Decimal128Type>().values().to_vec()
}

fn info<'a>(info: &'a [(String, String)], name: &str) -> Option<&'a str> {
    info.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn code(bytes: impl AsRef<[u8]>, formats: &[&str]) -> String {
    let failure = open_any(bytes.as_ref(), formats).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Parse);
    failure.code
}

#[test]
fn line_ends_a_byte_order_mark_and_compression_do_not_change_the_rows() {
    let plain = format!("{HEADER}\n20210128|NAN|1|0|2|Q\n20210128|TRUE|0.5|0|1.029900|B,Q,N\n2\n");
    let (expected, rejects, end) = read(&open(&plain, REGSHO));
    assert_eq!(texts(&expected, "symbol"), [Some("NAN".to_owned()), Some("TRUE".to_owned())]);
    assert_eq!(volumes(&expected), [2_000_000, 1_029_900]);
    assert_eq!(lines(&expected), [2, 3]);
    assert!(rejects.is_empty());
    assert_eq!(info(&end, "footer"), Some("2"));
    let crlf = plain.replace('\n', "\r\n");
    let compressed = zstd::bulk::compress(crlf.as_bytes(), 3).unwrap();
    for other in [
        crlf.clone().into_bytes(),
        plain.replace('\n', "\r").into_bytes(),
        plain.trim_end().as_bytes().to_vec(),
        crlf.trim_end().as_bytes().to_vec(),
        format!("\u{feff}{plain}").into_bytes(),
        format!("{plain}\n\n").into_bytes(),
        compressed,
    ] {
        let (rows, rejects, end) = read(&open(&other, REGSHO));
        assert_eq!(rows, expected, "{}", String::from_utf8_lossy(&other));
        assert!(rejects.is_empty());
        assert_eq!((info(&end, "data_lines"), info(&end, "footer")), (Some("2"), Some("2")));
        assert_eq!(info(&end, "last_line_complete"), Some("true"));
    }
}

#[test]
fn each_line_that_is_no_row_is_a_reject_with_its_number_and_text() {
    let file = format!(
        "{HEADER}\n20210128|A|1|0|2|Q\n20210128||1|0|2|Q\n20210128|B|x|0|2|Q\n20210128|C|1|0|2\n\n20210128|D|1|0|2|Q|\n\
         20210228|E|1|0|2|Q\n20210231|F|1|0|2|Q\n9\n20210128|ON|1|0|2|Q\n8\n"
    );
    let input = open(&file, REGSHO);
    let (rows, rejects, end) = read(&input);
    assert_eq!(lines(&rows), [2, 8, 11]);
    let found: Vec<_> =
        rejects.iter().map(|it| (it.line.unwrap(), it.code.as_str(), it.raw.as_deref().unwrap())).collect();
    let expected = [
        (3, "blank_key", "20210128||1|0|2|Q"),
        (4, "bad_field", "20210128|B|x|0|2|Q"),
        (5, "field_count", "20210128|C|1|0|2"),
        (6, "field_count", ""),
        (7, "field_count", "20210128|D|1|0|2|Q|"),
        (9, "bad_field", "20210231|F|1|0|2|Q"),
        (10, "field_count", "9"),
    ];
    assert_eq!(found, expected);
    assert!(rejects[1].message.contains("`ShortVolume`: `x` is not a decimal number"), "{}", rejects[1].message);
    assert_eq!((info(&end, "data_lines"), info(&end, "rejected")), (Some("10"), Some("7")));
    assert_eq!(input.raw(4).as_deref(), Some("20210128|B|x|0|2|Q"));
    assert_eq!((input.raw(99), input.raw(0)), (None, None));
}

#[test]
fn a_file_that_ends_in_the_middle_of_a_line_says_so() {
    let complete = |file: &str| {
        let input = open(file, REGSHO);
        let (_, _, end) = read(&input);
        info(&end, "last_line_complete").unwrap().to_owned()
    };
    assert_eq!(complete(&format!("{HEADER}\n20210128|A|1|0|2|Q\n20210128|B|1|")), "false");
    assert_eq!(complete(&format!("{HEADER}\n20210128|A|1|0|2|Q\n20210128|B|1|\n")), "true");
    assert_eq!(complete(&format!("{HEADER}\n20210128|A|1|0|2|Q")), "true");
    assert_eq!(complete(&format!("{HEADER}\n20210128|A|1|0|2|Q\n1")), "true");
    assert_eq!(complete(HEADER), "true");
}

#[test]
fn a_file_cut_just_before_its_last_field_is_no_whole_file() {
    let whole = |rows: &str, format: &str| {
        let (rows, rejects, end) = read(&open(rows, format));
        (rows.num_rows(), rejects.len(), info(&end, "last_line_complete").unwrap().to_owned())
    };
    let regsho = |last: &str| whole(&format!("{HEADER}\n20210128|A|1|0|25|Q\n20210128|B|1|0|25|{last}"), REGSHO);
    for cut in ["", " ", "\t", "\r"] {
        assert_eq!(regsho(cut), (2, 0, "false".to_owned()), "{cut:?}");
    }
    for ended in ["\n", "\r\n", " \n", "Q", "Q ", "Q\n"] {
        assert_eq!(regsho(ended), (2, 0, "true".to_owned()), "{ended:?}");
    }
    let tabs = r#"{"name":"tabs","kind":"delimited","delimiter":"\t","columns":[
        {"header":"s","name":"s","type":"utf8"},{"header":"n","name":"n","type":"int64","nullable":true,"nulls":[""]}]}"#;
    assert_eq!(whole("s\tn\nA\t1\nB\t", tabs).2, "false");
    assert_eq!(whole("s\tn\nA\t1\nB\t2", tabs).2, "true");
    // An empty text in quotes was written as such.
    let quoted = r#"{"name":"csv","kind":"delimited","delimiter":",","quote":"\"","columns":[
        {"header":"s","name":"s","type":"utf8"},{"header":"t","name":"t","type":"utf8"}]}"#;
    assert_eq!(whole("s,t\nA,\"\"", quoted), (1, 0, "true".to_owned()));
    assert_eq!(whole("s,t\nA,", quoted).2, "false");
}

#[test]
fn an_empty_day_has_a_trailer_of_zero_and_no_rows() {
    let (rows, rejects, end) = read(&open(format!("{HEADER}\r\n0\r\n"), REGSHO));
    assert_eq!((rows.num_rows(), rejects.len()), (0, 0));
    assert_eq!((info(&end, "data_lines"), info(&end, "footer")), (Some("0"), Some("0")));
    let (rows, _, end) = read(&open(HEADER, REGSHO));
    assert_eq!((rows.num_rows(), info(&end, "footer")), (0, None));
}

#[test]
fn a_file_creation_time_is_a_footer_with_any_padding() {
    let json = r#"{"name":"symbols","kind":"delimited","delimiter":"|","columns":[
        {"header":"Symbol","name":"symbol","type":"utf8"},{"header":"ETF","name":"etf","type":"utf8"},
        {"header":"Lot","name":"lot","type":"int64"}],"footer":{"rule":"file_creation_time"}}"#;
    for padding in ["", "|", "||", "|||"] {
        let file = format!("Symbol|ETF|Lot\r\nTRUE|Y|100\r\nFile Creation Time: 0811202518:01{padding}\r\n");
        let (rows, rejects, end) = read(&open(&file, json));
        assert_eq!((rows.num_rows(), rejects.len()), (1, 0), "{file}");
        assert_eq!(info(&end, "footer"), Some("0811202518:01"));
    }
}

#[test]
fn quoted_fields_hold_delimiters_line_ends_and_doubled_quotes() {
    let file = "// made by hand\n\"Symbol\",\"Note\",\"Cap\"\n\"AMD\",\"a, \"\"b\"\"\r\nc\",\"168,143\"\nBP,--,71\n\"E\",\"\",5\nX,a\"b,6\n";
    let (rows, rejects, _) = read(&open(file, CSV));
    assert_eq!(rejects, []);
    let notes = texts(&rows, "note");
    assert_eq!(notes[0].as_deref(), Some("a, \"b\"\r\nc"));
    assert_eq!(notes[1..], [None, Some(String::new()), Some("a\"b".to_owned())]);
    assert_eq!(rows.column(2).as_primitive::<Int64Type>().values(), &[168_143, 71, 5, 6]);
    assert_eq!(lines(&rows), [3, 5, 6, 7]);
}

#[test]
fn a_quote_that_is_never_closed_costs_its_line_only() {
    let file = "Symbol,Note,Cap\nA,\"open,1\nB,fine,2\nC,\"closed\"x,3\nD,\"two\nlines\",4\nE,\"cut";
    let input = open(file, CSV);
    let (rows, rejects, end) = read(&input);
    let symbols: Vec<_> = texts(&rows, "symbol").into_iter().flatten().collect();
    assert_eq!(symbols, ["B", "D"]);
    let found: Vec<_> = rejects.iter().map(|it| (it.line.unwrap(), it.raw.as_deref().unwrap())).collect();
    assert_eq!(found, [(2, "A,\"open,1"), (4, "C,\"closed\"x,3"), (7, "E,\"cut")]);
    assert_eq!(info(&end, "last_line_complete"), Some("false"));
    assert_eq!(input.raw(5).as_deref(), Some("D,\"two\nlines\",4"));
}

#[test]
fn lines_that_are_not_utf8_are_rejects_and_the_rest_is_read() {
    let mut file = b"Symbol,Note,Cap\nA,x,1\nB,caf\xe9,2\nC,a\0b,3\n".to_vec();
    file.extend((0..10).flat_map(|at| format!("D{at},x,4\n").into_bytes()));
    let (rows, rejects, _) = read(&open(&file, CSV));
    assert_eq!(rows.num_rows(), 11);
    assert_eq!(rejects.iter().map(|it| it.line.unwrap()).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(rejects[0].raw.as_deref(), Some("B,caf\u{fffd},2"));
}

#[test]
fn the_first_format_whose_header_fits_is_used_and_a_stranger_is_named() {
    let five = r#"{"name":"five","kind":"delimited","delimiter":"|","columns":[
        {"header":"DATE","name":"d","type":"date32","date_format":"%Y%m%d"},{"header":"SYMBOL","name":"s","type":"utf8"}]}"#;
    let input = open_any(b"DATE | SYMBOL\n20210127|A\n\n", &[REGSHO, five]).unwrap();
    assert_eq!(input.format.name, "five");
    let failure = open_any(b"Date|Symbol|Other\n1|2|3\n", &[REGSHO, five]).unwrap_err();
    assert_eq!(failure.code, "header_mismatch");
    assert!(failure.message.contains(HEADER) && failure.message.contains("Date|Symbol|Other"), "{}", failure.message);
    assert_eq!(code("date|symbol\n", &[five]), "header_mismatch");
}

#[test]
fn what_is_no_table_at_all_has_its_own_code() {
    let json = r#"{"name":"doc","kind":"json","columns":[{"header":"a","name":"a","type":"int64"}]}"#;
    assert_eq!(code("", &[REGSHO]), "empty_file");
    assert_eq!(code("\u{feff}\r\n\r\n", &[REGSHO]), "empty_file");
    assert_eq!(code([0x7f, b'E', b'L', b'F', 0, 1, 2, 3, 0xff], &[REGSHO]), "not_text");
    assert_eq!(code("[{\"a\":1},", &[json]), "bad_document");
    assert_eq!(code("[{\"a\":1},", &[REGSHO, json]), "bad_document");
    assert_eq!(code("a|b\n", &[REGSHO, json]), "header_mismatch");
    assert_eq!(code("{\"a\":1}", &[json]), "bad_document");
    assert_eq!(code("[{\"b\":1}]", &[json]), "header_mismatch");
}

#[test]
fn json_documents_are_read_with_their_exact_digits() {
    let json = r#"{"name":"doc","kind":"json","records":"data","columns":[
        {"header":"s","name":"symbol","type":"utf8","key":true},
        {"header":"v","name":"total_volume","type":"decimal128(18,6)","nullable":true,"nulls":["None"]}]}"#;
    let file = r#"{"note":[1,{"data":2}],"data":[{"s":"NAN","v":1.0299},{"v":"None","s":"T\u00e9"},
        {"s":" ","v":1},{"s":"X","v":0.1234567},7,{"s":"Y"},{"s":"Z","v":1e3,"v":2}]}"#;
    let input = open(file, json);
    let (rows, rejects, _) = read(&input);
    let symbols: Vec<_> = texts(&rows, "symbol").into_iter().flatten().collect();
    assert_eq!(symbols, ["NAN", "Té", "Y"]);
    assert_eq!(volumes(&rows)[0], 1_029_900);
    assert_eq!(rows.column(1).null_count(), 2);
    assert_eq!(lines(&rows), [1, 2, 6]);
    let found: Vec<_> = rejects.iter().map(|it| (it.line.unwrap(), it.code.as_str())).collect();
    assert_eq!(found, [(3, "blank_key"), (4, "bad_field"), (5, "bad_document"), (7, "bad_document")]);
    assert_eq!(input.raw(5).as_deref(), Some("7"));
}

#[test]
fn a_broken_json_line_costs_its_line() {
    let json = r#"{"name":"lines","kind":"json_lines","columns":[
        {"header":"s","name":"symbol","type":"utf8"},{"header":"n","name":"n","type":"int64","nullable":true}]}"#;
    let input = open("{\"s\":\"A\",\"n\":1}\r\n\n{\"s\":\"B\"\n{\"s\":\"C\",\"n\":null}\n{\"s\":\"D\"", json);
    let (rows, rejects, end) = read(&input);
    assert_eq!(lines(&rows), [1, 4]);
    let found: Vec<_> = rejects.iter().map(|it| (it.line.unwrap(), it.code.as_str())).collect();
    assert_eq!(found, [(3, "bad_document"), (5, "bad_document")]);
    assert_eq!((info(&end, "data_lines"), info(&end, "last_line_complete")), (Some("4"), Some("false")));
    assert_eq!(input.raw(3).as_deref(), Some("{\"s\":\"B\""));
}

#[test]
fn a_text_that_is_too_long_costs_its_line_in_every_kind_of_file() {
    let columns = r#""columns":[{"header":"s","name":"symbol","type":"utf8","max_chars":14}]}"#;
    let long = "X".repeat(15);
    for (kind, file, line) in [
        (r#""kind":"delimited","delimiter":"|""#, format!("s\nAAA\n{long}\nBBB\n"), 3),
        (r#""kind":"delimited","delimiter":"|","quote":"\"""#, format!("s\nAAA\n\"{long}\"\nBBB\n"), 3),
        (r#""kind":"json_lines""#, format!("{{\"s\":\"AAA\"}}\n{{\"s\":\"{long}\"}}\n{{\"s\":\"BBB\"}}\n"), 2),
        (r#""kind":"json""#, format!("[{{\"s\":\"AAA\"}},{{\"s\":\"{long}\"}},{{\"s\":\"BBB\"}}]"), 2),
    ] {
        let (rows, rejects, _) = read(&open(&file, &format!(r#"{{"name":"f",{kind},{columns}"#)));
        assert_eq!(texts(&rows, "symbol"), [Some("AAA".to_owned()), Some("BBB".to_owned())], "{kind}");
        let found: Vec<_> = rejects.iter().map(|it| (it.line.unwrap(), it.code.as_str())).collect();
        assert_eq!(found, [(line, "bad_field")], "{kind}");
        let message = &rejects[0].message;
        assert!(message.contains("column `s`") && message.contains("longer than 14 characters"), "{message}");
    }
}

#[test]
fn json_lines_are_known_by_their_first_object_when_the_first_line_is_broken() {
    let columns = r#""columns":[{"header":"s","name":"symbol","type":"utf8"}]"#;
    let lines_of = format!(r#"{{"name":"lines","kind":"json_lines",{columns}}}"#);
    let document = format!(r#"{{"name":"doc","kind":"json",{columns}}}"#);
    for broken in ["\"s\":\"A\"}", "oops", "[1,", "7"] {
        let file = format!("{broken}\n{{\"s\":\"B\"}}\n");
        let (rows, rejects, end) = read(&open(&file, &lines_of));
        assert_eq!((lines(&rows), info(&end, "data_lines")), (vec![2], Some("2")), "{broken}");
        let found: Vec<_> = rejects.iter().map(|it| (it.line.unwrap(), it.code.as_str(), it.raw.as_deref())).collect();
        assert_eq!(found, [(1, "bad_document", Some(broken))]);
    }
    let either = [document.as_str(), lines_of.as_str(), REGSHO];
    assert_eq!(open_any(b"oops\n{\"s\":\"B\"}\n", &either).unwrap().format.name, "lines");
    // A document over several lines stays a document, whole or broken.
    let reversed = [lines_of.as_str(), document.as_str()];
    assert_eq!(open_any(b"[\n{\"s\":\"A\"},\n{\"s\":\"B\"}\n]", &reversed).unwrap().format.name, "doc");
    assert_eq!(code("[\n{\"s\":\"A\"},\n{\"s\":\"B\"}\n", &reversed), "bad_document");
    assert_eq!(code("oops\n{\"t\":\"B\"}\n", &[&lines_of]), "header_mismatch");
    assert_eq!(code("oops\n[]\n", &[&lines_of]), "header_mismatch");
}

#[test]
fn parquet_columns_are_found_by_name_and_converted_without_loss() {
    use arrow::array::{Int32Array, LargeStringArray, StringArray};
    use arrow::datatypes::{DataType as ArrowType, Field, Schema};
    let write = |fields: Vec<Field>, columns: Vec<Arc<dyn Array>>| {
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    };
    let json = r#"{"name":"pq","kind":"parquet","columns":[
        {"header":"s","name":"symbol","type":"utf8","key":true,"max_chars":3},
        {"header":"v","name":"total_volume","type":"decimal128(5,2)"}]}"#;
    let fields = vec![
        Field::new("extra", ArrowType::Utf8, true),
        Field::new("v", ArrowType::Int32, true),
        Field::new("s", ArrowType::LargeUtf8, true),
    ];
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(StringArray::from(vec!["x"; 6])),
        Arc::new(Int32Array::from(vec![Some(1), None, Some(100_000), Some(2), Some(3), Some(4)])),
        Arc::new(LargeStringArray::from(vec!["NAN", "A", "B", "", "E", "LONG"])),
    ];
    let bytes = write(fields, columns);
    let (rows, rejects, end) = read(&open(&bytes, json));
    assert_eq!(volumes(&rows), [100, 300]);
    assert_eq!(lines(&rows), [1, 5]);
    let found: Vec<_> = rejects.iter().map(|it| (it.line.unwrap(), it.code.as_str())).collect();
    assert_eq!(found, [(2, "bad_field"), (3, "bad_field"), (4, "blank_key"), (6, "bad_field")]);
    assert!(rejects[3].message.contains("column `s`: is longer than 3 characters"), "{}", rejects[3].message);
    assert_eq!(info(&end, "data_lines"), Some("6"));
    assert_eq!(code(&bytes, &[REGSHO]), "not_text");
    assert_eq!(code(&bytes[..bytes.len() / 2], &[json]), "header_mismatch");
    let mut damaged = bytes.clone();
    let middle = damaged.len() - 40;
    damaged[middle..middle + 8].fill(0xff);
    assert_eq!(code(&damaged, &[json]), "bad_document");
    let floats = vec![Field::new("s", ArrowType::Utf8, true), Field::new("v", ArrowType::Float64, true)];
    let columns: Vec<Arc<dyn Array>> =
        vec![Arc::new(StringArray::from(vec!["A"])), Arc::new(arrow::array::Float64Array::from(vec![0.1]))];
    assert_eq!(code(write(floats, columns), &[json]), "header_mismatch");
}

#[test]
fn batches_are_bounded_and_two_readers_count_each_line_once() {
    let mut file = format!("{HEADER}\n");
    for at in 0..70_000 {
        file.push_str(&format!("20210128|S{at}|{}|0|2|Q\n", if at % 7_000 == 0 { "x" } else { "1" }));
    }
    let input = open(&file, REGSHO);
    let mut one = FileReader::new(&input, Some(&["symbol".to_owned()])).unwrap();
    let first = one.next().unwrap().unwrap();
    assert_eq!((first.rows(), first.schema().len()), (65_536, 2));
    let (rows, rejects, _) = read(&input);
    while one.next().unwrap().is_some() {}
    let account = input.account();
    assert_eq!((rows.num_rows(), account.data_lines, rejects.len()), (69_990, 70_000, 10));
    assert!(account.ended && account.last_line_complete);
    let wide: Vec<String> = (0..40).map(|at| format!("{}{at}", "x".repeat(100_000))).collect();
    let file =
        format!("Symbol,Note,Cap\n{}", wide.iter().map(|note| format!("A,{note},1\n")).collect::<String>().repeat(3));
    let mut reader = FileReader::new(&open(&file, CSV), None).unwrap();
    assert!(reader.next().unwrap().unwrap().rows() < 100);
}

#[test]
fn unknown_columns_are_refused_by_name() {
    let input = open(format!("{HEADER}\n"), REGSHO);
    let failure = FileReader::new(&input, Some(&["nope".to_owned()])).unwrap_err();
    assert_eq!(failure.code, "bad_select");
    assert!(failure.message.contains("short_volume"), "{}", failure.message);
}

/// A seeded loop: whatever bytes come, reading ends, nothing panics, and every line is a row or a reject.
#[test]
fn no_line_is_lost_whatever_the_file_holds() {
    let mut seed: u64 = 3;
    let mut next = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    const PIECES: [&[u8]; 12] = [b"\n", b"\r\n", b"\"", b"\"\"", b",", b"A", b"1", b"--", b"\r", b"\xff", b" ", b"\0"];
    for _ in 0..3_000 {
        let mut file = b"Symbol,Note,Cap\n".to_vec();
        (0..next(40)).for_each(|_| file.extend_from_slice(PIECES[next(12)]));
        let Ok(input) = open_any(&file, &[CSV]) else { continue };
        let (rows, rejects, end) = read(&input);
        let data_lines: usize = info(&end, "data_lines").unwrap().parse().unwrap();
        assert_eq!(rows.num_rows() + rejects.len(), data_lines, "{:?}", String::from_utf8_lossy(&file));
        for reject in &rejects {
            let raw = input.raw(reject.line.unwrap());
            assert_eq!(raw, reject.raw, "{:?}", String::from_utf8_lossy(&file));
        }
    }
}
