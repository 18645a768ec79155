//! Where the values of secrets are: variables of the environment, files, and what programs print.
//!
//! They are read each time an attempt begins, so a changed one needs no restart. No message quotes a value.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use model::grants::SecretSource;
use model::ports::SecretReader;
use model::secret::SecretValue;
use model::{Failure, FailureKind};

use crate::system::variable;

/// Longest value, in bytes. A certificate with its key fits.
const VALUE_BYTES_MAX: u64 = 64 * 1024;

/// How long a program may take. One that asks somebody for a password would ask for ever.
const COMMAND_TIME: Duration = Duration::from_secs(10);

/// How long to wait before a program is asked again whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The places of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecretPlaces;

impl SecretReader for SecretPlaces {
    fn read(&self, source: &SecretSource) -> Result<SecretValue, Failure> {
        let bytes = match source {
            SecretSource::Env(name) => {
                let value = variable(name).ok_or_else(|| "it is not set".to_owned());
                value.map(|value| value.into_encoded_bytes())
            }
            SecretSource::File(path) => of_file(path),
            SecretSource::Command(words) => of_command(words, COMMAND_TIME),
        };
        bytes
            .and_then(value)
            .map_err(|why| Failure::new(FailureKind::Config, "secret_unreadable", format!("{}: {why}", source.place())))
    }
}

/// A value of these bytes: text, without the line end that editors and programs add.
fn value(bytes: Vec<u8>) -> Result<SecretValue, String> {
    if bytes.len() as u64 > VALUE_BYTES_MAX {
        return Err(format!("its value has more than {VALUE_BYTES_MAX} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "its value is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err("its value is empty".to_owned()) } else { Ok(SecretValue::new(text)) }
}

fn of_file(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // Opening a pipe would wait for its writer.
    let is_file = std::fs::metadata(path).map_err(|error| error.to_string())?.is_file();
    if !is_file {
        return Err("it is no regular file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(VALUE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// What a program prints on standard output. What it says on standard error is shown to nobody: it may hold the value.
fn of_command(words: &[String], time: Duration) -> Result<Vec<u8>, String> {
    let (program, arguments) = words.split_first().ok_or_else(|| "it names no program".to_owned())?;
    let until = Instant::now() + time;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let ended = printed(&mut child, time).and_then(|printed| Ok((printed, status(&mut child, until)?)));
    let (printed, status) = ended.inspect_err(|_| end(&mut child))?;
    if status.success() { Ok(printed) } else { Err(format!("it ended with {status}")) }
}

/// How a program ends, if it does in time.
fn status(child: &mut Child, until: Instant) -> Result<ExitStatus, String> {
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status);
        }
        if Instant::now() >= until {
            return Err("it did not end after it had printed its value".to_owned());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Ends a program and all that it began.
fn end(child: &mut Child) {
    let group = format!("-{}", child.id());
    // The standard library ends processes, not groups of them; where there is no `kill`, what it began goes on.
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let _ = child.kill();
    let _ = child.wait();
}

fn printed(child: &mut Child, time: Duration) -> Result<Vec<u8>, String> {
    let Some(stdout) = child.stdout.take() else { return Err("its output cannot be read".to_owned()) };
    let (tell, told) = channel();
    let read = move || {
        let mut bytes = Vec::new();
        let read = stdout.take(VALUE_BYTES_MAX + 1).read_to_end(&mut bytes);
        // Nobody listens any more once the time is over.
        let _ = tell.send(read.map(|_| bytes));
    };
    let reader = std::thread::Builder::new().name("read-secret".to_owned()).spawn(read);
    reader.map_err(|error| error.to_string())?;
    match told.recv_timeout(time) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(RecvTimeoutError::Timeout) => Err(format!("it printed no end of its value within {} s", time.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Err("its output cannot be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: SecretSource) -> Result<String, String> {
        let value = SecretPlaces.read(&source).map(|value| value.expose().to_owned());
        value.map_err(|failure| format!("{} {}", failure.code, failure.message))
    }

    fn sh(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_value_is_read_without_the_line_end_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "hunter 2\r\n").unwrap();
        assert_eq!(read(SecretSource::File(path)).as_deref(), Ok("hunter 2"));
        assert_eq!(read(SecretSource::Command(sh("echo hunter3"))).as_deref(), Ok("hunter3"));
        assert!(read(SecretSource::Env("PATH".to_owned())).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_place_and_never_by_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            SecretSource::File(path)
        };
        for (source, place, why) in [
            (SecretSource::Env("SPINE_NO_SUCH_VARIABLE".to_owned()), "`SPINE_NO_SUCH_VARIABLE`", "not set"),
            (SecretSource::File(folder.path().join("nope")), "nope`", "No such file"),
            (SecretSource::File(folder.path().to_owned()), "`", "no regular file"),
            (file("empty", b"\n"), "empty`", "is empty"),
            (file("binary", b"hunter\xff"), "binary`", "not UTF-8"),
            (file("long", &vec![b'x'; 70_000]), "long`", "65536 bytes"),
            (SecretSource::Command(sh("echo hunter; exit 3")), "`sh`", "exit status: 3"),
            (SecretSource::Command(vec!["/no/such/program".to_owned()]), "`/no/such/program`", "No such file"),
        ] {
            let told = read(source).unwrap_err();
            assert!(told.starts_with("secret_unreadable ") && told.contains(place) && told.contains(why), "{told}");
            assert!(!told.contains("hunter"), "{told}");
        }
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let soon = Duration::from_millis(50);
        let told = of_command(&sh("exec sleep 600"), soon).unwrap_err();
        assert!(told.contains("no end of its value"), "{told}");
        let told = of_command(&sh("echo hunter; exec >&-; exec sleep 600"), soon).unwrap_err();
        assert!(told.contains("did not end"), "{told}");
        // Nor does what it began hold the value back.
        let began = Instant::now();
        of_command(&sh("sleep 600 & wait"), soon).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
