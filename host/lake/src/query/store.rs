//! The only files SQL can reach: the captures of one view.
//!
//! DataFusion opens files through object stores that it finds by URL. A session of ours has exactly one, under a
//! scheme nobody else serves, and that one knows the captures' paths, lists nothing and writes nothing.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::Path as FolderPath;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use model::Failure;
use model::failure::Reading;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Where a session finds the captures.
pub(super) const CAPTURES_URL: &str = "spine://captures/";

/// Serves the given files below one folder, and nothing else.
#[derive(Debug)]
pub(super) struct CaptureStore {
    files: LocalFileSystem,
    served: HashSet<Path>,
}

impl CaptureStore {
    /// Serves `served`, which are paths relative to `captures_dir`.
    ///
    /// # Errors
    ///
    /// If the folder cannot be opened.
    pub(super) fn open(captures_dir: &FolderPath, served: HashSet<Path>) -> std::result::Result<Self, Failure> {
        let files = captures_dir
            .canonicalize()
            .map_err(|error| Failure::io(Reading::Own, "open", &captures_dir.display().to_string(), &error))
            .and_then(|folder| {
                LocalFileSystem::new_with_prefix(&folder).map_err(|error| {
                    let message = format!("could not open `{}`: {error}", folder.display());
                    Failure::new(model::FailureKind::Storage, "io", message)
                })
            })?;
        Ok(Self { files, served })
    }

    fn check(&self, location: &Path) -> Result<()> {
        if self.served.contains(location) {
            return Ok(());
        }
        Err(Error::NotFound { path: location.to_string(), source: "not a capture of this snapshot".into() })
    }
}

impl fmt::Display for CaptureStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("captures")
    }
}

fn read_only() -> Error {
    Error::NotSupported { source: "captures are read only".into() }
}

#[async_trait::async_trait]
impl ObjectStore for CaptureStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(location)?;
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location)?;
        self.files.get_ranges(location, ranges).await
    }

    fn list(&self, _prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures::stream::empty().boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        Ok(ListResult { common_prefixes: Vec::new(), objects: Vec::new() })
    }

    async fn put_opts(&self, _location: &Path, _payload: PutPayload, _options: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations.map(|location| location.and_then(|_| Err(read_only()))).boxed()
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;

    #[tokio::test]
    async fn only_the_named_files_are_served_and_none_is_written() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["mine", "other"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let (mine, other) = (Path::from("mine"), Path::from("other"));
        let store = CaptureStore::open(folder.path(), HashSet::from([mine.clone()])).unwrap();

        assert_eq!(store.get(&mine).await.unwrap().bytes().await.unwrap(), "mine");
        assert_eq!(store.get_range(&mine, 1..3).await.unwrap(), "in");
        assert!(matches!(store.get(&other).await, Err(Error::NotFound { .. })));
        assert!(matches!(store.head(&other).await, Err(Error::NotFound { .. })));
        let ranges = [0..1, 1..2];
        assert!(matches!(store.get_ranges(&other, &ranges).await, Err(Error::NotFound { .. })));

        assert!(store.put(&mine, "x".into()).await.is_err());
        assert!(store.put_multipart(&mine).await.is_err());
        assert!(store.delete(&mine).await.is_err());
        assert!(store.copy(&mine, &other).await.is_err());
        assert!(store.rename(&mine, &other).await.is_err());
        assert_eq!(store.list(None).count().await, 0);
        assert!(store.list_with_delimiter(None).await.unwrap().objects.is_empty());
        assert_eq!(std::fs::read(folder.path().join("mine")).unwrap(), b"mine");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let failure = CaptureStore::open(FolderPath::new("/no/such/captures"), HashSet::new()).unwrap_err();
        assert_eq!(failure.code, "not_found");
        assert!(failure.message.contains("/no/such/captures"), "{failure}");
    }
}
