//! Small input files written by hand in the publishers' formats, for stories where every row matters.

/// A consolidated (or single facility's six-column) Reg SHO file: header, rows, trailer with the count.
///
/// A row is `SYMBOL|SHORT|EXEMPT|TOTAL|MARKET`.
pub fn regsho(date: &str, rows: &[&str]) -> String {
    let mut text = String::from("Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market\n");
    for row in rows {
        text.push_str(&format!("{date}|{row}\n"));
    }
    text.push_str(&format!("{}\n", rows.len()));
    text
}

/// An exchange's five-column file: no exempt column, no trailer, a blank last line. A row is `SYMBOL|SHORT|TOTAL|MARKET`.
pub fn exchange(date: &str, rows: &[&str]) -> String {
    let mut text = String::from("DATE|SYMBOL|SHORT VOLUME|TOTAL VOLUME|MARKET\n");
    for row in rows {
        text.push_str(&format!("{date}|{row}\n"));
    }
    text.push('\n');
    text
}

/// An OTC transparency weekly file, last line without a line end, as the publisher writes it.
pub fn otc_weekly(rows: &[&str]) -> String {
    let header = "tierDescription|issueSymbolIdentifier|issueName|marketParticipantName|MPID|totalWeeklyShareQuantity|\
                  totalWeeklyTradeCount|lastUpdateDate";
    let mut lines = vec![header];
    lines.extend(rows);
    lines.join("\n")
}

/// Three ordinary rows of a consolidated file.
pub const THREE_ROWS: [&str; 3] = ["AAA|100|10|400|B,Q,N", "BBB|50.500000|0|101|Q", "TPC|7|7|7|N"];
