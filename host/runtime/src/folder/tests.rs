//! What files do while somebody looks, at times that the test chooses.

use std::os::unix::fs::symlink;

use super::*;
use crate::RuntimeConfig;
use crate::testing::{MANIFEST, component};

struct Bench {
    dir: tempfile::TempDir,
    folder: PluginsFolder,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Arc::new(Runtime::open(RuntimeConfig::for_cores(2)).unwrap());
        let folder = PluginsFolder::new(runtime, dir.path().to_owned());
        Self { dir, folder, now: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn look_after(&mut self, after: Duration) -> Look {
        self.now += after;
        self.folder.look(self.now).unwrap()
    }

    fn look(&mut self) -> Look {
        self.look_after(Duration::from_millis(1))
    }

    /// Looks as often as the look before asks for.
    fn settled(&mut self) -> Look {
        let mut look = self.look();
        let mut is_new = look.is_new;
        while let Some(after) = look.again_in {
            look = self.look_after(after);
            is_new |= look.is_new;
        }
        Look { is_new, ..look }
    }
}

fn plugin(name: &str) -> Vec<u8> {
    component(&MANIFEST.replace("\"p\"", &format!("\"{name}\"")).replace("\"p.", &format!("\"{name}.")), "(call $ok)")
}

/// The place and the plugin's name, or the code of the first finding.
fn told(look: &Look) -> Vec<(&str, String)> {
    let name = |loaded: &Loaded| match (&loaded.manifest, loaded.findings.first()) {
        (_, Some(finding)) => finding.code.clone(),
        (Some(manifest), None) => manifest.name.clone(),
        (None, None) => String::new(),
    };
    look.loaded.iter().map(|(place, loaded)| (place.as_str(), name(loaded))).collect()
}

#[test]
fn the_first_look_tells_all_and_the_next_only_that_nothing_is_new() {
    let mut bench = Bench::new();
    bench.write("a.wasm", &plugin("a"));
    fs::create_dir(bench.path("b")).unwrap();
    bench.write("b/plugin.wasm", &plugin("b"));
    bench.write("c.wasm", b"");
    let look = bench.look();
    let expected =
        [("a.wasm", "a".to_owned()), ("b/plugin.wasm", "b".to_owned()), ("c.wasm", "not_a_component".to_owned())];
    assert_eq!((look.is_new, told(&look)), (true, expected.to_vec()));
    let look = bench.settled();
    assert_eq!((look.is_new, look.loaded.len(), look.again_in), (false, 3, None));
    assert_eq!(bench.folder.folders().len(), 2);
}

#[test]
fn a_file_that_is_being_copied_is_not_there_until_it_is_whole() {
    let mut bench = Bench::new();
    bench.look();
    let whole = plugin("a");
    for part in [whole.len() / 3, whole.len() / 2] {
        bench.write("a.wasm", &whole[..part]);
        let look = bench.look();
        assert_eq!((look.is_new, told(&look)), (false, vec![]));
    }
    bench.write("a.wasm", &whole);
    let look = bench.look();
    assert_eq!((look.is_new, told(&look)), (true, vec![("a.wasm", "a".to_owned())]));
}

#[test]
fn a_file_that_stays_broken_is_told_and_until_then_it_is_as_it_was() {
    let mut bench = Bench::new();
    bench.write("a.wasm", &plugin("a"));
    bench.look();
    bench.write("a.wasm", b"<html>");
    let look = bench.look();
    assert_eq!((look.is_new, told(&look)), (false, vec![("a.wasm", "a".to_owned())]));
    let look = bench.look_after(look.again_in.unwrap());
    assert_eq!((look.is_new, told(&look)), (true, vec![("a.wasm", "not_a_component".to_owned())]));
}

#[test]
fn bytes_of_the_same_length_that_replace_others_in_place_are_seen_whatever_the_times_say() {
    let mut bench = Bench::new();
    bench.write("a.wasm", &plugin("a"));
    bench.look();
    let time = fs::metadata(bench.path("a.wasm")).unwrap().modified().unwrap();
    bench.write("a.wasm", &plugin("b"));
    fs::File::open(bench.path("a.wasm")).unwrap().set_modified(time).unwrap();
    assert_eq!(told(&bench.look()), [("a.wasm", "b".to_owned())]);
}

#[test]
fn a_file_that_is_deleted_and_made_again_was_never_gone_and_one_that_stays_away_is() {
    let mut bench = Bench::new();
    bench.write("a.wasm", &plugin("a"));
    bench.settled();
    fs::remove_file(bench.path("a.wasm")).unwrap();
    let look = bench.look();
    assert_eq!((look.is_new, told(&look)), (false, vec![("a.wasm", "a".to_owned())]));
    bench.write("a.wasm", &plugin("a"));
    assert!(!bench.settled().is_new);

    fs::remove_file(bench.path("a.wasm")).unwrap();
    let look = bench.settled();
    assert_eq!((look.is_new, told(&look)), (true, vec![]));
}

#[test]
fn a_renamed_file_a_link_that_is_turned_and_a_file_that_may_not_be_read_are_followed() {
    let mut bench = Bench::new();
    bench.write("new.tmp", &plugin("a"));
    assert_eq!(told(&bench.look()), []);
    fs::rename(bench.path("new.tmp"), bench.path("a.wasm")).unwrap();
    assert_eq!(told(&bench.look()), [("a.wasm", "a".to_owned())]);

    bench.write("one.bin", &plugin("x"));
    bench.write("two.bin", &plugin("y"));
    symlink("one.bin", bench.path("link.wasm")).unwrap();
    bench.settled();
    symlink("two.bin", bench.path("link.tmp")).unwrap();
    fs::rename(bench.path("link.tmp"), bench.path("link.wasm")).unwrap();
    assert_eq!(told(&bench.look())[1], ("link.wasm", "y".to_owned()));

    symlink("nowhere", bench.path("lost.wasm")).unwrap();
    let look = bench.settled();
    assert_eq!(told(&look)[2], ("lost.wasm", "unreadable".to_owned()));
}

#[test]
fn a_folder_that_cannot_be_read_is_no_folder_without_files() {
    let mut bench = Bench::new();
    bench.write("a.wasm", &plugin("a"));
    bench.settled();
    let away = bench.path("../away");
    let there = bench.dir.path().to_owned();
    let away = there.with_file_name(format!(
        "{}-away",
        away.parent().unwrap().parent().unwrap().file_name().unwrap().to_string_lossy()
    ));
    fs::rename(&there, &away).unwrap();
    assert_eq!(bench.folder.look(bench.now + GONE * 3).unwrap_err().code, "bad_folder");
    fs::rename(&away, &there).unwrap();
    assert!(!bench.settled().is_new);
}

#[test]
fn a_version_that_was_freed_meanwhile_is_loaded_again() {
    let mut bench = Bench::new();
    bench.write("a.wasm", &plugin("a"));
    bench.look();
    let digest = bench.folder.loaded()[0].1.digest.unwrap();
    bench.folder.runtime.forget(&digest);
    bench.look();
    assert!(bench.folder.runtime.knows(&digest));
}
