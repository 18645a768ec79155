//! The inputs of an attempt: declared files, and files of folders that the operator granted.
//!
//! Folders are reached through handles: no name leads out of one, by `..`, an absolute path or a symbolic link. A file
//! of a folder is read once in an attempt, whatever happens to it meanwhile, and kept by its digest like any input.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cap_std::ambient_authority;
#[cfg(unix)]
use cap_std::fs::OpenOptionsExt;
use cap_std::fs::{Dir, OpenOptions};
use model::failure::Reading;
use model::grants::FolderGrant;
use model::manifest::FileFormat;
use model::ports::{FileEntry, InputBytes, KeptInput, SIGHT, WorkOrder};
use model::{Failure, FailureKind};

use super::seeing::Seeing;
use crate::input_file::read_whole;
use crate::inputs::{InputStore, Keeping, digest};
use crate::read::OpenInput;
use crate::rejects::{Collector, NOWHERE, Place};

#[derive(Debug)]
pub(super) struct Inputs {
    keeping: Keeping,
    declared: BTreeMap<String, Declared>,
    folders: HashMap<String, Dir>,
    /// `folder/file` and what was in it, in the order of reading.
    files: Vec<(String, KeptInput)>,
    /// `folder/file`, format and the opened input.
    opened: Vec<(String, String, Arc<OpenInput>)>,
    rejects: Arc<Collector>,
    /// What came back for requests, in their order.
    exchanges: Vec<KeptInput>,
    sight: Seeing,
    /// It as it is kept.
    seen: Option<KeptInput>,
}

#[derive(Debug)]
struct Declared {
    kept: KeptInput,
    /// None where the manifest declares no format: then only the bytes can be read.
    open: Option<Arc<OpenInput>>,
}

