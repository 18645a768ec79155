//! A recorded run is carried out again, and gives the same bits.

use serde_json::{Value, json};
use tests::files::{THREE_ROWS, otc_weekly, regsho};
use tests::{TestHost, component, relabelled};

fn replayed(host: &TestHost, run: &Value) -> Value {
    host.ask(&["replay", run["run_id"].as_str().unwrap()]).exits(0).json()
}

#[test]
fn what_a_run_delivered_is_delivered_again_bit_for_bit() {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let first = host.run("finra.regsho_daily", &file, &[]).exits(0).json();
    let corrected = ["AAA|101|10|400|B,Q,N", "BBB|50.500000|0|101|Q", "broken"];
    std::fs::write(&file, regsho("20210128", &corrected)).unwrap();
    let second = host.run("finra.regsho_daily", &file, &[]).exits(0).json();
    let unchanged = host.run("finra.regsho_daily", &file, &[]).exits(0).json();
    std::fs::remove_file(&file).unwrap();

    for run in [&first, &second, &unchanged] {
        let report = replayed(&host, run);
        assert_eq!((&report["identical"], &report["findings"]), (&json!(true), &json!([])), "{report}");
        let output = &report["outputs"][0];
        assert_eq!(output["recorded_hash"], run["captures"][0]["content_hash"]);
        assert_eq!(output["replayed_hash"], output["recorded_hash"]);
        assert_eq!(output["partition"], json!({"trade_date": "2021-01-28"}));
        assert_eq!(report["recorded_rejected"], run["rejected"]);
    }
    let runs = host.ask(&["runs", "list"]).exits(0).json()["runs"].as_array().unwrap().len();
    assert_eq!(runs, 3, "a replay makes no run");
}

#[test]
fn a_run_is_replayed_by_the_version_that_ran_also_when_its_file_is_gone() {
    let host = TestHost::without_plugins();
    let finra = std::fs::read(component("finra")).unwrap();
    std::fs::write(host.plugins().join("finra.wasm"), &finra).unwrap();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let run = host.run("finra.regsho_daily", &file, &[]).exits(0).json();
    std::fs::write(host.plugins().join("finra.wasm"), relabelled(&finra, "2")).unwrap();
    let serving = host.serve();
    let report = replayed(&host, &run);
    assert_eq!((&report["identical"], &report["plugin"]), (&json!(true), &run["plugin"]), "{report}");
    assert_eq!(serving.stop().0, 0);

    let kept = run["plugin"]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    std::fs::remove_file(host.data().join("plugins").join(format!("{kept}.wasm"))).unwrap();
    let gone = host.ask(&["replay", run["run_id"].as_str().unwrap()]).exits(2);
    assert_eq!(gone.error_code(), "not_kept");
}

#[test]
fn failed_and_blocked_runs_are_replayed_too() {
    let host = TestHost::new();
    let short = regsho("20210128", &THREE_ROWS).replace("\n3\n", "\n4\n");
    let file = host.file("CNMSshvol20210128.txt", short);
    let blocked = host.run("finra.regsho_daily", &file, &[]).exits(3).json();
    let report = replayed(&host, &blocked);
    assert_eq!(report["identical"], true, "{report}");
    assert_eq!(report["outputs"][0]["recorded_hash"], blocked["captures"][0]["content_hash"]);

    let wrong = host.file("CNMSshvol20210129.txt", "who knows\n");
    let failed = host.run("finra.regsho_daily", &wrong, &[]).exits(1).json();
    let report = replayed(&host, &failed);
    assert_eq!((&report["identical"], &report["recorded_error"]["code"]), (&json!(true), &json!("header_mismatch")));
    assert_eq!(report["replayed_error"]["code"], "header_mismatch");

    let rows = ["OTC|ABCD|ABC Co|Citadel|CDRG|100|2|20251215", "OTC|ABCD|ABC Co|Virtu|NITE|50|1|20251215"];
    let weekly = host.file("otc_20251215.csv", otc_weekly(&rows));
    let run = host.run("finra.otc_weekly", &weekly, &[]).json();
    assert_eq!(replayed(&host, &run)["identical"], true, "{run}");
}

