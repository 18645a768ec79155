//! Who carries an order out: this process, which owns the data folder from then on, or the process that owns it.
//!
//! An owner that is starting or ending is waited for, with one line that says so, for as long as it shows that it is at
//! it: one that is starting by the sign of life that it gives each second, one that is ending by its answers. One that is
//! silent is given up: nothing here can tell a hung process from a stopped one, so nothing is ended.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::failure::{Failure, FailureKind};

use super::data_folder;
use crate::args::Global;
use crate::output;
use crate::owner::{self, Beat, OwnerLock, OwnerSign};
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
            OwnerSign::Starting(beat) => Seen::Starting(beat),
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
    /// It has given its last sign of life at that time of its own.
    Starting(Beat),
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
    /// The sign of an owner that is starting, as it was last seen.
    beat: Beat,
    told: bool,
}

impl Patience {
    fn begin(now: Instant) -> Self {
        Self { began: now, heard: now, beat: None, told: false }
    }

    fn after(&mut self, seen: Seen, now: Instant) -> Next {
        let (what, is_alive, silent) = match seen {
            Seen::Starting(beat) => {
                let is_new = std::mem::replace(&mut self.beat, beat) != beat;
                let silent = "has been starting and gives no sign of life any more";
                (Some("is starting and loads its plugins"), is_new, silent)
            }
            Seen::Ending => (Some("takes no new work and ends when its last runs have"), true, ""),
            Seen::Silence => (None, false, "does not answer"),
        };
        if is_alive {
            self.heard = now;
        } else if now.duration_since(self.heard) >= SILENCE_MAX {
            return Next::GiveUp(silent);
        }
        let Some(what) = what else { return Next::Wait };
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
    use std::time::SystemTime;

    use super::*;

    /// An owner that is starting and gave its last sign so many seconds after some time.
    fn beat(seconds: u64) -> Seen {
        Seen::Starting(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
    }

    #[test]
    fn an_owner_that_is_starting_is_waited_for_and_that_is_said_once() {
        let began = Instant::now();
        let mut patience = Patience::begin(began);
        assert_eq!(patience.after(beat(0), began), Next::Wait, "a short wait is not worth a line");
        assert!(matches!(patience.after(beat(0), began + QUIET), Next::Say(what) if what.contains("starting")));
        for seconds in 1..=600 {
            assert_eq!(patience.after(beat(seconds), began + Duration::from_secs(seconds)), Next::Wait, "{seconds}");
        }
        let end = began + BUSY_MAX + POLL;
        assert!(matches!(patience.after(Seen::Ending, end), Next::GiveUp(_)));
    }

    #[test]
    fn an_owner_that_is_starting_and_gives_no_sign_is_given_up_after_ten_seconds() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut patience = Patience::begin(began);
        // Its clock may be anything, also before ours or set back.
        assert_eq!(patience.after(beat(500), at(0)), Next::Wait);
        assert!(matches!(patience.after(beat(499), at(5)), Next::Say(_)));
        assert_eq!(patience.after(beat(499), at(14)), Next::Wait);
        assert!(matches!(patience.after(beat(499), at(15)), Next::GiveUp(why) if why.contains("no sign of life")));

        let mut patience = Patience::begin(began);
        assert_eq!(patience.after(Seen::Starting(None), at(0)), Next::Wait);
        assert!(matches!(patience.after(Seen::Starting(None), at(10)), Next::GiveUp(_)), "nor without a lock's time");
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
