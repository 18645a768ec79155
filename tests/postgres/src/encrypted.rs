//! A server that takes encrypted connections, with a certificate of an authority of its own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Absent;
use crate::cluster::{Cluster, fast_parent};

/// A [`Cluster`] that listens on the loopback address too.
#[derive(Debug)]
pub struct Encrypted {
    cluster: Cluster,
    port: u16,
    /// Where authority, certificate and keys are; removed in the end.
    folder: PathBuf,
}

impl Encrypted {
    /// Starts a server.
    ///
    /// # Errors
    ///
    /// If no PostgreSQL, or no `openssl` to make a certificate with, is installed here.
    ///
    /// # Panics
    ///
    /// If they are installed and do not work.
    pub fn start() -> Result<Self, Absent> {
        let folder = fast_parent().join(format!("spine-certificates-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        certify(&folder)?;
        let port = free_port().unwrap_or_else(|error| panic!("no port is free: {error}"));
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", folder.join("server.crt").display()),
            format!("ssl_key_file={}", folder.join("server.key").display()),
        ];
        let cluster = Cluster::start_with(&settings, port, &[&folder])?;
        Ok(Self { cluster, port, folder })
    }

    /// The URL of its one database over the network; `more` are its parameters.
    pub fn url(&self, more: &str) -> String {
        format!("postgres://spine:s3cret@127.0.0.1:{}/postgres?{more}", self.port)
    }

    /// The certificate that its own is to be trusted by.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.crt")
    }

    /// Runs statements, as the superuser and over the socket.
    ///
    /// # Errors
    ///
    /// What the server says is wrong with them.
    pub fn run(&self, sql: &str) -> Result<(), crate::Refused> {
        self.cluster.run("postgres", sql)
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// An authority, and a certificate of it for the loopback address.
fn certify(folder: &Path) -> Result<(), Absent> {
    let names = folder.join("names");
    fs::write(&names, "subjectAltName=IP:127.0.0.1\n").unwrap_or_else(|error| panic!("{error}"));
    let steps = [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout authority.key -out authority.crt",
        "req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 2 -extfile names \
         -out server.crt",
    ];
    for step in steps {
        let mut command = Command::new("openssl");
        command.args(step.split_whitespace()).current_dir(folder).stdin(Stdio::null());
        let made = command.output().map_err(|error| Absent(format!("no `openssl` is installed ({error})")))?;
        assert!(made.status.success(), "{step}: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}

fn free_port() -> std::io::Result<u16> {
    TcpListener::bind("127.0.0.1:0")?.local_addr().map(|address| address.port())
}
