//! Whatever is wrong with an input, nothing is lost: the run is recorded with its error, what it read is kept, and what
//! was published before is untouched. Alone and through a serving host, with the same words.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::TestHost;
use tests::data_folder::{self, Known};
use tests::files::{THREE_ROWS, exchange, regsho};

const PIPELINE: &str = "finra.regsho_daily";
const HEADER: &str = "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market\n";

/// A bad file, by the name of what is wrong with it, and how its run must end.
struct Bad {
    what: &'static str,
    file: &'static str,
    /// None: there is no such file.
    bytes: Option<Vec<u8>>,
    exit: i32,
    kind: &'static str,
    code: &'static str,
}

/// A bad consolidated file of 2021-01-28.
fn bad(what: &'static str, bytes: impl Into<Vec<u8>>, exit: i32, kind: &'static str, code: &'static str) -> Bad {
    Bad { what, file: "CNMSshvol20210128.txt", bytes: Some(bytes.into()), exit, kind, code }
}

fn all() -> Vec<Bad> {
    let good = regsho("20210128", &THREE_ROWS);
    let rows = |rows: &[&str]| regsho("20210128", rows);
    let noise: Vec<u8> = (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        Bad { bytes: None, ..bad("absent", "", 1, "source", "not_found") },
        bad("empty", "", 1, "parse", "empty_file"),
        bad("binary", noise, 1, "parse", "not_text"),
        bad("wrong header", good.replace("ShortVolume", "Sold"), 1, "parse", "header_mismatch"),
        bad("five columns", exchange("20210128", &["AAA|1|2|B"]), 1, "parse", "header_mismatch"),
        bad("no line is good", rows(&["|1|0|2|Q", "BBB|x|0|2|Q"]), 1, "validation", "all_rejected"),
        bad("header only", HEADER, 3, "validation", "quality_blocked"),
        bad("empty day", rows(&[]), 3, "validation", "quality_blocked"),
        bad("cut", &good[..good.find("TPC").unwrap() + 5], 3, "validation", "quality_blocked"),
        bad("wrong trailer", good.replace("\n3\n", "\n4\n"), 3, "validation", "quality_blocked"),
        bad("no trailer", good.replace("\n3\n", "\n"), 3, "validation", "quality_blocked"),
        bad("another day's rows", regsho("20210127", &THREE_ROWS), 3, "validation", "quality_blocked"),
        bad("short over total", rows(&["AAA|3|0|2|Q"]), 3, "validation", "quality_blocked"),
        bad("duplicate key", rows(&["AAA|1|0|2|Q", "AAA|9|0|9|Q"]), 3, "validation", "unique_key"),
        Bad {
            file: "CNMSshvol20210118.txt",
            ..bad("holiday", regsho("20210118", &THREE_ROWS), 3, "validation", "quality_blocked")
        },
    ]
}

/// The captures of the dataset, newest first.
fn captures(host: &TestHost) -> Vec<Value> {
    host.ask(&["captures", PIPELINE]).exits(0).json().as_array().unwrap().clone()
}

fn is_published(capture: &&Value) -> bool {
    capture["state"] == "published"
}

/// Delivers every bad file after a good one of the same day and looks for what might be lost.
fn nothing_is_lost(host: &TestHost) {
    host.run(PIPELINE, &host.file("good/CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS)), &[]).exits(0);
    let (published, rows) = (captures(host), host.query("SELECT * FROM finra.regsho_daily ORDER BY symbol"));
    for Bad { what, file, bytes, exit, kind, code } in all() {
        let path = host.folder().join("bad").join(file);
        match &bytes {
            Some(bytes) => drop(host.file(&format!("bad/{file}"), bytes)),
            None => assert!(!path.exists()),
        }
        let answer = host.run(PIPELINE, &path, &[]);
        assert_eq!(answer.code, exit, "{what}: {}", answer.stderr);
        let told = answer.json();
        let error = json!([told["status"], told["error"]["kind"], told["error"]["code"]]);
        assert_eq!(error, json!(["failed", kind, code]), "{what}");
        assert!(answer.stderr.lines().any(|line| line.starts_with("error: ")), "{what}: {}", answer.stderr);

        let mut recorded = host.ask(&["runs", "show", told["run_id"].as_str().unwrap()]).exits(0).json();
        let inputs = recorded.as_object_mut().unwrap().remove("inputs").unwrap();
        let digests: Vec<&Value> = inputs.as_array().unwrap().iter().map(|input| &input["digest"]).collect();
        let read = told.get("input_hash").filter(|hash| !hash.is_null());
        assert_eq!(digests, Vec::from_iter(read), "{what}: the ledger names what was read");
        assert_eq!(recorded, told, "{what}: the ledger says what its caller was told");
        match told["input_hash"].as_str() {
            Some(digest) => assert!(data_folder::has_input(&host.data(), digest), "{what}: the input is kept"),
            None => assert!(bytes.is_none(), "{what}: an input that was read has its digest recorded"),
        }
        let now = captures(host);
        let (kept, new): (Vec<&Value>, Vec<&Value>) = now.iter().partition(is_published);
        assert_eq!(kept, published.iter().collect::<Vec<_>>(), "{what}: captures are untouched");
        // Content that waits already is named again, not kept twice.
        let named: Vec<&Value> = told["captures"].as_array().unwrap().iter().map(|it| &it["capture_id"]).collect();
        let kept_back = new.iter().filter(|capture| named.contains(&&capture["capture_id"])).count();
        let blocked = usize::from(code == "quality_blocked");
        assert_eq!((named.len(), kept_back), (blocked, blocked), "{what}: what is blocked is kept, and nothing else");
        let of_this_run = new.iter().filter(|capture| capture["run_id"] == told["run_id"]).count();
        assert!(of_this_run <= blocked, "{what}");
        assert_eq!(host.query("SELECT * FROM finra.regsho_daily ORDER BY symbol"), rows, "{what}");
    }
}

#[test]
fn by_a_lone_run() {
    let host = TestHost::new();
    nothing_is_lost(&host);
    let ids = |rows: &[Value], key: &str, at_least_one: &str| -> BTreeSet<String> {
        let rows = rows.iter().filter(|row| row[at_least_one] != 0);
        rows.map(|row| row[key].as_str().unwrap().to_owned()).collect()
    };
    let runs = host.ask(&["runs", "list"]).exits(0).json();
    let known = Known {
        captures: ids(&captures(&host), "capture_id", "rows"),
        rejecting: ids(runs["runs"].as_array().unwrap(), "run_id", "rejected"),
    };
    assert_eq!(data_folder::strangers(&host.data(), &known), Vec::<String>::new());
}

#[test]
fn by_a_serving_host() {
    let host = TestHost::new();
    let serving = host.serve();
    nothing_is_lost(&host);
    assert_eq!(serving.stop().0, 0);
}
