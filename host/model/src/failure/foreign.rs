//! Errors of others, sorted into the taxonomy. A missing file is not transient, and what nobody recognises is unknown.

use std::error::Error;
use std::io;

use super::{Failure, FailureKind, FailureType};

/// Whose file an I/O error was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A publisher's file.
    Input,
    /// A file of the host.
    Own,
}

impl Failure {
    /// The failure of a file operation on `path`: which kind and code, and whether waiting helps.
    ///
    /// `reading` tells an input (`source`) from the host's own files (`storage`).
    pub fn io(reading: Reading, action: &str, path: &str, error: &io::Error) -> Self {
        let kind = match reading {
            Reading::Input => FailureKind::Source,
            Reading::Own => FailureKind::Storage,
        };
        let (code, retryable) = of_a_file(error.kind());
        Self::new(kind, code, format!("could not {action} `{path}`: {error}")).retryable(retryable)
    }

    /// The failure that `error` stands for.
    ///
    /// The outermost error of its chain that is known decides: a [`Failure`] (which stays what it is), an I/O error, a
    /// JSON error. The message is that of `error`, the causes are the rest of the chain.
    pub fn foreign(error: &(dyn Error + 'static)) -> Self {
        let unknown = || Self::new(FailureKind::Unknown, "unknown", "");
        let found = chain(error).find_map(recognised).unwrap_or_else(unknown);
        let causes = chain(error).skip(1).map(ToString::to_string).chain(found.causes).collect();
        Self { message: error.to_string(), causes, ..found }
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What a single error is, apart from its message.
fn recognised(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Some(failure.clone());
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // An I/O error that carries another is not followed by it in the chain.
        let carried = error.get_ref().and_then(|carried| recognised(carried));
        return Some(carried.unwrap_or_else(|| of_io(error.kind())));
    }
    let json = error.downcast_ref::<serde_json::Error>()?;
    let parse = || Failure::new(FailureKind::Parse, "bad_document", "");
    Some(json.io_error_kind().map_or_else(parse, of_io))
}

fn of_io(error: io::ErrorKind) -> Failure {
    use io::ErrorKind;
    let kind = match error {
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::NotConnected
        | ErrorKind::BrokenPipe
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => return Failure::of(FailureType::Network, ""),
        ErrorKind::TimedOut => return Failure::of(FailureType::Timeout, ""),
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => return Failure::of(FailureType::Parse, ""),
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::IsADirectory | ErrorKind::NotADirectory => {
            FailureKind::Source
        }
        _ => FailureKind::Storage,
    };
    let (code, retryable) = of_a_file(error);
    Failure::new(kind, code, "").retryable(retryable)
}

/// The code of an error about a file, and whether waiting helps.
fn of_a_file(error: io::ErrorKind) -> (&'static str, bool) {
    use io::ErrorKind;
    match error {
        ErrorKind::NotFound => ("not_found", false),
        ErrorKind::PermissionDenied => ("permission_denied", false),
        ErrorKind::IsADirectory => ("not_a_file", false),
        // A limit on the size of files is a disk that is full for this process.
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => ("no_space", false),
        ErrorKind::ReadOnlyFilesystem => ("read_only", false),
        ErrorKind::Interrupted | ErrorKind::TimedOut | ErrorKind::WouldBlock => ("io", true),
        _ => ("io", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not load")]
    struct Outer(#[source] Box<dyn Error + Send + Sync>);

    fn outer(source: impl Into<Box<dyn Error + Send + Sync>>) -> Outer {
        Outer(source.into())
    }

    fn verdict(failure: &Failure) -> (FailureKind, &str, bool) {
        (failure.kind, failure.code.as_str(), failure.retryable)
    }

    #[test]
    fn case_e9_a_missing_file_is_a_source_and_not_transient() {
        let error = io::Error::from(io::ErrorKind::NotFound);
        let expected = (FailureKind::Source, "not_found", false);
        assert_eq!(verdict(&Failure::io(Reading::Input, "read", "a.txt", &error)), expected);
        assert_eq!(verdict(&Failure::foreign(&error)), expected);
        let deep = Failure::foreign(&outer(outer(error)));
        assert_eq!(verdict(&deep), expected);
        assert_eq!((deep.message.as_str(), deep.causes.len()), ("could not load", 2));
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(verdict(&Failure::foreign(&denied)), (FailureKind::Source, "permission_denied", false));
    }

    #[test]
    fn a_broken_line_may_heal_and_a_full_disk_does_not() {
        let of = |kind| Failure::foreign(&io::Error::from(kind));
        let expected = (FailureKind::Network, "network", true);
        assert_eq!(verdict(&of(io::ErrorKind::ConnectionReset)), expected);
        assert_eq!(verdict(&of(io::ErrorKind::TimedOut)), (FailureKind::Network, "timeout", true));
        assert_eq!(verdict(&of(io::ErrorKind::StorageFull)), (FailureKind::Storage, "no_space", false));
        assert_eq!(verdict(&of(io::ErrorKind::InvalidData)), (FailureKind::Parse, "parse", false));
        assert_eq!(verdict(&of(io::ErrorKind::Other)), (FailureKind::Storage, "io", false));
    }

    #[test]
    fn broken_json_is_a_parse_error_unless_it_could_not_be_read() {
        let broken = serde_json::from_str::<u8>("{").unwrap_err();
        assert_eq!(verdict(&Failure::foreign(&broken)), (FailureKind::Parse, "bad_document", false));
        struct Away;
        impl io::Read for Away {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let unread = serde_json::from_reader::<_, u8>(Away).unwrap_err();
        assert_eq!(verdict(&Failure::foreign(&unread)), (FailureKind::Network, "network", true));
    }

    #[test]
    fn a_failure_stays_what_it_is_however_it_is_wrapped() {
        let mut inner = Failure::of(FailureType::RateLimit, "slow down").detail("host", "a");
        inner.causes.push("429".to_owned());
        assert_eq!(Failure::foreign(&inner), inner);
        let wrapped = Failure::foreign(&outer(inner.clone()));
        let expected = Failure {
            message: "could not load".to_owned(),
            causes: vec!["slow down".to_owned(), "429".to_owned()],
            ..inner.clone()
        };
        assert_eq!(wrapped, expected);
        assert_eq!(Failure::foreign(&io::Error::other(inner.clone())), inner);
    }

    #[test]
    fn what_nobody_recognises_is_unknown_and_not_tried_again() {
        let failure = Failure::foreign(&outer("odd"));
        assert_eq!(verdict(&failure), (FailureKind::Unknown, "unknown", false));
        assert_eq!(failure.causes, ["odd"]);
    }
}
