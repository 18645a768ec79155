//! Files of text, read by a declared format as the host reads them.

use crate::prelude::*;
use crate::testing::MemoryHost;

file_format! {
    struct Csv = "csv" {
        day: Date => header("Day").key().date_format("%d/%m/%Y").trim(),
        name: Utf8 => header("Name").max_chars(12),
        amount: Option<Decimal<18, 6>> => header("Amount").nulls(["--"]).thousands(',').trim(),
    }
    delimited { delimiter: ',', quote: '"', comment: "#" }
    footer { rule: FileCreationTime }
}

file_format! {
    struct Records = "records" { name: Utf8 => key(), count: Option<Int64> }
    json { records: "data" }
}

file_format! {
    struct Lines = "lines" { name: Utf8 => key(), count: Option<Int64> }
    json_lines {}
}

fn read<F: Format>(text: &str) -> (F, ReaderInfo, Vec<Reject>) {
    let host = MemoryHost::new().file_text::<F>("file", "f", text);
    let mut reader = host.host().input("file").unwrap();
    let rows = reader.read_all().unwrap();
    (rows, reader.info(), host.rejects())
}

#[test]
fn delimited_text_is_read_by_its_declaration() {
    let text = "#note\r\nDay,Name,Amount\r\n 27/01/2021,\"a, \"\"b\"\"\",\"1,234.5\"\r\n28/01/2021,,--\r\nFile Creation Time: 1";
    let (rows, info, rejects) = read::<Csv>(text);
    assert_eq!(rows.line.iter().collect::<Vec<_>>(), [3, 4]);
    assert_eq!(rows.name.iter().collect::<Vec<_>>(), ["a, \"b\"", ""]);
    assert_eq!(rows.amount.iter().collect::<Vec<_>>(), [Some(1_234_500_000), None]);
    assert_eq!(rows.day.get(0), 18_654);
    assert_eq!((info.footer(), info.last_line_complete()), (Some("File Creation Time: 1"), Some(false)));
    assert_eq!(rejects, []);
}

#[test]
fn lines_that_do_not_fit_are_rejects_with_their_line() {
    let (rows, info, rejects) = read::<Csv>(
        "Day,Name,Amount\n,x,1\n27/01/2021,x\n27/01/2021,x,1.2.3\n31/02/2021,x,1\n27/01/2021,thirteenchars,1\n",
    );
    assert!(rows.day.is_empty());
    let found: Vec<_> = rejects.iter().map(|reject| (reject.line.unwrap(), reject.code.as_str())).collect();
    assert_eq!(found, [(2, "blank_key"), (3, "field_count"), (4, "bad_field"), (5, "bad_field"), (6, "bad_field")]);
    assert_eq!((info.data_lines(), info.rejected()), (Some(5), Some(5)));
}

#[test]
fn a_wrong_header_and_an_empty_file_are_errors_of_opening() {
    for (text, code) in [("", "empty_file"), ("Day,Name\n", "header_mismatch")] {
        let host = MemoryHost::new().file_text::<Csv>("file", "f", text);
        assert_eq!(host.host().input("file").unwrap_err().code, code);
    }
}

#[test]
fn json_documents_and_lines_give_the_same_rows() {
    let (document, ..) = read::<Records>(r#"{"data":[{"name":"A","count":1},{"name":"B"}]}"#);
    let (lines, _, rejects) = read::<Lines>("{\"name\":\"A\",\"count\":1}\n{\"name\":\"B\",\"count\":null}\n[\n");
    assert_eq!((document.name, document.count), (lines.name, lines.count));
    assert_eq!((rejects[0].line, rejects[0].code.as_str()), (Some(3), "bad_document"));
}
