//! The lake on a disk: what it opens, and what it cleans up.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use model::manifest::{ColumnSpec, DatasetSpec};
use model::ports::PreparedData as _;
use model::{CaptureId, FieldIds, Partition, Timestamp};

use super::*;
use crate::capture::PreparedCapture;
use crate::inputs::Keeping;
use crate::schema::dataset_schema;

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Writes a capture as a run does, and returns its path below `captures/`.
fn delivered(lake: &LocalLake, run: RunId, number: u8) -> String {
    format!("finra/days/{}", staged(lake, run, number).file.unwrap().path)
}

/// Writes a capture as a run does.
fn staged(lake: &LocalLake, run: RunId, number: u8) -> StagedCapture {
    let spec = DatasetSpec {
        name: "finra.days".parse().unwrap(),
        description: String::new(),
        columns: vec![ColumnSpec {
            name: "day".to_owned(),
            data_type: "utf8".parse().unwrap(),
            nullable: false,
            unit: None,
            description: String::new(),
        }],
        key: vec!["day".to_owned()],
        partition_by: vec!["day".to_owned()],
        checks: Vec::new(),
        migration: None,
    };
    let (dataset, partition): (_, Partition) = (spec.name.clone(), [("day", "1")].into_iter().collect());
    let rows: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let batches = vec![RecordBatch::try_new(dataset_schema(&spec), vec![rows]).unwrap()];
    let capture = PreparedCapture {
        fields: Arc::new(FieldIds::first(&spec)),
        spec: Arc::new(spec),
        partition: partition.clone(),
        rows: crate::staged::StagedRows::Memory(batches),
        store: Arc::clone(&lake.captures),
        inputs: Arc::new(Keeping::new(lake.inputs.clone(), Vec::new())),
    };
    let capture_id = CaptureId::new(Timestamp::from_micros(1_700_000_000_000_000), [number; 10]);
    let file = Box::new(capture).write(capture_id, run).unwrap();
    StagedCapture { capture_id, dataset, partition, rows: 1, content_hash: Digest::new([0; 32]), file }
}

/// A run that was made so many seconds after others.
fn run(second: i64) -> RunId {
    RunId::new(Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000), [7; 10])
}

/// Nobody else is there, and nothing happened meanwhile.
fn alone(known: &KnownFiles) -> Afterwards<'_> {
    Afterwards { known, has_neighbours: false }
}

#[test]
fn cleaning_removes_what_a_dead_owner_left_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let lake = LocalLake::open(folder.path()).unwrap();
    let kept = lake.keep_input(InputBytes { file_name: "a".to_owned(), bytes: Arc::new(b"a".to_vec()) }).unwrap();
    lake.read_input(kept.digest).unwrap();
    let (published, orphan) = (delivered(&lake, run(1), 1), delivered(&lake, run(2), 2));
    let half = orphan.replace("cap_", ".cap_") + ".tmp";
    write(&folder.path().join("captures").join(&half), "PAR1");
    let input = format!("inputs/.{}.zst.0.tmp", kept.digest.hex());
    write(&folder.path().join(&input), "x");
    let rejects = |name: &str| folder.path().join("rejects").join(name);
    let lines = [format!("{}.parquet", run(1)), format!("{}.1.parquet", run(2)), format!(".{}.0.tmp", run(2))];
    lines.iter().for_each(|name| write(&rejects(name), "x"));
    write(&folder.path().join("staging/7.arrow"), "x");
    let known = KnownFiles { captures: HashSet::from([published.clone()]), rejects: HashSet::from([lines[0].clone()]) };

    let strays = lake.strays(&known).unwrap();
    assert_eq!(strays.runs(), [run(2)]);
    let cleaned = lake.clean(strays, &HashSet::from([run(1), run(2)]), alone(&known)).unwrap();
    let unfinished = [format!("rejects/{}", lines[2]), format!("rejects/{}", lines[1]), "staging/7.arrow".to_owned()];
    let removed = [vec![format!("captures/{half}"), format!("captures/{orphan}"), input], unfinished.to_vec()].concat();
    assert!(rejects(&lines[0]).exists());
    assert_eq!(cleaned, Cleaned { removed, unknown: BTreeMap::new() });
    assert!(folder.path().join("captures").join(published).exists());
    assert_eq!(*lake.read_input(kept.digest).unwrap(), b"a");
    let again = lake.clean(lake.strays(&known).unwrap(), &HashSet::new(), alone(&known)).unwrap();
    assert_eq!(again, Cleaned::default());
}

#[test]
fn what_a_neighbour_writes_or_has_published_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, own) = (folder.path().join("lake"), folder.path().join("data"));
    let lake = LocalLake::open_shared(&shared, &own).unwrap();
    let (published, at_work, left) =
        (delivered(&lake, run(1), 1), delivered(&lake, run(2), 2), delivered(&lake, run(3), 3));
    let half = format!("captures/{}.tmp", left.replace("cap_", ".cap_"));
    write(&shared.join(&half), "PAR1");
    write(&own.join("staging/7.arrow"), "x");
    let strays = lake.strays(&KnownFiles::default()).unwrap();
    // While the strays were looked at, the first run was published.
    let known = KnownFiles { captures: HashSet::from([published.clone()]), ..KnownFiles::default() };
    let ended = HashSet::from([run(1), run(3)]);
    let cleaned = lake.clean(strays, &ended, Afterwards { known: &known, has_neighbours: true }).unwrap();
    let removed = vec![format!("captures/{left}"), "staging/7.arrow".to_owned()];
    assert_eq!(cleaned, Cleaned { removed, unknown: BTreeMap::new() });
    assert!(lake.holds_capture(&published) && lake.holds_capture(&at_work) && shared.join(half).exists());
    assert!(!shared.join("staging").exists());
}

