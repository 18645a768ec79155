//! Takes out of a text what differs from one time to the next, and keeps its layout: what goes is replaced by as many
//! characters, but for durations.

/// How a duration is shown where it is a column.
const MS: &str = "duration ms";
const MS_WIDTH: usize = 12;

/// A time as all outputs write it.
const TIME: &str = "2026-01-31T18:00:00.000000Z";

/// Ids, digests, times and durations give way to fixed ones.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        out.push_str(&durations(&words(&times(line))));
    }
    fix_column(&out)
}

/// Whole words of as many hexadecimal digits as ids and digests have.
fn words(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit()) && [12, 32, 64].contains(&word.len());
        out.push_str(&if is_hex { "x".repeat(word.len()) } else { word.to_owned() });
        let end = after.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(after.len());
        out.push_str(&after[..end]);
        rest = &after[end..];
    }
    out
}

fn times(line: &str) -> String {
    let is_time = |text: &str| {
        let same = |(a, b): (u8, u8)| a == b || a.is_ascii_digit() && b.is_ascii_digit();
        text.bytes().zip(TIME.bytes()).all(same)
    };
    let mut out = line.to_owned();
    for at in 0..line.len().saturating_sub(TIME.len() - 1) {
        if line.get(at..at + TIME.len()).is_some_and(is_time) {
            out.replace_range(at..at + TIME.len(), TIME);
        }
    }
    out
}

/// `1,203 ms` becomes `N ms`.
fn durations(line: &str) -> String {
    let Some((before, after)) = line.split_once(" ms") else { return line.to_owned() };
    let kept = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',');
    if kept.len() == before.len() { line.to_owned() } else { format!("{kept}N ms{after}") }
}

/// Where a table has a column of durations, it gets one width and no values.
fn fix_column(text: &str) -> String {
    let Some(header) = text.lines().find(|line| line.split(['│', '┆']).any(|cell| cell.trim() == MS)) else {
        return text.to_owned();
    };
    let borders: Vec<usize> =
        header.chars().enumerate().filter(|(_, c)| ['│', '┆'].contains(c)).map(|(at, _)| at).collect();
    let cells = header.split(['│', '┆']).skip(1);
    let column = cells.take_while(|cell| cell.trim() != MS).count();
    let (from, to) = (borders[column] + 1, borders[column + 1]);
    let fix = |line: &str| {
        let chars: Vec<char> = line.chars().collect();
        let old: String = chars[from..to].iter().collect();
        let new = match old.trim() {
            MS => format!("{MS:>MS_WIDTH$} "),
            value if value.starts_with(|c: char| c.is_ascii_digit()) => format!("{:>MS_WIDTH$} ", "N"),
            _ => chars[from..from + 1].iter().collect::<String>().repeat(MS_WIDTH + 1),
        };
        let (before, after): (String, String) = (chars[..from].iter().collect(), chars[to..].iter().collect());
        format!("{before}{new}{after}")
    };
    let is_row = |line: &&str| line.chars().count() == header.chars().count() && !line.starts_with('$');
    text.lines().map(|line| if is_row(&line) { fix(line) } else { line.to_owned() } + "\n").collect()
}

#[test]
fn what_differs_is_replaced_and_the_layout_stays() {
    let digest = "0123456789ab";
    assert_eq!(text(&format!("a {digest} b {digest}c")), format!("a xxxxxxxxxxxx b {digest}c"));
    assert_eq!(text("at 2021-12-31T23:59:59.123456Z, 2021-12-31"), format!("at {TIME}, 2021-12-31"));
    assert_eq!(text("took 1,203 ms\nin ms\n"), "took N ms\nin ms\n");
    let table = "┌───┬─────────────┐\n│ a ┆ duration ms │\n╞═══╪═════════════╡\n│ b ┆       1,203 │\n│ c ┆             │\n└───┴─────────────┘\n2 rows\n";
    let fixed = "┌───┬─────────────┐\n│ a ┆ duration ms │\n╞═══╪═════════════╡\n│ b ┆           N │\n│ c ┆             │\n└───┴─────────────┘\n2 rows\n";
    assert_eq!(text(table), fixed);
}
