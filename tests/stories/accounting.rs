//! Of a pipeline that promises one row for each line, rows and rejects are the lines that were read: however a run ends.

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::regsho;

const PIPELINE: &str = "finra.regsho_daily";

/// What a file holds, and how its run ends.
struct Case {
    ends: &'static str,
    code: Option<&'static str>,
    rows: &'static [&'static str],
    /// Added to the count in the trailer.
    miscount: usize,
    rows_out: u64,
}

const GOOD: [&str; 3] = ["AAA|1|0|2|Q", "BBB|1|0|2|Q", "CCC|1|0|2|Q"];

/// In this order: the second delivers what the first has published.
const CASES: [Case; 7] = [
    Case { ends: "published", code: None, rows: &["AAA|1|0|2|Q", "|1|0|2|Q", "BBB|x|0|2|Q"], miscount: 0, rows_out: 1 },
    Case { ends: "unchanged", code: None, rows: &["AAA|1|0|2|Q", "CCC|1|0"], miscount: 0, rows_out: 1 },
    Case { ends: "published", code: None, rows: &GOOD, miscount: 0, rows_out: 3 },
    Case {
        ends: "quarantined",
        code: Some("quality_blocked"),
        rows: &["AAA|1|0|2|Q", "BBB|-1|0|2|Q", "CCC|1|0"],
        miscount: 1,
        rows_out: 1,
    },
    Case {
        ends: "failed",
        code: Some("unique_key"),
        rows: &["AAA|1|0|2|Q", "BBB|-1|0|2|Q", "CCC|x|0|2|Q", "AAA|2|0|2|Q", "DDD|1|0|2|Q"],
        miscount: 0,
        rows_out: 0,
    },
    // Blocked by its trailer as well: the key decides.
    Case {
        ends: "failed",
        code: Some("unique_key"),
        rows: &["AAA|1|0|2|Q", "AAA|2|0|2|Q", "DDD|1|0|2|Q"],
        miscount: 1,
        rows_out: 0,
    },
    Case { ends: "failed", code: Some("all_rejected"), rows: &["|1|0|2|Q", "BBB|-1|0|2|Q"], miscount: 0, rows_out: 0 },
];

fn numbers(run: &Value) -> [u64; 3] {
    ["rows_in", "rows_out", "rejected"].map(|key| run[key].as_u64().unwrap_or_else(|| panic!("no `{key}` in {run}")))
}

#[test]
fn rows_and_rejects_are_the_lines_that_were_read_however_the_run_ends() {
    let host = TestHost::new();
    for case in CASES {
        let trailer = format!("\n{}\n", case.rows.len());
        let text = regsho("20210128", case.rows).replace(&trailer, &format!("\n{}\n", case.rows.len() + case.miscount));
        let file = host.file("CNMSshvol20210128.txt", text);
        let report = host.run(PIPELINE, &file, &[]).json();
        let run = report["run_id"].as_str().unwrap();
        assert_eq!(report["error"]["code"].as_str(), case.code, "{report}");
        assert_eq!(report["unchanged"], case.ends == "unchanged", "{report}");

        let [rows_in, rows_out, rejected] = numbers(&report);
        assert_eq!((rows_in, rows_out), (case.rows.len() as u64, case.rows_out), "{report}");
        assert_eq!(rows_out + rejected, rows_in, "{report}");
        let captured: u64 = report["captures"].as_array().unwrap().iter().map(|it| it["rows"].as_u64().unwrap()).sum();
        assert_eq!(captured, rows_out, "rows out are rows of captures: {report}");

        // The ledger says the same, and so do the event of the end and the rejects themselves.
        assert_eq!(numbers(&host.ask(&["runs", "show", run]).exits(0).json()), [rows_in, rows_out, rejected]);
        let events = host.ask(&["runs", "events", run]).exits(0).json();
        assert!(events.to_string().contains(case.ends), "{events}");
        let end = &events.as_array().unwrap().last().unwrap()["data"];
        assert_eq!((&end["rows_in"], &end["rejected"]), (&json!(rows_in), &json!(rejected)));
        let rejects = host.ask(&["rejects", "--run", run]).exits(0).json();
        let mut lines: Vec<u64> =
            rejects.as_array().unwrap().iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
        assert_eq!(lines.len() as u64, rejected);
        lines.dedup();
        assert_eq!(lines.len() as u64, rejected, "no line is a reject twice: {rejects}");

        let dry = host.run(PIPELINE, &file, &["--dry-run"]).json();
        assert_eq!(numbers(&dry), [rows_in, rows_out, rejected], "a dry run counts alike");
    }
}