/// All kinds of work over two plugins, by turns. The long form has a hundred runs.
#[test]
fn every_run_of_many_kinds_is_replayed_identically() {
    let runs = if std::env::var_os("SPINE_SOAK").is_some() { 100 } else { 10 };
    let host = TestHost::new();
    host.install(&component("hello_rust"), "hello_rust.wasm");
    host.install(&component("documents"), "documents.wasm");
    let serving = host.serve();
    for number in 0..runs {
        let (day, volume) = (1 + number / 5 % 28, 100 + number);
        let date = format!("202101{day:02}");
        let answer = match number % 5 {
            0 => {
                let row = format!("AAA|{volume}|1|{}|B", 2 * volume);
                let file = host.file(&format!("CNMSshvol{date}.txt"), regsho(&date, &[&row, "broken"]));
                host.run("finra.regsho_daily", &file, &[])
            }
            1 => {
                let text = format!(r#"{{"data": [{{"day": "2021-01-{day:02}", "symbol": "A", "volume": {volume}}}]}}"#);
                host.run("documents.whole", &host.file("day.json", text), &[])
            }
            2 => host.ask(&["run", "hello_rust.echo", "-p", &format!("text=number {number}")]),
            3 => host.run("documents.whole", &host.file("day.json", "{"), &[]),
            _ => {
                let row = format!("FNYX{number}|{volume}|0|{}|N", 3 * volume);
                let file = host.file(&format!("FNYXshvol{date}.txt"), regsho(&date, &[&row]));
                host.run("finra.regsho_daily", &file, &[])
            }
        };
        let run = answer.json();
        let report = host.ask(&["replay", run["run_id"].as_str().unwrap()]);
        assert_eq!((report.code, &report.json()["identical"]), (0, &json!(true)), "{run}\n{}", report.stdout);
    }
    println!("{runs} runs replayed, all identical");
    assert_eq!(serving.stop().0, 0);
}

#[test]
fn what_cannot_be_replayed_says_why() {
    let host = TestHost::new();
    let absent = "run_01h455vb4pex5vsknk084sn02q";
    let answer = host.ask(&["replay", absent]);
    assert_eq!(answer.code, 2, "{}", answer.stderr);
    let file = host.folder().join("absent.txt");
    let failed = host.run("finra.regsho_daily", &file, &[]).exits(1).json();
    let answer = host.ask(&["replay", failed["run_id"].as_str().unwrap()]);
    assert_ne!(answer.code, 0, "there is nothing to replay it on: {}", answer.stdout);
    assert!(!answer.stderr.is_empty());
}

/// A host with a plugin whose source reads the folder `drop`.
fn reading_a_folder(plugin: &str) -> TestHost {
    let host = TestHost::without_plugins();
    host.install(&component(plugin), &format!("{plugin}.wasm"));
    host.file("spine.toml", format!("[plugins.{plugin}.grants]\nfolders = {{ drop = \"drop\" }}\n"));
    host
}

#[test]
fn a_source_is_replayed_on_what_its_folder_and_its_cursor_held_then() {
    for (plugin, source) in [("finra", "finra.regsho_drop"), ("hello_rust", "hello_rust.drop")] {
        let host = reading_a_folder(plugin);
        // Sessions only: a file of another day is blocked.
        let sessions = [4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 19, 20, 21, 22, 25, 26, 27, 28, 29];
        let day = |day: usize, volume: u32| match (plugin, sessions[day]) {
            ("finra", day) => {
                let date = format!("202101{day:02}");
                let text = regsho(&date, &[&format!("AAA|{volume}|1|{}|B", 2 * volume)]);
                host.file(&format!("drop/CNMSshvol{date}.txt"), text)
            }
            (_, day) => {
                let text = format!("Date|Symbol|Volume\n2021-01-{day:02}|AAA|{volume}\n");
                host.file(&format!("drop/volumes_202101{day:02}.psv"), text)
            }
        };
        let run = || host.ask(&["run", source]).exits(0).json();
        // More files than one page of a discovery takes.
        let files: Vec<_> = (0..18).map(|number| day(number, 10)).collect();
        let first = run();
        day(3, 30);
        let corrected = day(18, 10);
        let second = run();
        let nothing = run();
        // The example goes by names alone, so a file that was corrected is no news to it.
        let news = if plugin == "finra" { 2 } else { 1 };
        assert_eq!(second["captures"].as_array().unwrap().len(), news, "{second}");
        assert_eq!(nothing["captures"], json!([]));

        // The folder is another one by now, and then none at all.
        day(1, 99);
        std::fs::remove_file(&files[1]).unwrap();
        for _ in 0..2 {
            for run in [&first, &second, &nothing] {
                let report = replayed(&host, run);
                assert_eq!(report["identical"], true, "{plugin}: {report}");
                let delivered = report["outputs"].as_array().unwrap().len();
                assert_eq!(delivered, run["captures"].as_array().unwrap().len(), "{plugin}");
            }
            let _ = std::fs::remove_dir_all(corrected.parent().unwrap());
        }
    }
}

#[test]
fn a_source_that_found_an_unreadable_file_fails_again_in_the_same_way() {
    let host = reading_a_folder("finra");
    let file = host.file("drop/CNMSshvol20210128.txt", "who knows\n");
    let failed = host.ask(&["run", "finra.regsho_drop"]).json();
    assert_eq!(failed["error"]["code"], "header_mismatch", "{failed}");
    std::fs::write(&file, regsho("20210128", &THREE_ROWS)).unwrap();
    let report = replayed(&host, &failed);
    assert_eq!((&report["identical"], &report["replayed_error"]["code"]), (&json!(true), &json!("header_mismatch")));
}

#[test]
fn a_run_with_a_granted_secret_is_replayed_without_it() {
    let host = TestHost::without_plugins();
    host.install(&component("courier"), "courier.wasm");
    let key = host.file("key", "correct-horse-battery");
    host.file("spine.toml", "[plugins.courier.grants]\nsecrets = { key = { file = \"key\" } }\n");
    let send = ["run", "courier.send", "-p", "url=http://127.0.0.1:1/", "-p", "header=authorization: Bearer {key}"];
    let run = host.ask(&send).exits(0).json();
    assert_eq!(run["result"][0]["code"], "not_granted");
    std::fs::remove_file(key).unwrap();
    assert_eq!(replayed(&host, &run)["identical"], true);
    assert_eq!(host.ask(&send).exits(1).error_code(), "secret_unreadable", "a new run needs it");
}

#[test]
fn a_run_with_a_secret_parameter_is_not_replayed_and_the_refusal_says_why() {
    let host = TestHost::without_plugins();
    host.install(&component("confidant"), "confidant.wasm");
    let run = host.ask(&["run", "confidant.tell", "-p", "token=sesame"]).exits(0).json();
    let answer = host.ask(&["replay", run["run_id"].as_str().unwrap()]);
    assert_eq!(answer.error_code(), "secret_lost");
    let message = answer.stderr.clone();
    assert!(message.contains("secret parameter, whose value was in the guest's memory only"), "{message}");
}

/// Clock, seed, inputs, folders and answers are those of the run, so hardly anything is left that could differ. What an
/// operator shows a guest by `reveal` is: its value is kept nowhere, and may have changed since.
#[test]
fn a_revealed_secret_that_changed_since_is_found_and_the_finding_names_the_column() {
    let host = TestHost::without_plugins();
    host.install(&component("courier"), "courier.wasm");
    let key = host.file("key", "first");
    host.file("spine.toml", "[plugins.courier.grants]\nsecrets = { key = { file = \"key\", reveal = true } }\n");
    let run = host.ask(&["run", "courier.note"]).exits(0).json();
    assert_eq!(replayed(&host, &run)["identical"], true);
    std::fs::write(&key, "second").unwrap();
    let report = host.ask(&["replay", run["run_id"].as_str().unwrap()]).exits(1).json();
    assert_eq!(report["identical"], false, "{report}");
    let finding = report["findings"][0].as_str().unwrap();
    assert!(finding.contains("columns with other values: `letters` in 1 rows"), "{finding}");
    assert_eq!(report["outputs"][0]["difference"]["columns"]["letters"], 1, "{report}");
}
