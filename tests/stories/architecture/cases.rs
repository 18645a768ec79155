//! `docs/acceptance-cases.md` tells the truth: every case has a test, and each test that it names is where it says.

use super::sources::root;

/// Each letter of the cases, and how many it has.
const CASES: [(char, u32); 14] = [
    ('W', 22),
    ('H', 9),
    ('T', 15),
    ('E', 9),
    ('R', 13),
    ('C', 11),
    ('B', 14),
    ('L', 11),
    ('X', 17),
    ('D', 7),
    ('M', 7),
    ('Y', 6),
    ('Z', 4),
    ('P', 10),
];

/// `W3`, or `W1 to W9`.
fn numbers(label: &str) -> Vec<String> {
    let (first, last) = label.split_once(" to ").unwrap_or((label, label));
    let number = |case: &str| case[1..].parse::<u32>().unwrap();
    (number(first)..=number(last)).map(|number| format!("{}{number}", &first[..1])).collect()
}

#[test]
fn every_case_has_a_test_and_the_page_names_it() {
    let page = std::fs::read_to_string(root().join("docs/acceptance-cases.md")).unwrap();
    let mut told = std::collections::BTreeSet::new();
    let mut labels = Vec::new();
    for line in page.lines().filter(|line| line.contains("`case_")) {
        let [_, label, test, file, _] =
            line.split('|').map(|cell| cell.trim().trim_matches('`')).collect::<Vec<_>>()[..]
        else {
            panic!("not a line of the table: {line}");
        };
        // A case with several tests is named at the first of them.
        if !label.is_empty() {
            labels = numbers(label);
        }
        for case in &labels {
            assert!(format!("{test}_").contains(&format!("_{}_", case.to_lowercase())), "{case} is not in `{test}`");
        }
        told.extend(labels.iter().cloned());
        let source = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(source.contains(test), "`{test}` is not in {file}");
    }
    let all = CASES.iter().flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}")));
    let missing: Vec<String> = all.filter(|case| !told.contains(case)).collect();
    assert!(missing.is_empty(), "cases without a test: {missing:?}");
}
