//! Whose the server is.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A user that may run a server. None: the one who runs the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User(Option<(u32, u32)>);

impl User {
    /// Somebody other than root.
    pub(crate) fn of_server() -> Self {
        // Who made this process's folder in `/proc` runs it.
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        if !is_root {
            return Self(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let ids = ["postgres", "nobody"].iter().find_map(|name| ids(&passwd, name));
        // What Linux gives to nobody everywhere.
        Self(Some(ids.unwrap_or((65_534, 65_534))))
    }

    /// A command of this user.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // Not the folder of the tests, which this user may not be able to enter.
        command.current_dir("/");
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }

    /// Gives a folder and all that is in it to this user.
    pub(crate) fn own(self, path: &Path) -> std::io::Result<()> {
        let Some((user, group)) = self.0 else { return Ok(()) };
        chown(path, Some(user), Some(group))?;
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        Ok(())
    }
}

/// Reads the numbers of a user: `name:x:user:group:...`.
fn ids(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
