//! A data folder that is made once and copied for every server: `initdb` takes seconds, a copy does not.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::binaries::Binaries;
use crate::user::User;

/// Copies a fresh data folder to `to`, which does not exist yet and lies where `user` may go.
pub(crate) fn copy(binaries: &Binaries, user: User, to: &Path) -> std::io::Result<()> {
    let home = target_folder();
    fs::create_dir_all(&home)?;
    let template = home.join(format!("postgres-{}-template", binaries.version));
    // Others who start a server now wait here and find it made. The lock goes with the file handle.
    let lock = File::create(home.join("postgres-template.lock"))?;
    lock.lock()?;
    if !template.exists() {
        // Not in the target folder: who runs the server may not be allowed to go there.
        make(binaries, user, to)?;
        let partial = template.with_extension("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        copy_folder(to, &partial)?;
        return fs::rename(partial, template);
    }
    drop(lock);
    copy_folder(&template, to)
}

fn make(binaries: &Binaries, user: User, folder: &Path) -> std::io::Result<()> {
    let mut command = user.command(&binaries.binary("initdb"));
    command.arg("-D").arg(folder).args([
        "--username=spine",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
        "--wal-segsize=1",
    ]);
    let made = command.output()?;
    if made.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&made.stderr).into_owned();
    Err(std::io::Error::other(format!("initdb failed: {told}")))
}

/// What cargo builds into, if this is a test that it built.
fn target_folder() -> PathBuf {
    let test = std::env::current_exe().ok();
    let deps = test.as_deref().and_then(Path::parent).filter(|folder| folder.ends_with("deps"));
    match deps.and_then(Path::parent) {
        Some(profile) => profile.to_owned(),
        None => std::env::temp_dir(),
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
