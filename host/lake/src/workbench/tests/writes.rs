//! What a guest may write, and how much of it.

use model::ports::{Field, TableBatch};

use super::*;

#[test]
fn a_write_has_every_column_once_and_equal_rows() {
    let bench = bench();
    let mut open = bench.open();
    let mut writer = open.output("demo.volume").unwrap();
    let full = || vec![("day", date_column(&[1])), ("symbol", text_column(&["A"])), ("volume", int_column(&[5]))];
    assert_eq!(writer.write(named(full())).unwrap(), 1);
    let mut with_line = full();
    with_line.push(("_line", int_column(&[7])));
    assert_eq!(open.output("demo.volume").unwrap().write(named(with_line)).unwrap(), 2);
    let code = |columns: Vec<(&str, Buffers)>| {
        let mut open = bench.open();
        open.output("demo.volume").unwrap().write(named(columns)).unwrap_err().code
    };
    assert_eq!(code(full()[..2].to_vec()), "missing_column");
    assert_eq!(code([full(), full()].concat()), "duplicate_column");
    assert_eq!(code([full(), vec![("extra", int_column(&[1]))]].concat()), "unknown_column");
    let mut uneven = full();
    uneven[2].1 = int_column(&[5, 6]);
    assert_eq!(code(uneven), "invalid_buffer");
    let mut nulls = full();
    nulls[1].1.parts[0] = vec![0];
    assert_eq!(code(nulls), "invalid_buffer");
    assert_eq!(open.output("demo.nope").unwrap_err().code, "unknown_output");
    assert_eq!(open.output("nonsense").unwrap_err().code, "unknown_output");
    assert_eq!(rows(open.input("staged:demo.volume", r#"{"columns":["volume"]}"#).unwrap(), "volume"), [5, 5]);
}

#[test]
fn a_batch_of_another_type_is_refused_by_name() {
    let bench = bench().with_file(FILE);
    let mut open = bench.open();
    let batch = open.input("file", "{}").unwrap().next().unwrap().unwrap();
    let field = Field { name: "volume".to_owned(), dtype: "utf8".to_owned(), nullable: false, details: Vec::new() };
    let wrong: Box<dyn TableBatch> = batch.with_column(&field, text_column(&["x", "y"])).unwrap();
    let error = open.output("demo.volume").unwrap().write_batch(&*wrong).unwrap_err();
    assert_eq!(error.code, "type_mismatch");
    assert!(error.message.contains("`volume` is utf8") && error.message.contains("int64"), "{}", error.message);
}

#[test]
fn output_limits_name_their_key() {
    let mut bench = bench();
    bench.order.limits.output_rows = 3;
    let mut open = bench.open();
    let mut writer = open.output("demo.other").unwrap();
    writer.write(named(vec![("kind", text_column(&["a", "b"]))])).unwrap();
    let error = writer.write(named(vec![("kind", text_column(&["c", "d"]))])).unwrap_err();
    assert_eq!(error.code, "output_rows_limit");
    assert!(error.message.contains("limits.output_rows"), "{}", error.message);
}
