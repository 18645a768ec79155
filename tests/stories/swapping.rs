//! Plugins change while the host serves: new versions, bad files, links, renames, removals, and an operator who steps in.

mod load;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::files::{THREE_ROWS, regsho};
use tests::{Serving, TestHost, component, relabelled};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn finra(label: &str) -> Vec<u8> {
    relabelled(&std::fs::read(component("finra")).unwrap(), label)
}

/// Puts a file in place at once, as somebody who knows does it.
fn drop_in(host: &TestHost, name: &str, bytes: &[u8]) {
    let aside = host.folder().join("aside");
    std::fs::write(&aside, bytes).unwrap();
    std::fs::rename(&aside, host.plugins().join(name)).unwrap();
}

fn listed(serving: &Serving) -> Vec<Value> {
    let bearer = format!("Bearer {}", serving.token);
    let (status, body) = serving.http("GET", "/api/v1/plugins", &[("Authorization", &bearer)], "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(&body).unwrap().as_array().unwrap().clone()
}

/// Asks the host until the plugins are as expected; returns how long that took.
#[track_caller]
fn until(serving: &Serving, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Duration {
    let began = Instant::now();
    loop {
        let plugins = listed(serving);
        if is_so(&plugins) {
            return began.elapsed();
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {plugins:#?}");
        std::thread::yield_now();
    }
}

fn is_active(plugins: &[Value], digest: &str) -> bool {
    plugins.iter().any(|plugin| plugin["digest"] == digest && plugin["state"] == "active")
}

fn state_of<'a>(plugins: &'a [Value], digest: &str) -> &'a str {
    let plugin = plugins.iter().find(|plugin| plugin["digest"] == digest);
    plugin.and_then(|plugin| plugin["state"].as_str()).unwrap_or("absent")
}

fn run(host: &TestHost) -> Value {
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run("finra.regsho_daily", &file, &[]).exits(0).json()
}

fn history(host: &TestHost) -> Vec<(String, String)> {
    let events = host.ask(&["plugins", "history", "finra"]).exits(0).json();
    let events = events.as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    events.map(|event| (text(&event["type"]), text(&event["digest"]))).collect()
}

#[test]
fn a_new_version_takes_the_place_of_the_old_and_a_bad_file_does_not() {
    let host = TestHost::without_plugins();
    let (one, two) = (finra("1"), finra("2"));
    drop_in(&host, "finra.wasm", &one);
    let serving = host.serve();
    assert_eq!(run(&host)["plugin"]["digest"], digest(&one));

    drop_in(&host, "finra.wasm", &two);
    until(&serving, "the new version is active", |plugins| is_active(plugins, &digest(&two)));
    assert_eq!(run(&host)["plugin"]["digest"], digest(&two));

    let half = &two[..two.len() / 2];
    drop_in(&host, "finra.wasm", half);
    until(&serving, "the half file is refused", |plugins| state_of(plugins, &digest(half)) == "refused");
    let plugins = listed(&serving);
    assert!(is_active(&plugins, &digest(&two)), "{plugins:#?}");
    let refused = plugins.iter().find(|plugin| plugin["state"] == "refused").unwrap();
    assert!(refused["reasons"][0].as_str().unwrap().contains("not_a_component"), "{refused}");
    assert_eq!(run(&host)["plugin"]["digest"], digest(&two));

    let told = history(&host);
    let expected = [("activated", &one), ("replaced", &one), ("activated", &two)];
    for (at, (kind, bytes)) in expected.into_iter().enumerate() {
        assert_eq!(told[at], (kind.to_owned(), digest(bytes)), "{told:?}");
    }
    assert!(told.contains(&("drained".to_owned(), digest(&one))), "{told:?}");
    assert!(told.contains(&("refused".to_owned(), digest(half))), "{told:?}");
    assert_eq!(host.ask(&["plugins", "history", "fimra"]).exits(2).error_code(), "unknown_name");

    // A host that starts over the bad file brings the good version back from where versions are kept.
    assert_eq!(serving.stop().0, 0);
    let serving = host.serve();
    assert!(serving.ready.contains("plugins=1 refused=1"), "{}", serving.ready);
    assert_eq!(run(&host)["plugin"]["digest"], digest(&two));
}

#[test]
fn an_operator_rolls_back_and_the_file_does_not_undo_it() {
    let host = TestHost::without_plugins();
    let (one, two, three) = (finra("1"), finra("2"), finra("3"));
    drop_in(&host, "finra.wasm", &one);
    let serving = host.serve();
    drop_in(&host, "finra.wasm", &two);
    until(&serving, "the second", |plugins| is_active(plugins, &digest(&two)));

    let back = host.ask(&["plugins", "rollback", "finra"]).exits(0).json();
    assert_eq!((&back[0]["state"], &back[0]["digest"]), (&json!("active"), &json!(digest(&one))));
    assert_eq!(run(&host)["plugin"]["digest"], digest(&one));
    until(&serving, "the file is held back", |plugins| state_of(plugins, &digest(&two)) == "refused");
    assert_eq!(host.ask(&["plugins", "rollback", "finra", "--to", &digest(&three)]).exits(2).error_code(), "not_kept");
    assert_eq!(host.ask(&["plugins", "rollback", "fimra"]).exits(2).error_code(), "unknown_name");

    // Also with no host, and for the next one.
    assert_eq!(serving.stop().0, 0);
    assert_eq!(run(&host)["plugin"]["digest"], digest(&one));
    let shown = &digest(&two)[7..19];
    let forth = host.ask(&["plugins", "rollback", "finra", "--to", shown]).exits(0).json();
    assert_eq!(forth[0]["digest"], digest(&two), "as many digits as tables show");
    let failure = host.ask(&["plugins", "rollback", "finra", "--to", "0123456789ab"]).exits(2);
    assert_eq!(failure.error_code(), "not_kept");
    let serving = host.serve();
    assert_eq!(run(&host)["plugin"]["digest"], digest(&two));
    drop_in(&host, "finra.wasm", &three);
    until(&serving, "a new file", |plugins| is_active(plugins, &digest(&three)));
}

#[test]
fn a_file_of_another_place_does_not_take_over_a_plugin_that_was_granted_nothing() {
    let host = TestHost::without_plugins();
    let (one, two) = (finra("1"), finra("2"));
    drop_in(&host, "finra.wasm", &one);
    let serving = host.serve();
    std::fs::rename(host.plugins().join("finra.wasm"), host.folder().join("gone")).unwrap();
    drop_in(&host, "stranger.wasm", &two);
    until(&serving, "the stranger waits", |plugins| state_of(plugins, &digest(&two)) == "pending");
    let asked = host.ask(&["plugins", "grants", "finra"]).exits(0).json();
    let of_stranger = |asked: &&Value| asked["file"].as_str().unwrap().ends_with("stranger.wasm");
    let asked = asked["asked"].as_array().unwrap().iter().find(of_stranger).unwrap().clone();
    assert_eq!((&asked["state"], &asked["in_force"]), (&json!("pending"), &json!(false)), "{asked}");
    host.ask(&["plugins", "approve", "finra", "--digest", &digest(&two)[7..19]]).exits(0);
    assert_eq!(run(&host)["plugin"]["digest"], digest(&two));
    let told = history(&host).into_iter().filter(|(_, of)| *of == digest(&two)).map(|(kind, _)| kind);
    let told: Vec<String> = told.collect();
    assert!(told.ends_with(&["pending", "approved", "activated"].map(str::to_owned)), "{told:?}");
}

#[test]
fn files_may_come_and_go_in_every_way() {
    let host = TestHost::without_plugins();
    let serving = host.serve_with(&["--watch", "poll"]);
    let [one, two, three, four] = ["1", "2", "3", "4"].map(finra);
    let place = host.plugins().join("finra.wasm");

    // Copied slowly.
    std::fs::write(&place, &one[..one.len() / 3]).unwrap();
    std::fs::write(&place, &one).unwrap();
    until(&serving, "a copy", |plugins| is_active(plugins, &digest(&one)));
    // Replaced in place.
    std::fs::write(&place, &two).unwrap();
    until(&serving, "in place", |plugins| is_active(plugins, &digest(&two)));
    // Moved into a folder of its own.
    std::fs::create_dir(host.plugins().join("finra")).unwrap();
    std::fs::rename(&place, host.plugins().join("finra/plugin.wasm")).unwrap();
    until(&serving, "moved", |plugins| {
        is_active(plugins, &digest(&two)) && plugins[0]["file"].as_str().unwrap().ends_with("finra/plugin.wasm")
    });
    assert_eq!(run(&host)["plugin"]["digest"], digest(&two));
    // A link that is turned.
    std::fs::write(host.folder().join("three"), &three).unwrap();
    std::fs::write(host.folder().join("four"), &four).unwrap();
    std::fs::remove_dir_all(host.plugins().join("finra")).unwrap();
    symlink("../three", &place).unwrap();
    until(&serving, "a link", |plugins| is_active(plugins, &digest(&three)));
    symlink("../four", host.plugins().join("link.tmp")).unwrap();
    std::fs::rename(host.plugins().join("link.tmp"), &place).unwrap();
    until(&serving, "turned", |plugins| is_active(plugins, &digest(&four)));
    // A second file of the same name.
    drop_in(&host, "other.wasm", &one);
    until(&serving, "a namesake", |plugins| state_of(plugins, &digest(&one)) == "refused");
    assert!(is_active(&listed(&serving), &digest(&four)));
    std::fs::remove_file(host.plugins().join("other.wasm")).unwrap();
    // Gone.
    std::fs::remove_file(&place).unwrap();
    until(&serving, "gone", <[Value]>::is_empty);
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    assert_eq!(host.run("finra.regsho_daily", &file, &[]).exits(2).error_code(), "unknown_name");
}

#[test]
fn a_file_that_may_not_be_read_leaves_the_version_that_was_read() {
    let host = TestHost::without_plugins();
    let (one, two) = (finra("1"), finra("2"));
    drop_in(&host, "finra.wasm", &one);
    let Some(mut command) = host.unprivileged(&["serve", "--listen", "127.0.0.1:0"]) else { return };
    let serving = host.serve_by(&mut command);
    let place = host.plugins().join("finra.wasm");
    std::fs::write(host.folder().join("aside"), &two).unwrap();
    set_mode(&host.folder().join("aside"), 0o000);
    std::fs::rename(host.folder().join("aside"), &place).unwrap();
    until(&serving, "the file is told", |plugins| {
        plugins.iter().any(|plugin| plugin["reasons"].to_string().contains("unreadable"))
    });
    assert!(is_active(&listed(&serving), &digest(&one)));
    set_mode(&place, 0o644);
    until(&serving, "it may be read", |plugins| is_active(plugins, &digest(&two)));
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn two_hundred_plugins_are_loaded_and_one_that_changes_is_swapped_alone() {
    let host = TestHost::without_plugins();
    let hello = std::fs::read(component("finra")).unwrap();
    // One that is good and 199 that are not: each is told by itself.
    drop_in(&host, "finra.wasm", &finra("1"));
    for number in 0..199 {
        let cut = 10_000 + number;
        std::fs::write(host.plugins().join(format!("bad-{number:03}.wasm")), &hello[..cut]).unwrap();
    }
    let serving = host.serve();
    assert!(serving.ready.contains("plugins=1 refused=199"), "{}", serving.ready);
    let two = finra("2");
    drop_in(&host, "finra.wasm", &two);
    until(&serving, "the new version", |plugins| is_active(plugins, &digest(&two)));
    assert_eq!(listed(&serving).len(), 200);
}

/// Whether a folder has changed often enough: twenty times, or for a minute with `SPINE_SOAK=1`.
fn is_enough(changes: u32, took: Duration) -> bool {
    std::env::var_os("SPINE_SOAK").map_or(changes >= 20, |_| took >= Duration::from_secs(60))
}

#[test]
fn a_folder_that_changes_with_every_run_settles_on_what_it_holds_last() {
    let host = TestHost::without_plugins();
    let versions: Vec<Vec<u8>> = (0..7).map(|label| finra(&label.to_string())).collect();
    drop_in(&host, "finra.wasm", &versions[0]);
    let serving = host.serve();
    // One change for each run, while it is carried out.
    let (begins, begun) = std::sync::mpsc::sync_channel(0);
    let (began, mut changes) = (Instant::now(), 0);
    std::thread::scope(|scope| {
        let (host, versions) = (&host, &versions);
        scope.spawn(move || {
            for (number, ()) in (1..).zip(begun) {
                match number % 3 {
                    0 => std::fs::write(host.plugins().join("finra.wasm"), &versions[1][..10_000 + number]).unwrap(),
                    _ => drop_in(host, "finra.wasm", &versions[number % versions.len()]),
                }
            }
        });
        while !is_enough(changes, began.elapsed()) {
            changes += 1;
            begins.send(()).unwrap();
            assert_eq!(run(host)["status"], "completed", "beside change {changes}");
        }
        drop(begins);
    });
    println!("{changes} changes, one every {:?}", began.elapsed() / changes);
    drop_in(&host, "finra.wasm", &versions[2]);
    until(&serving, "the last one", |plugins| is_active(plugins, &digest(&versions[2])) && plugins.len() == 1);
    serving.assert_no_guest_is_left();
    assert_eq!(serving.stop().0, 0);
}

#[test]
fn a_plugin_that_asks_for_more_waits_for_its_operator() {
    let host = TestHost::without_plugins();
    std::fs::create_dir(host.folder().join("drop")).unwrap();
    host.file("spine.toml", "[plugins.finra.grants]\nfolders = { drop = \"drop\" }\n");
    let one = finra("1");
    drop_in(&host, "stranger.wasm", &one);
    let serving = host.serve();
    let plugins = listed(&serving);
    assert_eq!(state_of(&plugins, &digest(&one)), "pending", "{plugins:#?}");
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let refused = host.run("finra.regsho_daily", &file, &[]).exits(3);
    assert_eq!(refused.error_code(), "plugin_refused");
    let grants = host.ask(&["plugins", "grants", "finra"]).exits(0).json();
    let asked = grants["asked"].as_array().unwrap().iter().find(|it| it["asks"].as_str().unwrap().contains("`drop`"));
    assert_eq!((&asked.unwrap()["granted"], &asked.unwrap()["approved"]), (&json!(true), &json!(false)), "{grants}");

    let approved = host.ask(&["plugins", "approve", "finra"]).exits(0).json();
    assert_eq!(approved[0]["state"], "active");
    assert_eq!(run(&host)["plugin"]["digest"], digest(&one));
    assert_eq!(host.ask(&["plugins", "approve", "finra"]).exits(3).error_code(), "not_pending");
    assert_eq!(host.ask(&["plugins", "grants", "finra"]).exits(0).json()["place"], "stranger.wasm");
}
