//! The machine: its clock, and the file system of the data folder.

use std::path::Path;

use model::failure::Failure;
use model::health::{HealthCheck, HealthStatus};
use model::{Clock, Timestamp};

use super::folder::nearest_existing;
use crate::system::SystemClock;

/// File systems of other machines, whose locks and renames nobody can count on.
const NETWORKED: [&str; 12] = [
    "9p",
    "afs",
    "ceph",
    "cifs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

/// Before this program was written: 2026-01-01.
const IMPOSSIBLE: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

pub(super) fn checks(data: &Path) -> Vec<HealthCheck> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok();
    let nearest = nearest_existing(data);
    let path = nearest.canonicalize().unwrap_or_else(|_| nearest.to_owned());
    vec![file_system(&path, mounts.as_deref())]
}

fn file_system(path: &Path, mounts: Option<&str>) -> HealthCheck {
    const NAME: &str = "file_system";
    let Some(kind) = mounts.and_then(|mounts| kind_of(path, mounts)) else {
        return HealthCheck::healthy(NAME, "not known: this system does not tell");
    };
    if !NETWORKED.contains(&kind) {
        return HealthCheck::healthy(NAME, format!("{kind}, of this machine"));
    }
    HealthCheck::new(NAME, HealthStatus::Degraded, format!("{kind}, of another machine")).hint(
        "the ledger needs locks and renames that hold: keep the data folder on a disk of this machine, or the ledger in \
         PostgreSQL",
    )
}

/// The file system of the innermost mount above the path.
fn kind_of<'a>(path: &Path, mounts: &'a str) -> Option<&'a str> {
    let mut innermost: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let (before, after) = line.split_once(" - ")?;
        // Spaces of a path are written as `\040`.
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        if path.starts_with(&point) && innermost.is_none_or(|(length, _)| point.len() >= length) {
            innermost = Some((point.len(), after.split(' ').next()?));
        }
    }
    innermost.map(|(_, kind)| kind)
}

/// Times of the ledger only go forward: a clock that is behind would judge ages and leases wrongly.
pub(super) fn clock(newest_run: Result<Option<Timestamp>, Failure>) -> HealthCheck {
    match newest_run {
        Err(failure) => HealthCheck::failed("clock", &failure),
        Ok(newest) => judge_clock(SystemClock.now(), newest),
    }
}

fn judge_clock(now: Timestamp, newest: Option<Timestamp>) -> HealthCheck {
    const NAME: &str = "clock";
    let hint = "set the clock of this machine, by NTP if you can";
    match newest {
        _ if now < IMPOSSIBLE => {
            HealthCheck::new(NAME, HealthStatus::Unhealthy, format!("it shows {now}, which is long past")).hint(hint)
        }
        Some(newest) if now < newest => {
            let detail = format!("it shows {now}, before the newest run, which is of {newest}");
            HealthCheck::new(NAME, HealthStatus::Unhealthy, detail).hint(hint)
        }
        Some(_) | None => HealthCheck::healthy(NAME, format!("it shows {now}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                          30 22 0:40 / /mnt/my\\040files rw,relatime shared:5 - nfs4 server:/x rw\n\
                          31 22 0:41 / /mnt rw - tmpfs tmpfs rw\n";

    #[test]
    fn the_innermost_mount_says_which_file_system_it_is() {
        let kind = |path: &str| kind_of(Path::new(path), MOUNTS);
        assert_eq!(kind("/data"), Some("ext4"));
        assert_eq!(kind("/mnt/other"), Some("tmpfs"));
        assert_eq!(kind("/mnt/my files/data"), Some("nfs4"));
        assert_eq!(file_system(Path::new("/mnt/my files"), Some(MOUNTS)).status, HealthStatus::Degraded);
        assert_eq!(file_system(Path::new("/data"), Some(MOUNTS)).status, HealthStatus::Healthy);
        assert_eq!(file_system(Path::new("/data"), Some("nonsense")).status, HealthStatus::Healthy);
        assert_eq!(file_system(Path::new("/data"), None).status, HealthStatus::Healthy);
    }

    #[test]
    fn a_clock_before_the_newest_run_is_wrong() {
        let now = IMPOSSIBLE.plus_micros(1_000);
        assert_eq!(judge_clock(now, None).status, HealthStatus::Healthy);
        assert_eq!(judge_clock(now, Some(now)).status, HealthStatus::Healthy);
        assert_eq!(judge_clock(now, Some(now.plus_micros(1))).status, HealthStatus::Unhealthy);
        assert_eq!(judge_clock(IMPOSSIBLE.plus_micros(-1), None).status, HealthStatus::Unhealthy);
    }
}
