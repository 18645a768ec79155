//! The plugin as native code, on a host in memory: fast, and a debugger works. `spine-host plugin test` runs the component.

use @NAME@::{ClosesArePositive, Load, Prices, PricesCsv};
use spine_sdk::prelude::*;
use spine_sdk::testing::MemoryHost;

const HEADER: &str = "Date,Symbol,Open,Close,Volume\n";

fn load(lines: &str) -> MemoryHost {
    let host = MemoryHost::new().file_text::<PricesCsv>("file", "prices.csv", &format!("{HEADER}{lines}"));
    host.run(&Load).unwrap();
    host
}

#[test]
fn each_line_becomes_a_row_with_its_change() {
    let host = load("2025-01-02,AAA,10.00,12.50,300\n2025-01-02,BBB,0,1,--\n");
    let rows = host.written::<Prices>();
    assert_eq!(rows.symbol.iter().collect::<Vec<_>>(), ["AAA", "BBB"]);
    assert_eq!(rows.change_pct.iter().collect::<Vec<_>>(), [Some(25.0), None]);
    assert_eq!(rows.volume.iter().collect::<Vec<_>>(), [Some(300), None]);
}

#[test]
fn lines_with_too_little_volume_and_lines_that_do_not_fit_are_rejected() {
    let host = load("2025-01-02,AAA,10,12,-1\n2025-01-02,BBB,ten,12,5\n2025-01-02,CCC,10,12,5\n");
    let mut rejects: Vec<_> = host.rejects().into_iter().map(|reject| (reject.line, reject.code)).collect();
    rejects.sort();
    assert_eq!(rejects, [(Some(2), "low_volume".to_owned()), (Some(3), "bad_field".to_owned())]);
    assert_eq!(host.written::<Prices>().symbol.iter().collect::<Vec<_>>(), ["CCC"]);
}

#[test]
fn a_close_of_nothing_fails_the_check() {
    let rows = |close: i128| Prices {
        day: Column::repeat(20_090, 1),
        symbol: Column::repeat("AAA", 1),
        open: Column::repeat(1, 1),
        close: Column::repeat(close, 1),
        volume: [Some(1)].into_iter().collect(),
        change_pct: [None].into_iter().collect(),
    };
    let found = |close| MemoryHost::new().staged(rows(close), [2]).check(&ClosesArePositive, Prices::NAME).unwrap().len();
    assert_eq!((found(1), found(0)), (0, 1));
}
