//! Who may have the name of a plugin, and what its history tells.

use model::Digest;
use model::plugin::{PluginEventKind, PluginRecord, PluginState};
use model::ports::FoundPlugin;

use super::swapping::{active, asking, events, granting, install, states, version};
use crate::testing::{Bench, MANIFEST, digest, found};

/// Those that do not drain.
fn decided(records: &[PluginRecord]) -> Vec<(PluginState, Digest)> {
    states(records).into_iter().filter(|(state, _)| *state != PluginState::Draining).collect()
}

#[tokio::test]
async fn a_name_that_was_granted_nothing_is_not_taken_over_by_another_file_either() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![found("d.wasm", b"1", MANIFEST)]).await;
    let stranger = || found("stranger.wasm", b"9", MANIFEST);
    let records = install(&bench, vec![stranger()]).await;
    assert_eq!(decided(&records), [(PluginState::Active, digest(b"1")), (PluginState::Pending, digest(b"9"))]);
    for expected in ["other_file: ", "belong to `d.wasm`", "`stranger.wasm`", "plugins approve d"] {
        assert!(records[1].reasons[0].contains(expected), "{:?}", records[1].reasons);
    }
    bench.orchestrator.approve("d", None).await.unwrap();
    assert_eq!(active(&bench), digest(b"9"));
    let records = install(&bench, vec![found("d.wasm", b"1", MANIFEST)]).await;
    assert_eq!(decided(&records)[0], (PluginState::Pending, digest(b"1")), "the name is the other file's now");
}

#[tokio::test]
async fn a_plugin_that_was_taken_away_does_not_come_back_because_another_file_has_its_name() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![found("d.wasm", b"1", MANIFEST)]).await;
    install(&bench, Vec::new()).await;
    bench.components.forgot(1).await;
    while !events(&bench, digest(b"1")).contains(&PluginEventKind::Drained) {
        tokio::task::yield_now().await;
    }
    let records = install(&bench, vec![found("stranger.wasm", b"9", MANIFEST)]).await;
    assert_eq!(decided(&records), [(PluginState::Pending, digest(b"9"))]);
    let rubbish = FoundPlugin { manifest: None, ..found("d.wasm", b"?", MANIFEST) };
    let records = install(&bench, vec![rubbish]).await;
    assert_eq!(decided(&records), [(PluginState::Refused, digest(b"?"))], "nor because of what lies at its place");
    let next = bench.another(|_| {});
    let records = next.install(vec![found("stranger.wasm", b"9", MANIFEST)]).await.unwrap();
    assert_eq!(decided(&records), [(PluginState::Pending, digest(b"9"))], "nor at the next start");
}

#[tokio::test]
async fn a_file_may_be_renamed_and_a_name_has_a_file_and_a_folder_of_its_own() {
    let bench = Bench::empty(|parts| granting(parts, &["drop"]));
    let places = ["d.wasm", "d/one.wasm", "d/two.wasm", "d.wasm"];
    for (content, place) in (1_u8..).zip(places) {
        install(&bench, vec![found(place, &[content], &asking(&["drop"]))]).await;
        assert_eq!(active(&bench), digest(&[content]), "{place}");
    }
    // The same bytes are the same plugin; the next version is another.
    let records = install(&bench, vec![found("renamed.wasm", &[4], &asking(&["drop"]))]).await;
    assert_eq!(decided(&records), [(PluginState::Active, digest(&[4]))]);
    assert_eq!(records[0].file, "renamed.wasm");
    let records = install(&bench, vec![found("renamed.wasm", &[5], &asking(&["drop"]))]).await;
    assert_eq!(decided(&records), [(PluginState::Active, digest(&[4])), (PluginState::Pending, digest(&[5]))]);
}

