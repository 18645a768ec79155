//! A host as its users have it: the binary `spine-host`, a plugins folder and a data folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// A plugins folder and a data folder, gone when dropped.
#[derive(Debug)]
pub struct TestHost {
    folder: TempDir,
    /// What commands may have, in bytes; none leaves it to the system.
    address_space: Option<u64>,
}

/// What a command of the host answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// The JSON on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}), exit {}\n{}\n{}", self.code, self.stdout, self.stderr))
    }

    /// The code word of the error in the JSON answer.
    #[track_caller]
    pub fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Fails the test unless the command ended with `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Default for TestHost {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHost {
    /// A host with the plugins of this project and an empty data folder.
    pub fn new() -> Self {
        let host = Self::without_plugins();
        for name in ["finra", "earnings"] {
            host.install(&component(name), &format!("{name}.wasm"));
        }
        host
    }

    /// A host with an empty plugins folder.
    pub fn without_plugins() -> Self {
        let folder = tempfile::Builder::new().prefix("spine-test-").tempdir().unwrap();
        let host = Self { folder, address_space: None };
        std::fs::create_dir(host.plugins()).unwrap();
        std::fs::create_dir(host.data()).unwrap();
        // Compiled components are shared by all tests: each is compiled once a machine.
        let cache = target_folder().join("test-cache");
        std::fs::create_dir_all(&cache).unwrap();
        std::os::unix::fs::symlink(&cache, host.data().join("cache")).unwrap();
        host
    }

    /// With a cache of compiled components of its own, so that a story may look at it and damage it.
    #[must_use]
    pub fn with_own_cache(self) -> Self {
        std::fs::remove_file(self.data().join("cache")).unwrap();
        self
    }

    /// With no more than `bytes` of address space for each of its commands.
    #[must_use]
    pub fn with_address_space(mut self, bytes: u64) -> Self {
        self.address_space = Some(bytes);
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn plugins(&self) -> PathBuf {
        self.folder().join("plugins")
    }

    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Puts a component into the plugins folder.
    pub fn install(&self, from: &Path, name: &str) {
        std::fs::copy(from, self.plugins().join(name)).unwrap();
    }

    /// Writes an input file and returns its path.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A command of the host in this data folder, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program();
        command.args(args).current_dir(self.folder()).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SPINE_")) {
            command.env_remove(name);
        }
        // By environment, so that a story may name another folder by its flag.
        command.env("SPINE_PLUGINS", self.plugins()).env("SPINE_DATA", self.data());
        command
    }

    fn program(&self) -> Command {
        let Some(bytes) = self.address_space else { return Command::new(spine_host()) };
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {} && exec \"$0\" \"$@\"", bytes / 1024)]).arg(spine_host());
        shell
    }

    /// A command that reads no file whose mode says that its user may not; none, with a message that the test is skipped,
    /// where root cannot give up its right to read everything.
    pub fn unprivileged(&self, args: &[&str]) -> Option<Command> {
        use std::os::unix::fs::MetadataExt;
        let plain = self.command(args);
        if std::fs::metadata(self.folder()).unwrap().uid() != 0 {
            return Some(plain);
        }
        if !Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: root may read everything, and there is no `setpriv` to give that up");
            return None;
        }
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search").arg(plain.get_program()).args(plain.get_args());
        command.current_dir(self.folder()).stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Some(command)
    }

    /// Runs a command to its end, with JSON answers.
    pub fn ask(&self, args: &[&str]) -> Answer {
        self.command(args).args(["-o", "json"]).output().unwrap().into()
    }

    /// Runs a command to its end, with answers for people.
    pub fn show(&self, args: &[&str]) -> Answer {
        self.command(args).output().unwrap().into()
    }

    /// Runs a pipeline on a file.
    pub fn run(&self, pipeline: &str, file: &Path, more: &[&str]) -> Answer {
        let file = format!("file={}", file.display());
        let mut args = vec!["run", pipeline, "-p", &file];
        args.extend(more);
        self.ask(&args)
    }

    /// The rows of a query.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Value {
        self.ask(&["query", sql]).exits(0).json()
    }

    /// Starts a serving host and waits until it is ready.
    pub fn serve(&self) -> Serving {
        self.serve_with(&[])
    }

    /// Starts a serving host with more arguments and waits until it is ready.
    pub fn serve_with(&self, args: &[&str]) -> Serving {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(args);
        self.serve_by(&mut self.command(&all))
    }

    /// Starts a serving host by a command of its own and waits until it is ready.
    pub fn serve_by(&self, command: &mut Command) -> Serving {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut before = String::new();
        let ready = loop {
            let mut line = String::new();
            if stderr.read_line(&mut line).unwrap() == 0 {
                let status = child.wait().unwrap();
                panic!("the host ended before it was ready ({status}):\n{before}");
            }
            if line.starts_with("ready http://") {
                break line;
            }
            before.push_str(&line);
        };
        let address = ready.trim_start_matches("ready http://").split_whitespace().next().unwrap().to_owned();
        // Somebody must read on, or the host would block on a full pipe.
        let rest = std::thread::spawn(move || {
            let mut text = String::new();
            drop(stderr.read_to_string(&mut text));
            text
        });
        let token = std::fs::read_to_string(self.data().join("spine.token")).unwrap();
        Serving { child: Some(child), rest: Some(rest), address, before, ready, token }
    }
}

/// A host that serves until it is stopped; killed when dropped.
#[derive(Debug)]
pub struct Serving {
    child: Option<Child>,
    rest: Option<std::thread::JoinHandle<String>>,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// What it logged before it was ready.
    pub before: String,
    /// The line that said so.
    pub ready: String,
    pub token: String,
}

impl Serving {
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Asks the host to end by SIGTERM and returns its exit code and what it logged.
    pub fn stop(mut self) -> (i32, String) {
        self.signal("TERM");
        let code = self.child.take().unwrap().wait().unwrap().code().unwrap_or(-1);
        (code, self.rest.take().unwrap().join().unwrap())
    }

    /// Ends the host at once, as a crash would.
    pub fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Sends a raw HTTP request and returns the status and the body.
    pub fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, body.to_owned())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The folder of build results that this test runs from.
pub fn target_folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            // .../target/debug/deps/stories-0123 or .../target/debug/sample-files
            let test = std::env::current_exe().unwrap();
            let debug = test.ancestors().find(|folder| folder.ends_with("debug")).expect("a dev profile build");
            debug.parent().unwrap().to_owned()
        })
        .clone()
}

/// The program under test.
pub fn spine_host() -> PathBuf {
    let path = target_folder().join("debug/spine-host");
    assert!(path.exists(), "`{}` is not built; run `make build` first", path.display());
    path
}

/// A component of this project that `cargo build-plugins` made: `finra`, `earnings`, `hello_rust`.
pub fn component(name: &str) -> PathBuf {
    let path = target_folder().join(format!("wasm32-wasip2/plugin/{name}.wasm"));
    assert!(path.exists(), "`{}` is not built; run `make build` first", path.display());
    path
}

/// A component that its own toolchain made, or none, with the reason why it could not, so that the test is
/// skipped. `make examples` makes them.
pub fn foreign(name: &str) -> Option<PathBuf> {
    let folder = target_folder().join("components");
    let path = folder.join(format!("{name}.wasm"));
    if path.exists() {
        return Some(path);
    }
    let why = std::fs::read_to_string(folder.join(format!("{name}.skipped")));
    eprintln!(
        "{}",
        why.unwrap_or_else(|_| format!("skipped: `{name}` is not built; `make examples` builds it")).trim()
    );
    None
}

/// The same component with another digest: a custom section says nothing to anybody.
pub fn relabelled(bytes: &[u8], label: &str) -> Vec<u8> {
    let name = format!("label-{label}");
    let mut all = bytes.to_vec();
    all.extend([0, u8::try_from(name.len() + 1).unwrap(), u8::try_from(name.len()).unwrap()]);
    all.extend(name.as_bytes());
    all
}
