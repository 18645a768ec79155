//! Files that a guest saves in folders that are granted for writing.
//!
//! They stay in memory until the run is to be published, so a run that fails leaves none of them. Then each is written
//! under a name of its own, synced and renamed: whoever looks into the folder sees the old file, or the new one whole.
//! What a process that was killed meanwhile left, `.NAME.unsaved`, the next file of that name replaces.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use cap_std::fs::{Dir, OpenOptions};
use model::failure::Reading;
use model::grants::FolderGrant;
use model::manifest::Access;
use model::ports::{SavedFiles, WorkOrder};
use model::{Failure, FailureKind};

/// Longest name of a file, in bytes; with what is added to it while it is written, file systems take no more than 255.
const NAME_BYTES_MAX: usize = 200;

/// What the attempt saved so far.
#[derive(Debug, Default)]
pub(super) struct Saved {
    folders: BTreeMap<String, Folder>,
    bytes: u64,
}

#[derive(Debug)]
struct Folder {
    /// None in a replay, which places nothing.
    dir: Option<Dir>,
    /// By name; saved again, a file is replaced.
    files: BTreeMap<String, Vec<u8>>,
}

impl Saved {
    /// Takes a file in. `dir` is the open folder, none in a replay.
    pub(super) fn add(
        &mut self,
        order: &WorkOrder,
        dir: Option<&Dir>,
        (folder, name): (&str, &str),
        bytes: Vec<u8>,
    ) -> Result<(), Failure> {
        check_name(folder, name)?;
        let replaced = self.folders.get(folder).and_then(|folder| folder.files.get(name)).map_or(0, Vec::len) as u64;
        let total = self.bytes.saturating_sub(replaced).saturating_add(bytes.len() as u64);
        if total > order.limits.saved_bytes {
            let (plugin, most) = (&order.manifest.name, order.limits.saved_bytes);
            let message = format!(
                "plugin `{plugin}` saves {total} bytes in one attempt and may save {most}: raise `limits.saved_bytes` (for \
                 all plugins, or under [plugins.{plugin}.limits])"
            );
            return Err(Failure::new(FailureKind::Pipeline, "too_large", message));
        }
        if !self.folders.contains_key(folder) {
            let dir = dir.map(Dir::try_clone).transpose().map_err(|error| unwritten(folder, name, &error))?;
            self.folders.insert(folder.to_owned(), Folder { dir, files: BTreeMap::new() });
        }
        if let Some(folder) = self.folders.get_mut(folder) {
            folder.files.insert(name.to_owned(), bytes);
        }
        self.bytes = total;
        Ok(())
    }
}

impl SavedFiles for Saved {
    fn place(self: Box<Self>) -> Result<usize, Failure> {
        let mut placed = 0;
        for (name, folder) in &self.folders {
            let Some(dir) = &folder.dir else { continue };
            for (file, bytes) in &folder.files {
                place(dir, file, bytes).map_err(|error| unwritten(name, file, &error))?;
                placed += 1;
            }
            // Opened as a file: a folder handle may have been opened for look-ups only, and those cannot be synced.
            let synced = dir.open_with(".", OpenOptions::new().read(true)).and_then(|dir| dir.sync_all());
            synced.map_err(|error| unwritten(name, ".", &error))?;
        }
        Ok(placed)
    }
}

/// Whether the operator lets the plugin save in a folder.
pub(super) fn check_access(folder: &str, grant: &FolderGrant, plugin: &str) -> Result<(), Failure> {
    match grant.access {
        Access::Write => Ok(()),
        Access::Read => {
            let message = format!(
                "the folder `{folder}` is granted to `{plugin}` for reading only: its manifest has to ask for access \
                 `write`, and spine.toml to grant it: [plugins.{plugin}.grants] folders = {{ {folder} = {{ path = \"{}\", \
                 access = \"write\" }} }}",
                grant.path.display()
            );
            Err(Failure::new(FailureKind::Auth, "not_granted", message))
        }
    }
}

/// One plain name, without a way out of the folder, and none that is hidden or ours.
fn check_name(folder: &str, name: &str) -> Result<(), Failure> {
    let is_plain = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && !name.contains(|letter: char| matches!(letter, '/' | '\\') || letter.is_control());
    if is_plain {
        return Ok(());
    }
    let name = model::brief(name);
    let message = format!(
        "`{name}` cannot be saved in the folder `{folder}`: a name has 1 to {NAME_BYTES_MAX} bytes, no `/`, `\\` or control \
         characters, and does not begin with a dot"
    );
    Err(Failure::new(FailureKind::Auth, "bad_name", message))
}

fn place(dir: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unsaved = format!(".{name}.unsaved");
    match dir.remove_file(&unsaved) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // New, so that no link that somebody put there is followed; and a rename replaces a link, not what it leads to.
    let mut file = dir.open_with(&unsaved, OpenOptions::new().write(true).create_new(true))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| dir.rename(&unsaved, dir, name));
    if written.is_err() {
        let _ = dir.remove_file(&unsaved);
    }
    written
}

fn unwritten(folder: &str, name: &str, error: &io::Error) -> Failure {
    Failure::io(Reading::Own, "save the file", &format!("{folder}/{name}"), error)
}
