//! Every line that does not parse is a reject with its number and raw text, however many there are.

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::regsho;

const PIPELINE: &str = "finra.regsho_daily";
const BAD_LINES: usize = 150_000;

/// Lines of which every one but the first is bad, each in a way of its own.
fn bad_rows() -> Vec<String> {
    let bad = (1..=BAD_LINES).map(|at| match at % 3 {
        0 => format!("S{at}|x{at}|0|2|Q"),
        1 => format!("|{at}|0|{at}|Q"),
        _ => format!("S{at}|{at}"),
    });
    std::iter::once("AAA|1|0|2|Q".to_owned()).chain(bad).collect()
}

fn run(host: &TestHost, rows: &[String]) -> Value {
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &rows));
    host.run(PIPELINE, &file, &[]).exits(0).json()
}

fn files(host: &TestHost) -> Vec<String> {
    let folder = std::fs::read_dir(host.data().join("rejects")).unwrap();
    folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_hundred_and_fifty_thousand_bad_lines_are_all_there_with_their_text_in_order_of_line() {
    let host = TestHost::new();
    let few = run(&host, &["AAA|1|0|2|Q", "BBB|x|0|2|Q"].map(str::to_owned));
    let rows = bad_rows();
    let many = run(&host, &rows);
    assert_eq!((&many["rows_in"], &many["rows_out"]), (&json!(BAD_LINES + 1), &json!(1)));
    assert_eq!(many["rejected"], BAD_LINES);
    assert!(!many["quality"].to_string().contains("rejects_kept"), "no limit cut them");

    let id = many["run_id"].as_str().unwrap();
    assert_eq!(files(&host), [format!("{id}.1.parquet")], "a few rejects have no file");
    let listed = host.ask(&["rejects", "--run", id]).exits(0).json();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), BAD_LINES);
    for (reject, (at, row)) in listed.iter().zip(rows.iter().enumerate().skip(1)) {
        assert_eq!((&reject["run_id"], &reject["line"]), (&json!(id), &json!(at + 2)));
        assert_eq!(reject["raw"], format!("20210128|{row}"));
        let code = ["bad_field", "blank_key", "field_count"][at % 3];
        assert_eq!(reject["code"], code, "{reject}");
    }

    let all = host.ask(&["rejects"]).exits(0).json();
    let all = all.as_array().unwrap();
    assert_eq!((all.len(), &all[0]["run_id"]), (BAD_LINES + 1, &json!(id)), "newest run first");
    let last = all.last().unwrap();
    assert_eq!((&last["run_id"], &last["raw"]), (&few["run_id"], &json!("20210128|BBB|x|0|2|Q")));
    let keys: Vec<&String> = last.as_object().unwrap().keys().collect();
    assert_eq!(keys, all[0].as_object().unwrap().keys().collect::<Vec<_>>(), "both kinds look alike");

    let first = host.ask(&["rejects", "--limit", "2"]).exits(0).json();
    assert_eq!(first.as_array().unwrap()[..], listed[..2]);
    let table = host.show(&["rejects"]).exits(0).stdout;
    assert!(table.contains("50,000 bad_field, 50,000 blank_key, 50,000 field_count"), "{table}");
    assert!(table.contains("--limit"), "{table}");
    let csv = host.show(&["rejects", "--run", id, "-o", "csv"]).exits(0).stdout;
    assert_eq!(csv.lines().count(), BAD_LINES + 1);
    assert!(csv.starts_with("run_id,line,code,message,raw\n"), "{}", &csv[..100]);
}

#[test]
fn a_limit_cuts_the_list_and_not_the_count_and_says_so() {
    let host = TestHost::new();
    let config = host.file("spine.toml", "[limits]\nrejects = 1500\n");
    let rows = bad_rows();
    let rows: Vec<&str> = rows[..2_001].iter().map(String::as_str).collect();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &rows));
    let report = host.run(PIPELINE, &file, &["--config", config.to_str().unwrap()]).exits(0).json();
    assert_eq!(report["rejected"], 2_000);
    let quality = report["quality"].as_array().unwrap();
    let cut = quality.iter().find(|result| result["check"] == "rejects_kept").unwrap();
    assert_eq!((&cut["status"], &cut["actual"], &cut["expected"]), (&json!("WARN"), &json!("2000"), &json!("1500")));
    assert_eq!(host.ask(&["rejects"]).exits(0).json().as_array().unwrap().len(), 1_500);
}

