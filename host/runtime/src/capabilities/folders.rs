//! Folders: files of granted ones through the workbench, which reaches them by handles. WASI has no folder at all.

use crate::attempt::HostState;
use crate::bindings::host;
use crate::hosting::{guest_error, kernel};

impl HostState {
    /// `host.files`.
    pub(crate) fn list_files(&mut self, folder: &str) -> Result<Vec<host::FileEntry>, host::Error> {
        let files = kernel(|| self.workbench.files(folder));
        files.map(|files| files.into_iter().map(Into::into).collect()).map_err(guest_error)
    }

    /// `host.save`.
    pub(crate) fn save_file(&mut self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), host::Error> {
        kernel(|| self.workbench.save(folder, name, bytes)).map_err(guest_error)
    }
}

#[cfg(test)]
mod tests {
    use model::ports::LogSink;
    use wasmtime_wasi::filesystem::WasiFilesystemView as _;
    use wasmtime_wasi::p2::bindings::filesystem::preopens;

    use crate::testing::{Bench, state};

    #[tokio::test(flavor = "multi_thread")]
    async fn allowed_is_what_the_workbench_gives() {
        let bench = Bench::default();
        let saved = bench.saved.clone();
        let mut state = state(1, bench, LogSink::none());
        assert_eq!(state.list_files("drop").unwrap()[0].name, "a.txt");
        state.save_file("out", "b.txt", b"b".to_vec()).unwrap();
        assert_eq!(*saved.lock().unwrap(), [("out/b.txt".to_owned(), b"b".to_vec())]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn denied_is_what_the_workbench_refuses_and_every_folder_of_wasi() {
        let mut state = state(1, Bench::default(), LogSink::none());
        let refused = state.save_file("denied", "b.txt", Vec::new()).unwrap_err();
        assert_eq!((refused.kind.as_str(), refused.code.as_str()), ("auth", "not_granted"));
        assert!(preopens::Host::get_directories(&mut state.filesystem()).unwrap().is_empty());
    }
}
