//! A running server, from its start to its end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::Absent;
use crate::binaries::Binaries;
use crate::talk::{Refused, Talk};
use crate::template;
use crate::user::User;

/// Where nothing else is asked for; clients take it for granted.
const PORT: u16 = 5_432;

/// The superuser, who is let in without a password: only the socket leads to the server.
const USER: &str = "spine";

/// How long a start may take on a machine that does much else.
const START_MAX: Duration = Duration::from_secs(120);

/// Small, with a socket only.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "shared_buffers=16MB",
    "max_connections=100",
    "max_wal_size=64MB",
    "min_wal_size=8MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "max_worker_processes=2",
    "max_parallel_workers=0",
    "log_min_messages=log",
    "lc_messages=C",
];

/// Fast rather than safe.
const UNSAFE: &[&str] = &["fsync=off", "full_page_writes=off"];

/// What a server is that nobody configured: a commit that was answered is on the disk.
const DURABLE: &[&str] = &["fsync=on", "full_page_writes=on", "synchronous_commit=on"];

/// A folder that systems keep on a disk, unlike that for temporary files.
const ON_DISK: &str = "/var/tmp";

/// What has to be free in memory for a server to live there: many times what it needs.
const IN_MEMORY_KIB: u64 = 1024 * 1024;

/// The line of its log that a server writes when it listens.
const READY: &str = "ready to accept connections";

/// Runs the server until nobody holds the other end of its input, then ends it and removes its folder. The last line of
/// a test process that is killed is that it lets go. Only the server holds on to the output, so it ends with it.
const WATCH: &str = r#"
folder=$1; shift
"$@" 2>&1 </dev/null &
server=$!
exec >/dev/null
read -r _
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

/// A server with its socket in a folder of its own.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    /// Names the socket.
    port: u16,
    watch: Child,
    databases: AtomicU64,
}

/// An empty database of a [`Cluster`], which runs for as long as it is there. It is not removed before.
#[derive(Clone, Debug)]
pub struct Database {
    cluster: Arc<Cluster>,
    name: String,
}

impl Cluster {
    /// Starts a server.
    ///
    /// # Errors
    ///
    /// If no PostgreSQL is installed here.
    ///
    /// # Panics
    ///
    /// If it is installed and does not start.
    pub fn start() -> Result<Self, Absent> {
        Self::start_in(fast_parent(), Start { settings: UNSAFE, more: &[], port: PORT, files: &[] })
    }

    /// As [`Cluster::start`], with more settings, and files that are to be the server's.
    pub(crate) fn start_with(more: &[String], port: u16, files: &[&Path]) -> Result<Self, Absent> {
        Self::start_in(fast_parent(), Start { settings: UNSAFE, more, port, files })
    }

    /// Starts a server on a disk that syncs what it commits, for who measures what that costs.
    ///
    /// # Errors
    ///
    /// If no PostgreSQL is installed here.
    ///
    /// # Panics
    ///
    /// If it is installed and does not start.
    pub fn start_durable() -> Result<Self, Absent> {
        Self::start_in(Path::new(ON_DISK), Start { settings: DURABLE, more: &[], port: PORT, files: &[] })
    }

    fn start_in(parent: &Path, start: Start<'_>) -> Result<Self, Absent> {
        let binaries = Binaries::find()?;
        let folder = temporary_folder(parent);
        let started = begin(&binaries, &folder, start);
        Ok(started.unwrap_or_else(|error| panic!("PostgreSQL does not start in {}: {error}", folder.display())))
    }

    /// Makes an empty database.
    ///
    /// # Panics
    ///
    /// If the server does not.
    pub fn database(self: &Arc<Self>) -> Database {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = self.run("postgres", &format!("CREATE DATABASE {name}"));
        made.unwrap_or_else(|refused| panic!("no database: {}", refused.0));
        Database { cluster: Arc::clone(self), name }
    }

    /// Runs statements in a database, as the superuser.
    ///
    /// # Errors
    ///
    /// What the server says is wrong with them.
    pub fn run(&self, database: &str, sql: &str) -> Result<(), Refused> {
        Talk::begin(&socket(&self.folder, self.port), USER, database)?.run(sql)
    }
}

impl Database {
    /// `postgres://...`, for whoever is to connect.
    pub fn url(&self) -> String {
        let folder: String =
            self.cluster.folder.display().to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("postgres://{USER}@{folder}/{}", self.name)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements, as the superuser and over a connection of its own.
    ///
    /// # Errors
    ///
    /// What the server says is wrong with them.
    pub fn run(&self, sql: &str) -> Result<(), Refused> {
        self.cluster.run(&self.name, sql)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The watch reads to the end of its input, which is here.
        drop(self.watch.stdin.take());
        drop(self.watch.wait());
    }
}

/// How a server is started.
#[derive(Clone, Copy, Debug)]
struct Start<'a> {
    settings: &'a [&'a str],
    /// Those win over the others.
    more: &'a [String],
    port: u16,
    files: &'a [&'a Path],
}

fn begin(binaries: &Binaries, folder: &Path, start: Start<'_>) -> std::io::Result<Cluster> {
    let user = User::of_server();
    fs::create_dir(folder)?;
    user.own(folder)?;
    let data = folder.join("data");
    template::copy(binaries, user, &data)?;
    user.own(&data)?;
    start.files.iter().try_for_each(|file| user.own(file))?;
    let mut command = user.command(Path::new("sh"));
    command.args(["-c", WATCH, "sh"]).arg(folder).arg(binaries.binary("postgres")).arg("-D").arg(&data);
    command.arg("-k").arg(folder);
    for setting in SETTINGS.iter().chain(start.settings).copied().chain(start.more.iter().map(String::as_str)) {
        command.args(["-c", setting]);
    }
    let mut watch = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let log = watch.stdout.take();
    let cluster = Cluster { folder: folder.to_owned(), port: start.port, watch, databases: AtomicU64::new(0) };
    until_ready(log)?;
    Ok(cluster)
}

/// Returns once the server says in its log that it is ready; an error holds what it said instead.
fn until_ready(log: Option<ChildStdout>) -> std::io::Result<()> {
    let (told, hears) = mpsc::channel();
    // Reads on to the end of the server: one that nobody listens to would stop at a full pipe.
    std::thread::spawn(move || {
        let mut said = Vec::new();
        for line in log.into_iter().flat_map(|log| BufReader::new(log).lines()).map_while(Result::ok) {
            let is_ready = line.contains(READY);
            said.push(line);
            if is_ready {
                drop(told.send(Ok(())));
                said.clear();
            }
        }
        drop(told.send(Err(format!("it ended: {}", said.join("; ")))));
    });
    let told = hears.recv_timeout(START_MAX).unwrap_or_else(|_| Err(format!("it is not ready after {START_MAX:?}")));
    told.map_err(std::io::Error::other)
}

fn socket(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// In memory if there is enough of it, which takes a tenth of the time of a disk.
pub(crate) fn fast_parent() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if free_kib(memory).is_some_and(|free| free >= IN_MEMORY_KIB) { memory } else { Path::new("/tmp") }
}

/// A short path: that of a socket has at most 107 bytes.
fn temporary_folder(parent: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = parent.join(format!("spine-pg-{}-{count}", std::process::id()));
    // Of a process that had the same number before, and whose watch was killed too.
    drop(Command::new("rm").arg("-rf").arg(&folder).status());
    folder
}

/// The second line that `df` prints: device, size, used, free.
fn free_kib(folder: &Path) -> Option<u64> {
    let told = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    told.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}