#[test]
fn files_of_others_stay_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let lake = LocalLake::open(folder.path()).unwrap();
    let id = CaptureId::new(Timestamp::from_micros(0), [1; 10]);
    let theirs = [
        "captures/thesis.tex".to_owned(),
        "captures/holiday/photo.jpg".to_owned(),
        "captures/finra/days/day=1/notes.parquet".to_owned(),
        // Named as ours are, but it does not say who wrote it.
        format!("captures/finra/days/day=1/{id}.parquet"),
        "inputs/draft.tmp".to_owned(),
        "inputs/.abc.zst.0.tmp".to_owned(),
        "inputs/notes/a.txt".to_owned(),
    ];
    theirs.iter().for_each(|path| write(&folder.path().join(path), "x"));
    let (nothing, ended) = (KnownFiles::default(), HashSet::from([run(1)]));
    let cleaned = lake.clean(lake.strays(&nothing).unwrap(), &ended, alone(&nothing)).unwrap();
    let unknown = BTreeMap::from([("captures", 4), ("inputs", 3)]);
    assert_eq!(cleaned, Cleaned { removed: Vec::new(), unknown });
    assert!(theirs.iter().all(|path| folder.path().join(path).exists()));
}

#[test]
fn a_ledger_that_is_older_than_the_captures_costs_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let lake = LocalLake::open(folder.path()).unwrap();
    // The copy was made while the first run was at work; both were published after that, and then a third was killed.
    let (first, second, third) =
        (delivered(&lake, run(1), 1), delivered(&lake, run(2), 2), delivered(&lake, run(3), 3));
    let ended = HashSet::from([run(1), run(3)]);
    let nothing = KnownFiles::default();
    let cleaned = lake.clean(lake.strays(&nothing).unwrap(), &ended, alone(&nothing)).unwrap();
    assert_eq!(cleaned.removed, [format!("captures/{third}")]);
    assert_eq!(cleaned.unknown, BTreeMap::from([("captures", 2)]));
    assert!([first, second].iter().all(|path| folder.path().join("captures").join(path).exists()));
}

#[test]
fn a_lake_knows_whether_it_holds_captures() {
    let folder = tempfile::tempdir().unwrap();
    let lake = LocalLake::open(folder.path()).unwrap();
    write(&folder.path().join("captures/thesis.tex"), "x");
    assert!(!lake.holds_captures().unwrap());
    delivered(&lake, run(1), 1);
    assert!(lake.holds_captures().unwrap());
}

#[test]
fn a_lake_apart_reads_the_captures_and_writes_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (data, scratch) = (folder.path().join("data"), folder.path().join("scratch"));
    let apart = LocalLake::open_apart(&data, &scratch).unwrap();
    assert!(!data.exists(), "nothing is made in a folder that is not there");
    apart.keep_input(InputBytes { file_name: "a".to_owned(), bytes: Arc::new(b"a".to_vec()) }).unwrap();

    write(&data.join("captures/finra/day.parquet"), "x");
    let apart = LocalLake::open_apart(&data, &scratch).unwrap();
    assert_eq!(apart.captures.dir.read_to_string("finra/day.parquet").unwrap(), "x");
    let written = apart.captures.write::<(), std::io::Error>(&["finra".to_owned()], "new.parquet", |_| Ok(()));
    written.unwrap();
    assert!(scratch.join("captures/finra/new.parquet").exists());
    let left = |path: &str| std::fs::read_dir(data.join(path)).unwrap().count();
    assert_eq!((left(""), left("captures/finra")), (1, 1));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_look_into_the_lake() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    let lake = LocalLake::open(&data).unwrap();
    let kept = lake.keep_input(InputBytes { file_name: "a".to_owned(), bytes: Arc::new(b"a".to_vec()) }).unwrap();
    lake.read_input(kept.digest).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("captures")), 0o700);
    assert_eq!(mode(&data.join("inputs").join(format!("{}.zst", kept.digest.hex()))), 0o600);
}

#[test]
fn a_data_folder_that_is_a_file_is_a_storage_failure_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, "x").unwrap();
    let failure = LocalLake::open(&path).unwrap_err();
    assert_eq!(failure.kind, model::FailureKind::Storage);
    assert!(failure.message.contains(&path.display().to_string()), "{}", failure.message);
}

#[test]
fn what_is_discarded_is_gone_and_its_neighbours_stay() {
    let folder = tempfile::tempdir().unwrap();
    let lake = LocalLake::open(folder.path()).unwrap();
    let [kept, one, two] = [1, 2, 3].map(|number| staged(&lake, run(1), number));
    let empty = StagedCapture { file: None, ..kept.clone() };
    let discarded = [one, empty, two];
    lake.discard(&discarded);
    let files: Vec<_> = std::fs::read_dir(folder.path().join("captures/finra/days/day=1")).unwrap().collect();
    assert_eq!(files.len(), 1);
    assert!(folder.path().join("captures/finra/days").join(kept.file.unwrap().path).exists());
    // What is gone already is no reason to fail.
    lake.discard(&discarded);
}
