//! Progress on standard error: a bar on a terminal, nothing elsewhere. Logs and errors are printed above the bar.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::ports::Progress;

fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(|| {
        let bars = MultiProgress::new();
        if !io::stderr().is_terminal() {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        bars
    })
}

/// A bar for one run; gone when dropped.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn start(name: &str) -> Self {
        let bar = bars().add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{spinner} {msg}  {human_pos} rows  {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// What a run reports its progress to.
    pub(crate) fn listener(&self) -> Progress {
        let bar = self.0.clone();
        Progress(Arc::new(move |done, total| {
            if let Some(total) = total.filter(|_| bar.length().is_none()) {
                bar.set_length(total);
                let style = ProgressStyle::with_template("{msg}  {wide_bar} {human_pos}/{human_len} rows  {eta}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            }
            bar.set_position(done);
        }))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        bars().remove(&self.0);
    }
}

/// Prints a text above the bars, or just prints it.
///
/// Everything that is not an answer goes to standard error through here. That nobody reads it changes no exit code.
pub(crate) fn above(text: &str) {
    bars().suspend(|| drop(writeln!(io::stderr(), "{text}")));
}

/// Where log lines go: above the bars.
pub(crate) fn log_writer() -> LogWriter {
    LogWriter(Vec::new())
}

/// Collects one log line and prints it when dropped, so that lines never mix with bars.
#[derive(Debug)]
pub(crate) struct LogWriter(Vec<u8>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // Nobody is left to tell if standard error is gone.
        bars().suspend(|| drop(io::stderr().write_all(&self.0)));
    }
}
