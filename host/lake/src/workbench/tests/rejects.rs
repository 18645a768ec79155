//! Rejects of guests, and those that a limit cuts.

use model::quality::{CheckStatus, Severity};

use super::*;

#[test]
fn guest_rejects_get_the_text_of_their_line_and_are_limited() {
    let mut bench = bench().with_file(FILE);
    bench.order.limits.rejects = 3;
    let mut open = bench.open();
    let reject = |line| RejectedRow { line, code: "odd".to_owned(), message: "m".repeat(5000), details: Vec::new() };
    open.reject(vec![reject(Some(4)), reject(None), reject(Some(2)), reject(Some(2)), reject(Some(99))]).unwrap();
    let finished = open.finish().unwrap();
    assert_eq!((finished.rejected, finished.rejects.rows.len()), (6, 3));
    let found: Vec<_> = finished.rejects.rows.iter().map(|it| (it.line, it.raw.as_deref())).collect();
    assert_eq!(found, [(Some(2), Some("20210128|TpC|1")), (Some(4), Some("20210127|TPC|3")), (None, None)]);
    assert!(finished.rejects.rows[0].message.len() < 1100);
}

#[test]
fn rejects_past_the_limit_are_counted_and_the_operator_is_told() {
    let file = "Day|Symbol|Volume\n20210128|A|1\n20210128||2\n20210128||3\n3\n";
    let mut bench = bench().with_file(file);
    assert!(!bench.copied().checks.iter().any(|it| it.check == "rejects_kept"));
    bench.order.limits.rejects = 1;
    let finished = bench.copied();
    assert_eq!((finished.rejected, finished.rejects.rows.len()), (2, 1));
    let cut = check(&finished, "rejects_kept");
    assert_eq!((cut.status, cut.severity), (CheckStatus::Warn, Severity::Warn));
    assert_eq!((cut.actual.as_deref(), cut.expected.as_deref()), (Some("2"), Some("1")));
    assert!(cut.message.contains("limits.rejects") && !cut.blocks(), "{}", cut.message);
}
