//! Asking the host for more than anybody needs.

use std::io::Write as _;

use spine_sdk::prelude::*;

/// Ten million tiny calls.
pub(crate) fn calls(host: &Host) {
    for _ in 0..10_000_000 {
        host.now_us();
    }
}

/// Lines without end.
pub(crate) fn log(host: &Host) {
    for number in 0_u64.. {
        host.log(Level::Info, "again and again", &[("number", &number.to_string())]);
    }
}

/// The same on standard output and error, where no line of the host's interface is.
pub(crate) fn output() {
    loop {
        let _ = writeln!(std::io::stdout(), "{}", "x".repeat(100));
        let _ = writeln!(std::io::stderr(), "{}", "y".repeat(100));
    }
}

/// A series for each number: the labels of a table's rows.
pub(crate) fn metrics(host: &Host) {
    for number in 0..2_000 {
        host.metric("rows", f64::from(number), &[("symbol", &number.to_string())]);
    }
    panic!("that was enough");
}

/// A stage for each number.
pub(crate) fn stages(host: &Host) -> Result<(), Error> {
    (0..).try_for_each(|number| host.stage(&format!("stage {number}"), 0))
}

/// Opens and opens, and drops nothing.
pub(crate) fn handles(host: &Host) -> Result<(), Error> {
    let mut open = Vec::new();
    loop {
        open.push(host.input("captures:misbehave.rows")?);
    }
}
