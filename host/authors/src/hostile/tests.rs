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
    let steady = BTreeSet::new();
    let file = files(Some(format), &steady, 1, true).find(|file| file.name == name).unwrap();
    String::from_utf8(file.bytes).unwrap()
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
    assert!(files(None, &BTreeSet::new(), 1, false).count() > 5);
}

#[test]
fn the_same_seed_makes_the_same_files_and_another_one_others() {
    let psv = format(r#""kind": "delimited", "delimiter": "|""#);
    let steady = BTreeSet::new();
    let all = |seed| files(Some(&psv), &steady, seed, true).map(|file| file.bytes).collect::<Vec<_>>();
    assert_eq!(all(7), all(7));
    assert_ne!(all(7), all(8));
}

#[test]
fn keys_differ_but_for_what_is_steady() {
    let psv = format(r#""kind": "delimited", "delimiter": "|""#);
    let steady = BTreeSet::from(["symbol".to_owned()]);
    let file = String::from_utf8(ordinary(Some(&psv), &steady, 1)).unwrap();
    assert!(file.lines().skip(1).all(|line| line.contains("|A|")), "{file}");
}
