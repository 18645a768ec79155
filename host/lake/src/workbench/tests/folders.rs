//! Files of granted folders, and other bytes that a guest reads.

use super::*;

#[test]
fn files_of_a_granted_folder_are_listed_read_and_kept() {
    let mut bench = bench();
    let _drop = granted(&mut bench);
    let mut open = bench.open();
    let names: Vec<String> = open.files("drop").unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["a.psv", "b.psv"]);
    let psv = r#"{"format":"psv"}"#;
    assert_eq!(rows(open.input("drop/a.psv", psv).unwrap(), "volume"), [9]);
    assert_eq!(open.open("drop/a.psv").unwrap().read(4, 7).unwrap(), b"Symbol|");
    let named = RejectedRow {
        line: Some(2),
        code: "odd".to_owned(),
        message: String::new(),
        details: vec![("input".to_owned(), "drop/b.psv".to_owned())],
    };
    let _ = open.input("drop/b.psv", psv).unwrap();
    open.reject(vec![named]).unwrap();
    let finished = open.finish().unwrap();
    assert_eq!(finished.rows_in, 4);
    assert_eq!(finished.rejects.rows[0].raw.as_deref(), Some("20210128|TpC|1"));
    let kept: Vec<&str> = finished.found_inputs.iter().map(|kept| kept.file_name.as_str()).collect();
    assert_eq!(kept, ["a.psv", "b.psv", "seen:/"]);
    let digest = finished.found_inputs[1].digest;
    assert_eq!(*bench.lake.read_input(digest).unwrap(), FILE.as_bytes());
}

#[test]
fn nothing_outside_of_a_granted_folder_is_reached() {
    let mut bench = bench();
    let drop = granted(&mut bench);
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), FILE).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path().join("secret"), drop.path().join("link")).unwrap();
        std::os::unix::fs::symlink("a.psv", drop.path().join("inside")).unwrap();
    }
    let mut open = bench.open();
    let outside_name = format!("drop/{}", outside.path().join("secret").display());
    for name in
        ["drop/../secret", "drop/..", "drop/below/../../x", &outside_name, "drop/link", "drop/below", "drop/nope"]
    {
        assert!(open.input(name, r#"{"format":"psv"}"#).is_err(), "{name}");
        assert!(open.open(name).is_err(), "{name}");
    }
    #[cfg(unix)]
    assert!(open.open("drop/inside").is_ok());
    assert_eq!(open.files("other").unwrap_err().code, "not_granted");
    assert_eq!(open.input("other/a.psv", r#"{"format":"psv"}"#).unwrap_err().code, "not_granted");
    assert_eq!(open.input("drop/a.psv", "{}").unwrap_err().code, "bad_select");
    assert_eq!(open.input("drop/a.psv", r#"{"format":"nope"}"#).unwrap_err().code, "unknown_format");
    assert!(!open.files("drop").unwrap().iter().any(|file| file.name == "link"));
}

/// Keeps the fields of what is logged, as text.
#[cfg(unix)]
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<String>>);

#[cfg(unix)]
impl tracing::field::Visit for Log {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!("{field}={value:?} "));
    }
}

#[cfg(unix)]
impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_looked_at_is_skipped_and_logged_with_its_folder_and_reason() {
    let mut bench = bench();
    let drop = granted(&mut bench);
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), drop.path().join("link.psv")).unwrap();
    let log = Log::default();
    let files = tracing::subscriber::with_default(log.clone(), || bench.open().files("drop").unwrap());
    assert_eq!(files.len(), 2);
    let logged = log.0.lock().unwrap();
    assert!(logged.contains("folder=\"drop\"") && logged.contains("file=link.psv"), "{logged}");
    assert!(logged.contains("skipped a file of a granted folder: "), "{logged}");
}

#[test]
fn a_dry_run_keeps_no_input() {
    let mut bench = bench();
    let _drop = granted(&mut bench);
    bench.order.dry_run = true;
    let mut open = bench.open();
    let _ = open.open("drop/a.psv").unwrap();
    let kept = open.finish().unwrap().found_inputs.remove(0);
    assert_eq!(bench.lake.read_input(kept.digest).unwrap_err().code, "not_found");
}

#[test]
fn a_blob_gives_what_there_is() {
    let bench = bench().with_file(FILE);
    let mut open = bench.open();
    let blob = open.open("file").unwrap();
    assert_eq!(blob.size(), FILE.len() as u64);
    assert_eq!(blob.read(0, 3).unwrap(), b"Day");
    assert_eq!(blob.read(u64::MAX, u32::MAX).unwrap(), b"");
    assert_eq!(blob.read(blob.size() - 2, 100).unwrap(), b"3\n");
    assert_eq!(open.open("absent").unwrap_err().code, "unknown_input");
}
