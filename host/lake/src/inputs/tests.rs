//! Kept inputs: once each, whole or not at all, on good disks and bad ones.

use cap_std::ambient_authority;

use super::*;
use crate::disk::OsDisk;
use crate::disk::faulty::FaultyDisk;

fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn input(bytes: &[u8]) -> InputBytes {
    InputBytes { file_name: "a.txt".to_owned(), bytes: Arc::new(bytes.to_vec()) }
}

fn kept(store: &InputStore, bytes: &[u8]) -> KeptInput {
    let kept = store.keep(input(bytes));
    store.settle(kept.digest).unwrap();
    kept
}

#[test]
fn the_same_bytes_are_kept_once_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = InputStore::new(open(folder.path()), Box::new(OsDisk::new(open(folder.path()))));
    let first = kept(&store, b"Date|Symbol\r\n");
    let again = kept(&store, b"Date|Symbol\r\n");
    assert_eq!(first.digest, again.digest);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(*store.read(first.digest).unwrap(), b"Date|Symbol\r\n");
    assert_eq!(store.read(digest(b"other")).unwrap_err().code, "not_found");
}

#[test]
fn a_damaged_input_is_not_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = InputStore::new(open(folder.path()), Box::new(OsDisk::new(open(folder.path()))));
    let kept = kept(&store, b"one");
    let path = folder.path().join(file_name(kept.digest));
    std::fs::write(&path, zstd::bulk::compress(b"two", 3).unwrap()).unwrap();
    assert_eq!(store.read(kept.digest).unwrap_err().code, "corrupt");
    std::fs::write(&path, b"not zstd").unwrap();
    assert_eq!(store.read(kept.digest).unwrap_err().code, "corrupt");
}

#[test]
fn a_full_disk_leaves_nothing_under_the_final_name() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new(open(folder.path())).full_after(5);
    let store = InputStore::new(open(folder.path()), Box::new(disk));
    let kept = store.keep(input(&[7; 1000]));
    let failure = store.settle(kept.digest).unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Storage, "no_space"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_gets_its_name_only_once_it_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new(open(folder.path()));
    let log = disk.log();
    let store = InputStore::new(open(folder.path()), Box::new(disk));
    kept(&store, b"x");
    let asked = log();
    let verbs: Vec<_> = asked.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(verbs, ["create", "sync_file", "rename", "sync_dir"]);
}

#[test]
fn many_inputs_at_once_are_all_kept_and_a_failure_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = InputStore::new(open(folder.path()), Box::new(OsDisk::new(open(folder.path()))));
    let inputs: Vec<Vec<u8>> = (0..50_u8).map(|at| vec![at % 40; 1000]).collect();
    let digests: Vec<Digest> = inputs.iter().map(|bytes| store.keep(input(bytes)).digest).collect();
    for (digest, bytes) in digests.iter().zip(&inputs) {
        assert_eq!(&*store.read(*digest).unwrap(), bytes);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 40);

    let disk = FaultyDisk::new(open(folder.path())).failing_sync();
    let recover = disk.recovery();
    let store = InputStore::new(open(folder.path()), Box::new(disk));
    let failed = store.keep(input(b"again"));
    assert_eq!(store.settle(failed.digest).unwrap_err().code, "io");
    recover();
    assert_eq!(*store.read(kept(&store, b"again").digest).unwrap(), b"again");
}

#[test]
fn what_was_asked_to_be_kept_of_late_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = InputStore::new(open(folder.path()), Box::new(OsDisk::new(open(folder.path()))));
    let (old, late) = (kept(&store, b"old").digest, kept(&store, b"late").digest);
    assert!(!store.remove(old).unwrap(), "nobody has begun a sweep");
    store.begin_sweep();
    kept(&store, b"late");
    assert!(store.remove(old).unwrap());
    assert!(!store.remove(old).unwrap(), "it is gone");
    assert!(!store.remove(late).unwrap(), "the ledger may not name it yet");
    store.begin_sweep();
    assert!(!store.remove(late).unwrap(), "nor may it at the next sweep");
    store.begin_sweep();
    assert!(store.remove(late).unwrap());
    kept(&store, b"late");
    assert_eq!(*store.read(late).unwrap(), b"late", "what was removed is kept again");
}
