use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::Array as _;
use bytes::Bytes;
use model::Manifest;

use super::*;

fn format(kind: &str) -> FileFormat {
    let manifest = format!(
        r#"{{"contract": "0.1.0", "name": "d", "version": "1", "formats": [{{"name": "f", {kind}, "columns": [
            {{"header": "Day", "name": "day", "type": "date32", "key": true, "date_format": "%d/%m/%Y"}},
            {{"header": "Symbol", "name": "symbol", "type": "utf8", "key": true}},
            {{"header": "Volume", "name": "volume", "type": "int64", "nullable": true, "nulls": ["--"]}}]}}]}}"#
    );
    Manifest::parse(&manifest).unwrap().formats.remove(0)
}

fn text(format: &FileFormat, name: &str) -> String {
    text_like(format, name, &Sample::default())
}

fn text_like(format: &FileFormat, name: &str, sample: &Sample) -> String {
    let making = Making { steady: &BTreeSet::new(), sample, seed: 1 };
    let file = files(Some(format), making, true).find(|file| file.name == name).unwrap();
    String::from_utf8(file.bytes).unwrap()
}

#[test]
fn rows_are_like_the_one_that_the_plugin_takes_but_for_their_keys() {
    let like = |kind: &str, file: &str| {
        let format = format(kind);
        let sample = Sample::of(&format, file.as_bytes()).unwrap();
        text_like(&format, "ordinary rows", &sample).lines().skip(1).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let psv = r#""kind": "delimited", "delimiter": "|", "comment": "%""#;
    assert_eq!(
        like(psv, "% a comment\nDay|Symbol|Volume\n27/01/2021|ZVZZT|700\n"),
        ["27/01/2021|ZVZZT|700", "27/01/2021|B|700"]
    );
    assert_eq!(
        like(psv, "\u{feff}Day|Symbol|Volume\n27/01/2021|ZVZZT|--\n")[1],
        "27/01/2021|B|2",
        "a null says nothing"
    );
    let lines = r#""kind": "json_lines""#;
    let row = r#"{"Day": "27/01/2021", "Symbol": "ZVZZT", "Volume": 700}"#;
    let like_it = r#"{"Day": "27/01/2021", "Symbol": "B", "Volume": 700}"#;
    assert_eq!(like(lines, &format!("{row}\n{row}\n"))[0], like_it);
    let document = r#""kind": "json", "records": "rows""#;
    assert_eq!(like(document, &format!(r#"{{"rows": [{row}]}}"#))[0], format!(",{like_it}"));
}

#[test]
fn a_file_of_another_format_is_no_sample() {
    let psv = format(r#""kind": "delimited", "delimiter": "|""#);
    for other in [
        "",
        "Day|Symbol|Volume\n",
        "Day|Symbol\n1|2\n",
        "Day|Symbol|Volume\n27/01/2021|A\n",
        "Day,Symbol,Volume\n1,2,3\n",
    ] {
        assert_eq!(Sample::of(&psv, other.as_bytes()), None, "{other}");
    }
    let document = format(r#""kind": "json", "records": "rows""#);
    for other in ["[]", "{", r#"{"rows": []}"#, r#"{"rows": [1]}"#] {
        assert_eq!(Sample::of(&document, other.as_bytes()), None, "{other}");
    }
}

#[test]
fn a_delimited_file_is_written_as_its_format_says() {
    let psv = format(r#""kind": "delimited", "delimiter": "|", "footer": {"rule": "record_count"}"#);
    let ordinary = text(&psv, "ordinary rows");
    assert!(ordinary.starts_with("Day|Symbol|Volume\n03/01/2025|A|1\n03/01/2025|B|2\n"), "{ordinary}");
    assert!(ordinary.ends_with("|J|10\n10\n"), "{ordinary}");
    assert_eq!(text(&psv, "every null"), "Day|Symbol|Volume\n03/01/2025|A|--\n03/01/2025|B|--\n2\n");
    assert!(text(&psv, "extremes of every type").contains("|9223372036854775807\n"));
    let quoted = format(r#""kind": "delimited", "delimiter": ",", "quote": "\"""#);
    assert!(text(&quoted, "odd texts").contains(",\"a\"\"b\","));
}

#[test]
fn json_is_json_and_a_file_without_a_format_is_bytes() {
    let document = format(r#""kind": "json", "records": "rows""#);
    let parsed: serde_json::Value = serde_json::from_str(&text(&document, "odd texts")).unwrap();
    assert!(parsed["rows"].as_array().unwrap().len() > 30);
    let lines = format(r#""kind": "json_lines""#);
    assert!(
        text(&lines, "extremes of every type")
            .lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
    let making = Making { steady: &BTreeSet::new(), sample: &Sample::default(), seed: 1 };
    assert!(files(None, making, false).count() > 5);
}

#[test]
fn the_same_seed_makes_the_same_files_and_another_one_others() {
    let psv = format(r#""kind": "delimited", "delimiter": "|""#);
    let (steady, sample) = (BTreeSet::new(), Sample::default());
    let all = |seed| {
        let making = Making { steady: &steady, sample: &sample, seed };
        files(Some(&psv), making, true).map(|file| file.bytes).collect::<Vec<_>>()
    };
    assert_eq!(all(7), all(7));
    assert_ne!(all(7), all(8));
}

#[test]
fn keys_differ_but_for_what_is_steady() {
    let psv = format(r#""kind": "delimited", "delimiter": "|""#);
    let steady = BTreeSet::from(["symbol".to_owned()]);
    let making = Making { steady: &steady, sample: &Sample::default(), seed: 1 };
    let file = String::from_utf8(ordinary(Some(&psv), making)).unwrap();
    assert!(file.lines().skip(1).all(|line| line.contains("|A|")), "{file}");
}

#[test]
fn a_parquet_file_has_the_types_of_its_columns_and_null_where_they_have_no_value() {
    let parquet = format(r#""kind": "parquet""#);
    let (steady, sample) = (BTreeSet::new(), Sample::default());
    let making = Making { steady: &steady, sample: &sample, seed: 1 };
    let made: Vec<Hostile> = files(Some(&parquet), making, true).collect();
    let rows = |name: &str| {
        let bytes = made.iter().find(|file| file.name == name).unwrap().bytes.clone();
        ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).map(|builder| {
            let types = builder.schema().fields().iter().map(|field| field.data_type().to_string()).collect::<Vec<_>>();
            let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
            let nulls =
                batches.iter().flat_map(|batch| batch.columns()).map(|column| column.null_count()).sum::<usize>();
            (types.join(" "), batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), nulls)
        })
    };
    assert_eq!(rows("ordinary rows").unwrap(), ("Date32 Utf8 Int64".to_owned(), 10, 0));
    assert_eq!(rows("a header alone").unwrap().1, 0);
    assert_eq!(rows("every column a text").unwrap().0, "Utf8 Utf8 Utf8");
    assert!(rows("extremes of every type").unwrap().2 > 0);
    assert!(rows("half a Parquet file").is_err() && rows("an empty file").is_err());
    let sample = Sample::of(&parquet, &ordinary(Some(&parquet), making)).unwrap();
    let texts = parquet.columns.iter().map(|column| sample.get(column).unwrap_or_default());
    assert_eq!(texts.collect::<Vec<_>>(), ["2025-01-03", "A", "1"]);
}
