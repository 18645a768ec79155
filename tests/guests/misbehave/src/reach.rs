//! Reaching for what nobody granted: files and hosts.

use std::io::Error as IoError;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

use spine_sdk::prelude::*;

/// Ways out of a folder `drop`, and to files without one. The links are made by whoever grants the folder.
const PATHS: [&str; 9] = [
    "drop/../outside.txt",
    "drop/./../outside.txt",
    "drop//etc/passwd",
    "drop/link.txt",
    "drop/proc/self/environ",
    "../outside.txt",
    "/etc/passwd",
    "/proc/self/environ",
    "\0",
];

/// Addresses that a server must not be talked into asking.
const ADDRESSES: [&str; 5] =
    ["127.0.0.1:80", "169.254.169.254:80", "[::1]:80", "10.0.0.1:443", "[::ffff:169.254.169.254]:80"];

/// Tries every way; an error if none leads anywhere.
pub(crate) fn paths(host: &Host) -> Result<(), Error> {
    let mut refused = Vec::new();
    for path in PATHS {
        match host.open(path) {
            Ok(_) => return Ok(()),
            Err(error) => refused.push(error.code),
        }
        match std::fs::read(path) {
            Ok(_) => return Ok(()),
            Err(error) => refused.push(error.kind().to_string()),
        }
    }
    for folder in ["..", "/", "drop/..", "drop/proc"] {
        match host.files(folder) {
            Ok(_) => return Ok(()),
            Err(error) => refused.push(error.code),
        }
    }
    Err(nowhere("no path leads out", refused))
}

/// Tries sockets and names; an error if none leads anywhere.
pub(crate) fn network() -> Result<(), Error> {
    let mut refused = Vec::new();
    let mut tried = |what: &str, outcome: Result<(), IoError>| match outcome {
        Ok(()) => true,
        Err(error) => {
            refused.push(format!("{what}: {}", error.kind()));
            false
        }
    };
    let connected = ADDRESSES.iter().any(|address| tried(address, TcpStream::connect(address).map(drop)));
    let found = tried("localhost", ("localhost", 80).to_socket_addrs().map(drop));
    let bound = tried("udp", UdpSocket::bind("0.0.0.0:0").map(drop));
    if connected || found || bound {
        return Ok(());
    }
    Err(nowhere("no address can be reached", refused))
}

fn nowhere(what: &str, refused: Vec<String>) -> Error {
    Error::auth("nothing_reached", what).detail("refused", refused.join(", "))
}
