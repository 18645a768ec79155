//! A guest's standard output and error, as lines of its journal.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::journal::{Journal, LINE_BYTES_MAX, Severity};

/// Bytes a guest may hand over in one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// One of the two streams. Clones write to the same lines.
#[derive(Clone, Debug)]
pub(crate) struct GuestStream {
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug)]
struct Lines {
    origin: &'static str,
    journal: Journal,
    partial: Vec<u8>,
}

impl GuestStream {
    pub(crate) fn new(origin: &'static str, journal: &Journal) -> Self {
        Self { lines: Arc::new(Mutex::new(Lines { origin, journal: journal.clone(), partial: Vec::new() })) }
    }

    fn write_lines(&self, bytes: &[u8]) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    lines.keep(end);
                    lines.end_line();
                }
                None => lines.keep(piece),
            }
        }
    }
}

impl Lines {
    /// Adds to the line at hand; what would make it too long is lost, as the journal would cut it anyway.
    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.partial.len()).min(bytes.len());
        self.partial.extend_from_slice(&bytes[..room]);
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.partial);
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned();
        let severity = if self.origin == "stderr" { Severity::Warn } else { Severity::Info };
        self.journal.line(severity, self.origin, &line, Vec::new());
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.partial.is_empty() {
            self.end_line();
        }
    }
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this form, and it is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).journal.count_call();
        self.write_lines(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_become_lines_and_an_unfinished_line_is_kept_at_the_end() {
        let (sink, lines) = crate::testing::collector();
        let journal = Journal::new(model::Timestamp::from_micros(0), &model::limits::Limits::standard(), sink);
        let stream = GuestStream::new("stdout", &journal);
        for bytes in [&b"one\ntw"[..], b"o\r\n", b"\nrest"] {
            stream.write_lines(bytes);
        }
        drop(stream);
        let lines = lines.lock().unwrap();
        let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["one", "two", "", "rest"]);
        assert!(lines.iter().all(|line| line.origin == "stdout"));
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_room_than_a_line() {
        let journal = Journal::new(
            model::Timestamp::from_micros(0),
            &model::limits::Limits::standard(),
            model::ports::LogSink::none(),
        );
        let stream = GuestStream::new("stderr", &journal);
        for _ in 0..100 {
            stream.write_lines(&[b'x'; 1024]);
        }
        assert_eq!(stream.lines.lock().unwrap().partial.len(), LINE_BYTES_MAX);
    }
}
