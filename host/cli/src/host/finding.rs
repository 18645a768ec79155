//! Who carries an order out: this process, which owns the data folder from then on, or the process that owns it.
//!
//! An owner that is starting or ending is waited for, with one line that says so, for as long as it shows that it is at
//! it. One that is silent is given up: nothing here can tell a hung process from a stopped one, so nothing is ended.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::failure::{Failure, FailureKind};

use super::data_folder;
use crate::args::Global;
use crate::output;
use crate::owner::{self, OwnerLock, OwnerSign};
use crate::remote::{Presence, Remote};

/// How long an owner may give no sign of life.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long an owner may take to load its plugins, or to let its last runs end.
const BUSY_MAX: Duration = Duration::from_secs(30 * 60);

/// Shorter waits are not worth a line.
const QUIET: Duration = Duration::from_millis(300);

/// How often to look.
const POLL: Duration = Duration::from_millis(20);

/// Who carries an order out: this process, with what it takes of the data folder, or the folder's owner.
pub(super) enum Owner<T> {
    Us(T),
    Other(Remote),
}

/// Finds the owner of the data folder, or becomes it. May be dropped at any time.
///
/// # Errors
///
/// `unreachable` (exit code 4) if another process has the folder and is silent, or busy for half an hour.
pub(super) async fn find_owner(global: &Global) -> Result<Owner<(OwnerLock, PathBuf)>, Failure> {
    let data = data_folder(&global.data)?;
    owner_or(&data, || Ok(OwnerLock::acquire(&data)?.map(|lock| (lock, data.clone())))).await
}

/// Finds the owner of the data folder, or takes what work needs that is done without one: `take` gives none while there
/// is an owner.
///
/// # Errors
///
/// Those of [`find_owner`].
pub(super) async fn owner_or<T>(
    data: &Path,
    take: impl Fn() -> Result<Option<T>, Failure>,
) -> Result<Owner<T>, Failure> {
    let mut patience = Patience::begin(Instant::now());
    loop {
        if let Some(taken) = take()? {
            return Ok(Owner::Us(taken));
        }
        let seen = match owner::find(data) {
            OwnerSign::Starting => Seen::Starting,
            OwnerSign::Nothing => Seen::Silence,
            OwnerSign::Listening(address) => {
                let remote = Remote::new(address);
                match remote.presence().await {
                    Presence::Ready => return Ok(Owner::Other(remote)),
                    Presence::Busy => Seen::Ending,
                    Presence::Silent => Seen::Silence,
                }
            }
        };
        match patience.after(seen, Instant::now()) {
            Next::Wait => {}
            Next::Say(what) => output::note(&format!("waiting for {}, which {what}", who(data))),
            Next::GiveUp(why) => return Err(given_up(data, why)),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What another owner shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Starting,
    Ending,
    Silence,
}

/// What to do after a look at another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Wait,
    Say(&'static str),
    GiveUp(&'static str),
}

/// How long another owner is waited for.
#[derive(Clone, Copy, Debug)]
struct Patience {
    began: Instant,
    /// The last sign of life.
    heard: Instant,
    told: bool,
}

impl Patience {
    fn begin(now: Instant) -> Self {
        Self { began: now, heard: now, told: false }
    }

    fn after(&mut self, seen: Seen, now: Instant) -> Next {
        let what = match seen {
            Seen::Starting => "is starting and loads its plugins",
            Seen::Ending => "takes no new work and ends when its last runs have",
            Seen::Silence if now.duration_since(self.heard) < SILENCE_MAX => return Next::Wait,
            Seen::Silence => return Next::GiveUp("does not answer"),
        };
        self.heard = now;
        let waited = now.duration_since(self.began);
        if waited > BUSY_MAX {
            return Next::GiveUp("has been starting or ending for half an hour");
        }
        if self.told || waited < QUIET {
            return Next::Wait;
        }
        self.told = true;
        Next::Say(what)
    }
}

fn who(data: &Path) -> String {
    let process = owner::process(data).map(|id| format!(" {id}")).unwrap_or_default();
    format!("process{process} that owns `{}`", data.display())
}

fn given_up(data: &Path, why: &str) -> Failure {
    let message = format!(
        "{} {why}; look what it does: a stopped process can be continued, a busy one be waited for, and `{}/spine.address` \
         and `spine.token` must be there. Name another folder with --data to work beside it",
        who(data),
        data.display()
    );
    unreachable(message)
}

pub(super) fn unreachable(message: String) -> Failure {
    Failure::new(FailureKind::Orchestration, "unreachable", message).retryable(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_that_is_starting_is_waited_for_and_that_is_said_once() {
        let began = Instant::now();
        let mut patience = Patience::begin(began);
        assert_eq!(patience.after(Seen::Starting, began), Next::Wait, "a short wait is not worth a line");
        assert!(matches!(patience.after(Seen::Starting, began + QUIET), Next::Say(what) if what.contains("starting")));
        for seconds in [1, 11, 60, 600] {
            assert_eq!(patience.after(Seen::Starting, began + Duration::from_secs(seconds)), Next::Wait);
        }
        let end = began + BUSY_MAX + POLL;
        assert!(matches!(patience.after(Seen::Ending, end), Next::GiveUp(_)));
    }

    #[test]
    fn an_owner_that_is_silent_is_given_up_ten_seconds_after_its_last_sign() {
        let began = Instant::now();
        let mut patience = Patience::begin(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(patience.after(Seen::Silence, at(9)), Next::Wait);
        assert!(matches!(patience.after(Seen::Ending, at(9)), Next::Say(_)));
        assert_eq!(patience.after(Seen::Silence, at(18)), Next::Wait);
        assert!(matches!(patience.after(Seen::Silence, at(19)), Next::GiveUp("does not answer")));
    }

    #[test]
    fn nobody_is_told_to_end_a_process() {
        let data = tempfile::tempdir().unwrap();
        let _owner = OwnerLock::acquire(data.path()).unwrap().unwrap();
        let failure = given_up(data.path(), "does not answer");
        assert_eq!(failure.exit_code(), 4);
        assert!(failure.message.contains(&std::process::id().to_string()), "{}", failure.message);
        for word in ["kill", "end that process", "end it"] {
            assert!(!failure.message.contains(word), "{}", failure.message);
        }
    }
}