#[tokio::test]
async fn a_version_that_asks_for_more_than_the_one_before_waits_although_nothing_is_granted() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let asking = asking(&["drop"]);
    let records = install(&bench, vec![found("d.wasm", b"2", &asking)]).await;
    assert_eq!(decided(&records), [(PluginState::Active, digest(b"1")), (PluginState::Pending, digest(b"2"))]);
    assert!(records[1].reasons[0].starts_with("asks_more: "), "{:?}", records[1].reasons);
    let granted = bench.orchestrator.plugin_grants("d").await.unwrap();
    let [asked] = granted.asked.as_slice() else { panic!("{granted:?}") };
    assert!(!asked.granted && !asked.approved && !asked.in_force, "{asked:?}");

    bench.orchestrator.approve("d", None).await.unwrap();
    assert_eq!(active(&bench), digest(b"2"));
    let granted = bench.orchestrator.plugin_grants("d").await.unwrap();
    assert!(granted.asked[0].approved && !granted.asked[0].granted, "{granted:?}");
    assert_eq!(granted.place.as_deref(), Some("d.wasm"));
    assert_eq!(bench.orchestrator.plugin_grants("b").await.unwrap_err().code, "unknown_name");
}

#[tokio::test]
async fn the_first_version_of_a_granted_name_is_what_later_ones_are_held_against() {
    let bench = Bench::empty(|parts| granting(parts, &["drop"]));
    install(&bench, vec![found("d.wasm", b"1", &asking(&[]))]).await;
    let records = install(&bench, vec![found("d.wasm", b"2", &asking(&["drop"]))]).await;
    assert_eq!(decided(&records)[1], (PluginState::Pending, digest(b"2")));
    let granted = bench.orchestrator.plugin_grants("d").await.unwrap();
    let [asked] = granted.asked.as_slice() else { panic!("{granted:?}") };
    assert!(asked.granted && !asked.approved && !asked.in_force, "what waits has nothing: {asked:?}");
    bench.orchestrator.approve("d", None).await.unwrap();
    assert!(bench.orchestrator.plugin_grants("d").await.unwrap().asked[0].in_force);
}

#[tokio::test]
async fn a_second_file_with_the_same_bytes_is_told() {
    let bench = Bench::empty(|_| {});
    let records = install(&bench, vec![found("a.wasm", b"1", MANIFEST), found("b.wasm", b"1", MANIFEST)]).await;
    assert_eq!(records.len(), 1, "they are one plugin");
    assert_eq!(records[0].warnings, ["same_file: `b.wasm` holds the same component and is not used"]);
}

#[tokio::test]
async fn the_history_tells_each_change_once() {
    use PluginEventKind::{Activated, Approved, Pending, Removed, Replaced, RolledBack};
    let told = |bench: &Bench, content: &[u8]| {
        let of_interest = |kind: &PluginEventKind| *kind != PluginEventKind::Drained;
        events(bench, digest(content)).into_iter().filter(of_interest).collect::<Vec<_>>()
    };
    let bench = Bench::empty(|parts| granting(parts, &["drop"]));
    install(&bench, vec![found("d.wasm", b"1", &asking(&[]))]).await;
    install(&bench, vec![found("d.wasm", b"2", &asking(&["drop"]))]).await;
    bench.orchestrator.approve("d", None).await.unwrap();
    assert_eq!(told(&bench, b"1"), [Activated, Replaced]);
    assert_eq!(told(&bench, b"2"), [Pending, Approved, Activated]);

    bench.orchestrator.roll_back("d", None).await.unwrap();
    assert_eq!(told(&bench, b"2"), [Pending, Approved, Activated, RolledBack]);
    assert_eq!(told(&bench, b"1"), [Activated, Replaced, Activated]);

    // Its file is taken away while no host looks, and put back later.
    let next = bench.another(|_| {});
    next.install(Vec::new()).await.unwrap();
    assert_eq!(told(&bench, b"1"), [Activated, Replaced, Activated, Removed]);
    next.install(Vec::new()).await.unwrap();
    next.install(vec![found("d.wasm", b"1", &asking(&[]))]).await.unwrap();
    assert_eq!(told(&bench, b"1"), [Activated, Replaced, Activated, Removed, Activated]);
}
