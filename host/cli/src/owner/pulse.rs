//! The sign of life of an owner that cannot answer yet: each second it writes its process id to its lock file again,
//! with the same content, and the file's time tells that it did.
//!
//! The writing is a thread of its own, since an owner that loads plugins has all others busy. It shows that the process
//! is running, not that it comes on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// How often a sign is given.
const EVERY: Duration = Duration::from_secs(1);

/// When an owner gave its last sign, by the clock of its file system: only whether it changes means something.
pub(crate) type Beat = Option<SystemTime>;

/// Gives signs of life until it is told to rest or dropped.
#[derive(Debug)]
pub(super) struct Pulse {
    rest: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    /// Writes `text` to `file`, which holds it already, again and again.
    pub(super) fn start(file: &File, text: String) -> io::Result<Self> {
        Self::every(EVERY, file, text)
    }

    fn every(period: Duration, file: &File, text: String) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (rest, told) = mpsc::channel();
        let beat = move || {
            while told.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                // One that is missed is no harm.
                drop(file.write_all_at(text.as_bytes(), 0));
            }
        };
        let thread = std::thread::Builder::new().name("sign of life".to_owned()).spawn(beat)?;
        Ok(Self { rest: Some(rest), thread: Some(thread) })
    }

    /// No more signs: the owner answers from now on.
    pub(super) fn rest(&self) {
        if let Some(rest) = &self.rest {
            // One that rests already need not be told.
            let _ = rest.send(());
        }
    }
}

impl Drop for Pulse {
    /// Nothing is written any more once this returns: the file may belong to another owner then.
    fn drop(&mut self) {
        drop(self.rest.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// When the owner of this lock file gave its last sign.
pub(super) fn last(lock: &Path) -> Beat {
    std::fs::metadata(lock).and_then(|file| file.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_file_changes_and_its_content_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "4711").unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let before = last(&path);
        let pulse = Pulse::every(Duration::from_millis(1), &file, "4711".to_owned()).unwrap();
        while last(&path) == before {
            std::thread::yield_now();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "4711");

        pulse.rest();
        drop(pulse);
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(last(&path), Some(SystemTime::UNIX_EPOCH), "nothing is written after the end");
        assert_eq!(last(&folder.path().join("absent")), None);
    }
}
