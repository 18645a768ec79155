//! The data folder, and who owns it.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use model::health::{HealthCheck, HealthStatus};

use crate::owner::{self, OwnerSign};
use crate::remote::{Presence, Remote};

/// With less free space somebody should look, and with less nothing can be trusted to end well.
const FEW_KIB: u64 = 1024 * 1024;
const TOO_FEW_KIB: u64 = 100 * 1024;

/// Where it is, whose it is, and what room there is.
pub(super) async fn checks(data: &Path) -> Vec<HealthCheck> {
    let mut checks = vec![folder(data)];
    let nearest = nearest_existing(data).to_owned();
    if let Ok(space) = tokio::task::spawn_blocking(move || free_space(&nearest)).await {
        checks.push(space);
    }
    checks
}

fn folder(data: &Path) -> HealthCheck {
    const NAME: &str = "data_folder";
    let shown = data.display();
    let found = match data.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return HealthCheck::healthy(NAME, format!("`{shown}` is not there yet; the first run makes it"));
        }
        Err(error) => {
            return HealthCheck::new(NAME, HealthStatus::Unhealthy, format!("`{shown}`: {error}"))
                .hint("name a folder that this user may read and write with --data");
        }
    };
    if !found.is_dir() {
        return HealthCheck::new(NAME, HealthStatus::Unhealthy, format!("`{shown}` is no folder"))
            .hint("name another with --data");
    }
    let mode = found.permissions().mode() & 0o777;
    let detail = format!("`{shown}` belongs to user {} with mode {mode:04o}", found.uid());
    // The user of a process owns its folder under `/proc`, where there is one.
    if let Ok(me) = std::fs::metadata("/proc/self").map(|me| me.uid())
        && me != found.uid()
    {
        return HealthCheck::new(NAME, HealthStatus::Degraded, format!("{detail}, and this is user {me}"))
            .hint("a host and the commands that work with it belong to one user: use that one");
    }
    if mode & 0o077 != 0 {
        return HealthCheck::new(NAME, HealthStatus::Degraded, detail)
            .hint(format!("others can look into it; `chmod 700 {shown}` keeps them out"));
    }
    HealthCheck::healthy(NAME, detail)
}

/// The path, or the nearest folder above it that is there.
pub(super) fn nearest_existing(path: &Path) -> &Path {
    let above = path.ancestors().find(|path| !path.as_os_str().is_empty() && path.exists());
    above.unwrap_or(Path::new("."))
}

/// Asked of `df`, which every Unix has; where it does not answer nobody knows.
fn free_space(path: &Path) -> HealthCheck {
    const NAME: &str = "free_space";
    let asked = std::process::Command::new("df").arg("-Pk").arg("--").arg(path).output();
    let free = asked.ok().and_then(|answer| free_kib(&String::from_utf8_lossy(&answer.stdout)));
    let Some(free) = free else { return HealthCheck::healthy(NAME, "not known: `df` does not tell") };
    let check = HealthCheck::healthy(NAME, format!("{} MiB", free / 1024));
    match free {
        _ if free < TOO_FEW_KIB => HealthCheck { status: HealthStatus::Unhealthy, ..check },
        _ if free < FEW_KIB => HealthCheck { status: HealthStatus::Degraded, ..check },
        _ => return check,
    }
    .hint("make room: runs fail with `no_space` when there is none, and lose nothing that was published")
}

/// The fourth column of the second line.
fn free_kib(answer: &str) -> Option<u64> {
    answer.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// Whether somebody owns the folder, and answers.
pub(super) async fn owner(data: &Path) -> HealthCheck {
    const NAME: &str = "owner";
    match owner::hold_still(data) {
        Ok(Some(_)) => {
            let stale = owner::find(data) != OwnerSign::Nothing;
            let detail = "nobody owns the folder";
            match stale {
                false => HealthCheck::healthy(NAME, detail),
                true => {
                    HealthCheck::healthy(NAME, format!("{detail}; the last owner died, and the next one cleans up"))
                }
            }
        }
        Ok(None) => at_home(data).await,
        Err(failure) => HealthCheck::failed(NAME, &failure),
    }
}

async fn at_home(data: &Path) -> HealthCheck {
    const NAME: &str = "owner";
    let process = owner::process(data).map(|id| format!("process {id}")).unwrap_or_else(|| "a process".to_owned());
    let silent = "look what that process does; a stopped one can be continued, else see its log";
    match owner::find(data) {
        OwnerSign::Starting(_) => HealthCheck::healthy(NAME, format!("{process} owns the folder and is starting")),
        OwnerSign::Nothing => {
            let detail = format!("{process} owns the folder, and its `spine.address` or `spine.token` is missing");
            HealthCheck::new(NAME, HealthStatus::Unhealthy, detail).hint(silent)
        }
        OwnerSign::Listening(address) => {
            let at = address.address.clone();
            match Remote::new(address).presence().await {
                Presence::Ready => HealthCheck::healthy(NAME, format!("{process} owns the folder and answers at {at}")),
                Presence::Busy => {
                    HealthCheck::healthy(NAME, format!("{process} owns the folder and takes no work now"))
                }
                Presence::Silent => {
                    let detail = format!("{process} owns the folder and does not answer at {at}");
                    HealthCheck::new(NAME, HealthStatus::Unhealthy, detail).hint(silent)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_from_the_answer_of_df() {
        let answer = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda 100 40 60 40% /data dir\n";
        assert_eq!(free_kib(answer), Some(60));
        for strange in ["", "df: no such file\n", "a\nb c\n"] {
            assert_eq!(free_kib(strange), None);
        }
    }

    #[test]
    fn a_folder_that_others_can_look_into_is_told_and_one_that_is_not_there_is_no_illness() {
        let data = tempfile::tempdir().unwrap();
        let set = |mode| std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o700);
        assert_eq!(folder(data.path()).status, HealthStatus::Healthy);
        set(0o755);
        let check = folder(data.path());
        assert_eq!(check.status, HealthStatus::Degraded);
        assert!(check.hint.unwrap().contains("chmod 700"));
        assert_eq!(folder(&data.path().join("absent")).status, HealthStatus::Healthy);
        let file = data.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(folder(&file).status, HealthStatus::Unhealthy);
        assert_eq!(nearest_existing(&data.path().join("a/b/c")), data.path());
    }
}
