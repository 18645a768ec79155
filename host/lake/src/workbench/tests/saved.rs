//! Files that a guest saves.

use std::path::Path;

use super::*;

/// A bench with a folder `out` that may be written to, and `drop`, which may not.
fn writable(bench: &mut Bench) -> (tempfile::TempDir, tempfile::TempDir) {
    let (drop, out) = (granted(bench), tempfile::tempdir().unwrap());
    let grant = FolderGrant { path: out.path().to_owned(), access: Access::Write };
    bench.order.folders.insert("out".to_owned(), grant);
    (drop, out)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

#[test]
fn saved_files_are_seen_once_the_run_is_published_and_replace_what_was_there() {
    let mut bench = bench();
    let (_drop, out) = writable(&mut bench);
    std::fs::write(out.path().join("a.csv"), "old").unwrap();
    std::fs::write(out.path().join(".a.csv.unsaved"), "of a process that was killed").unwrap();
    let mut open = bench.open();
    open.save("out", "a.csv", b"first".to_vec()).unwrap();
    open.save("out", "a.csv", b"second".to_vec()).unwrap();
    open.save("out", "b.csv", Vec::new()).unwrap();
    let finished = open.finish().unwrap();
    assert_eq!(std::fs::read(out.path().join("a.csv")).unwrap(), b"old", "nothing is seen yet");
    assert_eq!(finished.saved.place(), Ok(2));
    assert_eq!(std::fs::read(out.path().join("a.csv")).unwrap(), b"second");
    assert_eq!(names(out.path()), ["a.csv", "b.csv"]);
}

#[test]
fn a_run_that_fails_leaves_nothing_behind() {
    let mut bench = bench();
    let (_drop, out) = writable(&mut bench);
    let mut open = bench.open();
    open.save("out", "a.csv", b"first".to_vec()).unwrap();
    drop(open.finish().unwrap());
    assert_eq!(names(out.path()), Vec::<String>::new());
}

#[test]
fn nothing_is_saved_where_it_is_not_granted_and_no_name_leads_out() {
    let mut bench = bench();
    let (_drop, out) = writable(&mut bench);
    let mut open = bench.open();
    let mut code = |folder: &str, name: &str| open.save(folder, name, b"x".to_vec()).unwrap_err().code;
    assert_eq!(code("drop", "a.csv"), "not_granted", "for reading only");
    assert_eq!(code("other", "a.csv"), "not_granted");
    let absolute = out.path().join("a.csv").display().to_string();
    for name in ["", ".", "..", "../a", "below/a", "below\\a", &absolute, "/proc/self/mem", ".hidden", "a\0b", "a\nb"] {
        assert_eq!(code("out", name), "bad_name", "{name:?}");
    }
    assert_eq!(code("out", &"x".repeat(201)), "bad_name");
}

#[cfg(unix)]
#[test]
fn a_link_is_replaced_and_never_followed() {
    let mut bench = bench();
    let (_drop, out) = writable(&mut bench);
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("precious");
    std::fs::write(&target, "precious").unwrap();
    for link in ["a.csv", ".a.csv.unsaved"] {
        std::os::unix::fs::symlink(&target, out.path().join(link)).unwrap();
    }
    let mut open = bench.open();
    open.save("out", "a.csv", b"new".to_vec()).unwrap();
    open.finish().unwrap().saved.place().unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    assert_eq!(std::fs::read(out.path().join("a.csv")).unwrap(), b"new");
    assert!(!out.path().join("a.csv").is_symlink());
}

#[test]
fn what_cannot_be_written_is_a_failure_of_storage_and_leaves_no_half_file() {
    let mut bench = bench();
    let (_drop, out) = writable(&mut bench);
    std::fs::create_dir(out.path().join("a.csv")).unwrap();
    let mut open = bench.open();
    open.save("out", "a.csv", b"new".to_vec()).unwrap();
    let failure = open.finish().unwrap().saved.place().unwrap_err();
    assert_eq!(failure.kind, model::FailureKind::Storage);
    assert!(failure.message.contains("`out/a.csv`"), "{failure}");
    assert_eq!(names(out.path()), ["a.csv"]);
}

#[test]
fn what_an_attempt_saves_is_limited() {
    let mut bench = bench();
    let (_drop, _out) = writable(&mut bench);
    bench.order.limits.saved_bytes = 10;
    let mut open = bench.open();
    open.save("out", "a", vec![0; 6]).unwrap();
    let failure = open.save("out", "b", vec![0; 6]).unwrap_err();
    assert_eq!(failure.code, "too_large");
    assert!(failure.message.contains("limits.saved_bytes"), "{failure}");
    open.save("out", "a", vec![0; 10]).unwrap();
}

#[test]
fn exchanges_are_kept_with_the_inputs() {
    let bench = bench();
    let mut open = bench.open();
    let file_name = "http:GET https://a.org/#1".to_owned();
    open.keep(InputBytes { file_name: file_name.clone(), bytes: Arc::new(b"exchange".to_vec()) });
    let finished = open.finish().unwrap();
    assert_eq!(finished.found_inputs[0].file_name, file_name);
    assert_eq!(*bench.lake.read_input(finished.found_inputs[0].digest).unwrap(), b"exchange");
}