#[test]
fn a_dry_run_shows_its_first_rejects_and_leaves_no_file() {
    let host = TestHost::new();
    let rows = bad_rows();
    let rows: Vec<&str> = rows[..2_001].iter().map(String::as_str).collect();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &rows));
    let dry = || host.run(PIPELINE, &file, &["--dry-run"]).exits(0).json();
    let alone = dry();
    assert_eq!(alone["rejected"], 2_000);
    assert!(!host.data().join("rejects").exists(), "nothing is made in the data folder");
    assert_eq!(alone["rejects"].as_array().unwrap().len(), 1_000);
    assert_eq!(
        alone["rejects"][0],
        json!({
            "code": "blank_key", "line": 3, "raw": format!("20210128|{}", rows[1]),
            "message": alone["rejects"][0]["message"],
        })
    );
    let shown = host.show(&["run", PIPELINE, "-p", &format!("file={}", file.display()), "--dry-run"]).exits(0).stdout;
    assert!(shown.contains("20 of 2,000 rejected lines; `-o json` has 1,000"), "{shown}");
    assert!(!shown.contains("spine-host rejects"), "nothing to ask for later: {shown}");

    let serving = host.serve();
    assert_eq!(dry()["rejects"], alone["rejects"], "a host shows the same");
    assert_eq!(serving.stop().0, 0);
    let recorded = host.run(PIPELINE, &file, &[]).exits(0).json();
    assert_eq!(recorded.get("rejects"), None, "those of a recorded run are in the ledger");
}

#[test]
fn the_next_start_removes_files_of_rejects_that_no_row_names_and_no_other() {
    let host = TestHost::new();
    let report = run(&host, &bad_rows()[..2_001]);
    let kept = format!("{}.1.parquet", report["run_id"].as_str().unwrap());
    let other = run(&host, &["AAA|1|0|2|Q".to_owned()])["run_id"].as_str().unwrap().to_owned();
    let folder = host.data().join("rejects");
    // What a process that was killed leaves: a file that no commit named, and one that was not whole.
    std::fs::copy(folder.join(&kept), folder.join(format!("{other}.1.parquet"))).unwrap();
    std::fs::write(folder.join(format!(".{other}.0.tmp")), "x").unwrap();
    run(&host, &["AAA|1|0|2|Q".to_owned()]);
    assert_eq!(files(&host), [kept]);
    assert_eq!(host.ask(&["rejects"]).exits(0).json().as_array().unwrap().len(), 2_000);
}

#[test]
fn a_file_of_rejects_that_is_missing_or_damaged_hides_no_rejects_of_other_runs() {
    let host = TestHost::new();
    let id = |report: &Value| report["run_id"].as_str().unwrap().to_owned();
    let few = id(&run(&host, &["AAA|1|0|2|Q", "BBB|x|0|2|Q"].map(str::to_owned)));
    let [missing, whole, damaged] = [2_001, 2_002, 2_003].map(|lines| id(&run(&host, &bad_rows()[..lines])));
    let file = |run: &str| host.data().join("rejects").join(format!("{run}.1.parquet"));
    std::fs::remove_file(file(&missing)).unwrap();
    std::fs::write(file(&damaged), "PAR1").unwrap();

    let answer = host.ask(&["rejects"]).exits(0);
    let listed = answer.json();
    let of = |run: &str| listed.as_array().unwrap().iter().filter(|reject| reject["run_id"] == run).count();
    assert_eq!([&few, &missing, &whole, &damaged].map(|run| of(run)), [1, 0, 2_001, 0]);
    let warnings: Vec<&str> = answer.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 2, "{}", answer.stderr);
    for (warning, run) in warnings.iter().zip([&damaged, &missing]) {
        assert!(warning.contains(&format!("rejects/{run}.1.parquet")), "{warning}");
        assert!(warning.contains("restore it from a backup, or run the input again"), "{warning}");
    }
    let table = host.show(&["rejects", "--limit", "5000"]).exits(0).stdout;
    assert!(table.contains(&format!("in `rejects/{missing}.1.parquet`, which cannot be read")), "{table}");
    assert_eq!(host.show(&["rejects", "-o", "csv"]).exits(0).stdout.lines().count(), 2_003);

    assert_eq!(host.ask(&["rejects", "--run", &missing]).exits(1).error_code(), "not_found");
    assert_eq!(host.ask(&["rejects", "--run", &damaged]).exits(1).error_code(), "corrupt");
    host.ask(&["rejects", "--run", &whole]).exits(0);
}
