//! The few words of PostgreSQL's protocol that it takes to run a statement over a socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What the server said instead of doing what it was asked; or that it could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A connection to one database.
#[derive(Debug)]
pub(crate) struct Talk(UnixStream);

impl Talk {
    /// Connects, and returns when the server is ready for statements.
    pub(crate) fn begin(socket: &Path, user: &str, database: &str) -> Result<Self, Refused> {
        let mut talk = Self(UnixStream::connect(socket)?);
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for word in ["user", user, "database", database, ""] {
            body.extend(word.as_bytes());
            body.push(0);
        }
        talk.send(None, &body)?;
        talk.until_ready()?;
        Ok(talk)
    }

    /// Runs statements and drops what they return.
    pub(crate) fn run(&mut self, sql: &str) -> Result<(), Refused> {
        let body: Vec<u8> = sql.bytes().chain([0]).collect();
        self.send(Some(b'Q'), &body)?;
        self.until_ready()
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<(), Refused> {
        let length = u32::try_from(body.len() + 4).map_err(|_| Refused("a statement too long".to_owned()))?;
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend(length.to_be_bytes());
        message.extend(body);
        Ok(self.0.write_all(&message)?)
    }

    /// Reads messages up to "ready for query"; an error among them is the answer.
    fn until_ready(&mut self) -> Result<(), Refused> {
        let mut answer = Ok(());
        loop {
            let mut head = [0; 5];
            if let Err(error) = self.0.read_exact(&mut head) {
                // After a fatal error the server says no more.
                return answer.and(Err(error.into()));
            }
            let [kind, a, b, c, d] = head;
            let length = u32::from_be_bytes([a, b, c, d]).saturating_sub(4);
            let mut body = vec![0; length as usize];
            self.0.read_exact(&mut body)?;
            match kind {
                b'Z' => return answer,
                b'E' => answer = Err(Refused(error_text(&body))),
                _ => {}
            }
        }
    }
}

/// Fields of an error: a letter and a text that ends with a zero each. `M` is the message.
fn error_text(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0).filter_map(|field| field.split_first());
    let message = fields.clone().find(|(letter, _)| **letter == b'M').map(|(_, text)| text);
    String::from_utf8_lossy(message.unwrap_or(body)).into_owned()
}