impl Inputs {
    pub(super) fn open(order: &WorkOrder, store: InputStore, rejects: Arc<Collector>) -> Result<Self, Failure> {
        let keeping = Keeping::new(store, order.inputs.values().map(|kept| kept.digest).collect());
        let mut declared = BTreeMap::new();
        let mut place = 0;
        for (name, kept) in &order.inputs {
            let names = order.formats.get(name).map(Vec::as_slice).unwrap_or_default();
            let formats = names.iter().map(|name| format(order, name)).collect::<Result<Vec<_>, _>>()?;
            let open = if formats.is_empty() {
                None
            } else {
                place += 1;
                Some(Arc::new(opened(order, kept, &formats, &rejects, place - 1)?))
            };
            declared.insert(name.clone(), Declared { kept: kept.clone(), open });
        }
        let (folders, files, opened, exchanges) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new());
        let (sight, seen) = (Seeing::new(&order.outlook), None);
        Ok(Self { keeping, declared, folders, files, opened, rejects, exchanges, sight, seen })
    }

    /// Hands over the duty to wait until everything that was read is kept for good.
    pub(super) fn keeping(&mut self) -> Keeping {
        self.keeping.take()
    }

    /// Bytes of the files that were given or read, each counted once.
    pub(super) fn bytes(&self) -> u64 {
        let given = self.declared.values().map(|declared| &declared.kept);
        given.chain(self.files.iter().map(|(_, kept)| kept)).map(|kept| kept.bytes.len() as u64).sum()
    }

    pub(super) fn is_declared(&self, name: &str) -> bool {
        self.declared.contains_key(name)
    }

    fn find(&self, name: &str) -> Result<&Declared, Failure> {
        self.declared.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.declared.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("this run has no input `{name}`; given were: {known}");
            Failure::new(FailureKind::Pipeline, "unknown_input", message)
        })
    }

    pub(super) fn declared(&self, name: &str) -> Result<Arc<OpenInput>, Failure> {
        self.find(name)?.open.clone().ok_or_else(|| {
            let message = format!("input `{name}` has no declared format: open it as bytes");
            Failure::new(FailureKind::Pipeline, "bad_select", message)
        })
    }

    pub(super) fn declared_bytes(&self, name: &str) -> Result<Arc<Vec<u8>>, Failure> {
        Ok(Arc::clone(&self.find(name)?.kept.bytes))
    }

    /// Every opened input, each once, in a fixed order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<OpenInput>> {
        let declared = self.declared.values().filter_map(|declared| declared.open.as_ref());
        declared.chain(self.opened.iter().map(|(_, _, open)| open))
    }

    /// The input that a guest means by a name, or by none if there is only one.
    pub(super) fn meant(&self, name: Option<&str>) -> Option<&Arc<OpenInput>> {
        match name {
            Some(name) => {
                let declared = self.declared.iter().filter(|(_, declared)| declared.open.is_some());
                let names = declared.map(|(name, _)| name.as_str());
                let mut names = names.chain(self.opened.iter().map(|(path, _, _)| path.as_str()));
                let at = names.position(|known| known == name)?;
                self.all().nth(at)
            }
            None => {
                let mut all = self.all();
                let only = all.next()?;
                all.next().is_none().then_some(only)
            }
        }
    }

    pub(super) fn found(&self) -> Vec<KeptInput> {
        self.files.iter().map(|(_, kept)| kept).chain(&self.exchanges).chain(&self.seen).cloned().collect()
    }

    /// Has what was seen kept, if anything was. Before [`Inputs::keeping`].
    pub(super) fn keep_sight(&mut self, order: &WorkOrder) {
        if let Some(bytes) = self.sight.to_keep() {
            self.seen = Some(self.kept(order, InputBytes { file_name: SIGHT.to_owned(), bytes: Arc::new(bytes) }));
        }
    }

    pub(super) fn files(&mut self, order: &WorkOrder, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        if let Some(seen) = self.sight.listing(folder) {
            return seen;
        }
        let listed = self.list(order, folder);
        self.sight.listed(folder, &listed);
        listed
    }

    fn list(&mut self, order: &WorkOrder, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        let dir = self.folder(order, folder)?;
        let failed = |error: std::io::Error| Failure::io(Reading::Input, "list the folder", folder, &error);
        let mut files = Vec::new();
        for entry in dir.entries().map_err(failed)? {
            // What has no name in text, went away meanwhile or leads out of the folder is not offered, but whoever
            // waits for that file must be able to learn why it never comes.
            let name = match entry.map_err(failed)?.file_name().into_string() {
                Ok(name) => name,
                Err(name) => {
                    let file = name.to_string_lossy();
                    tracing::warn!(folder, %file, "skipped a file of a granted folder: its name is not UTF-8");
                    continue;
                }
            };
            let metadata = match dir.metadata(&name) {
                Ok(metadata) => metadata,
                Err(error) => {
                    tracing::warn!(folder, file = %name, "skipped a file of a granted folder: {error}");
                    continue;
                }
            };
            if !metadata.is_file() {
                continue;
            }
            let modified = metadata.modified().ok().map(|at| at.into_std());
            let modified = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            let modified_us = modified.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
            files.push(FileEntry { name, bytes: metadata.len(), modified_us });
        }
        files.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(files)
    }

    /// A file of a granted folder, parsed by the named format.
    pub(super) fn folder_file(
        &mut self,
        order: &WorkOrder,
        folder: &str,
        file: &str,
        format_name: Option<&str>,
    ) -> Result<Arc<OpenInput>, Failure> {
        let path = format!("{folder}/{file}");
        let Some(format_name) = format_name else {
            let message = format!("`select` must name the format of `{path}`: {{\"format\": \"...\"}}");
            return Err(Failure::new(FailureKind::Pipeline, "bad_select", message));
        };
        let known = self.opened.iter().find(|(known, name, _)| known == &path && name == format_name);
        if let Some((_, _, open)) = known {
            return Ok(Arc::clone(open));
        }
        let format = format(order, format_name)?;
        let kept = self.folder_bytes(order, folder, file)?;
        let place = Place::try_from(self.all().count()).unwrap_or(NOWHERE);
        let open = Arc::new(opened(order, &kept, &[format], &self.rejects, place)?);
        self.opened.push((path, format_name.to_owned(), Arc::clone(&open)));
        Ok(open)
    }

    /// The bytes of a file of a granted folder.
    pub(super) fn folder_bytes(&mut self, order: &WorkOrder, folder: &str, file: &str) -> Result<KeptInput, Failure> {
        let path = format!("{folder}/{file}");
        if let Some((_, kept)) = self.files.iter().find(|(known, _)| known == &path) {
            return Ok(kept.clone());
        }
        let kept = match self.sight.content(&path) {
            Some(seen) => {
                let digest = seen?;
                KeptInput { file_name: file.to_owned(), digest, bytes: self.keeping.read(digest)? }
            }
            None => {
                let read = self.read_file(order, folder, file);
                self.sight.read(&path, &read);
                read?
            }
        };
        self.files.push((path, kept.clone()));
        Ok(kept)
    }

    fn read_file(&mut self, order: &WorkOrder, folder: &str, file: &str) -> Result<KeptInput, Failure> {
        let path = format!("{folder}/{file}");
        let dir = self.folder(order, folder)?;
        if file.contains(['/', '\\']) || file == ".." {
            let message = format!("`{path}` must name a file of the folder itself, as `files` lists them");
            return Err(Failure::new(FailureKind::Auth, "not_granted", message));
        }
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        options.custom_flags(crate::input_file::NONBLOCK);
        let open = dir.open_with(file, &options).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                let message = format!("`{path}` may not be read, or leads out of the granted folder: {error}");
                Failure::new(FailureKind::Source, "permission_denied", message)
            }
            _ => Failure::io(Reading::Input, "read the file", &path, &error),
        })?;
        let bytes = Arc::new(read_whole(open.into_std(), &path, order.limits.input_bytes)?);
        Ok(self.kept(order, InputBytes { file_name: file.to_owned(), bytes }))
    }

    /// Keeps what came back for a request.
    pub(super) fn keep(&mut self, order: &WorkOrder, exchange: InputBytes) {
        let kept = self.kept(order, exchange);
        self.exchanges.push(kept);
    }

    fn kept(&mut self, order: &WorkOrder, input: InputBytes) -> KeptInput {
        if order.dry_run {
            return KeptInput { digest: digest(&input.bytes), file_name: input.file_name, bytes: input.bytes };
        }
        self.keeping.add(input)
    }

    pub(super) fn folder(&mut self, order: &WorkOrder, name: &str) -> Result<&Dir, Failure> {
        if !self.folders.contains_key(name) {
            let granted = granted(order, name)?;
            let dir = Dir::open_ambient_dir(&granted.path, ambient_authority()).map_err(|error| {
                let shown = granted.path.display().to_string();
                Failure::io(Reading::Input, "open the granted folder", &shown, &error)
            })?;
            self.folders.insert(name.to_owned(), dir);
        }
        self.folders.get(name).ok_or_else(|| Failure::new(FailureKind::Internal, "folder", "a folder was not opened"))
    }
}

pub(super) fn granted<'a>(order: &'a WorkOrder, folder: &str) -> Result<&'a FolderGrant, Failure> {
    order.folders.get(folder).ok_or_else(|| {
        let message = format!("the folder `{folder}` is not granted to this plugin: grant it in spine.toml");
        Failure::new(FailureKind::Auth, "not_granted", message)
    })
}

fn format<'a>(order: &'a WorkOrder, name: &str) -> Result<&'a FileFormat, Failure> {
    order.manifest.format(name).ok_or_else(|| {
        let known: Vec<&str> = order.manifest.formats.iter().map(|format| format.name.as_str()).collect();
        let message = format!("the plugin declares no format `{name}`, only {}", known.join(", "));
        Failure::new(FailureKind::Pipeline, "unknown_format", message)
    })
}

fn opened(
    order: &WorkOrder,
    kept: &KeptInput,
    formats: &[&FileFormat],
    rejects: &Arc<Collector>,
    place: Place,
) -> Result<OpenInput, Failure> {
    OpenInput::open(kept, formats, order.limits.input_bytes, rejects, place)
}
