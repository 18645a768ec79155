//! From the bytes of an input to its content: decompressed, checked to be text, without a byte order mark.
//!
//! Compression is known by the first bytes, never by a file name. What a small file may grow to has two limits: the size
//! of an input, and how many times larger it becomes.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use model::{Failure, FailureKind};

/// Most times an input may grow when it is decompressed. Market data shrinks 3 to 30 times.
const RATIO_MAX: u64 = 200;

/// Below this size nobody minds the ratio: a short file of one repeated line is no bomb.
const RATIO_FREE_BYTES: u64 = 16 * 1024 * 1024;

/// How much of a file is looked at to tell text from other things.
const SAMPLE_BYTES: usize = 64 * 1024;

/// The content of an input as its publisher wrote it, decompressed if need be.
///
/// # Errors
///
/// `empty_file`, `too_large`, or `bad_document` if the compressed stream is damaged or cut.
pub(crate) fn decompress(file: &str, bytes: &Arc<Vec<u8>>, bytes_max: u64) -> Result<Bytes, Failure> {
    let content = match bytes.as_slice() {
        [0x1f, 0x8b, 0x08, ..] => {
            unpack(file, "gzip", flate2::read::MultiGzDecoder::new(&bytes[..]), bytes, bytes_max)?
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder =
                zstd::stream::read::Decoder::with_buffer(&bytes[..]).map_err(|error| damaged(file, &error))?;
            unpack(file, "zstd", decoder, bytes, bytes_max)?
        }
        _ => {
            if bytes.len() as u64 > bytes_max {
                return Err(over_size(file, &format!("is larger than {bytes_max} bytes")));
            }
            Bytes::from_owner(Shared(Arc::clone(bytes)))
        }
    };
    if content.is_empty() {
        return Err(empty(file));
    }
    Ok(content)
}

struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn unpack(file: &str, how: &str, mut from: impl Read, packed: &[u8], bytes_max: u64) -> Result<Bytes, Failure> {
    let ratio_max = RATIO_FREE_BYTES.max((packed.len() as u64).saturating_mul(RATIO_MAX));
    let mut content = Vec::new();
    loop {
        let before = content.len();
        let read = (&mut from).take(1024 * 1024).read_to_end(&mut content).map_err(|error| damaged(file, &error))?;
        let size = content.len() as u64;
        if size > bytes_max {
            return Err(over_size(file, &format!("is larger than {bytes_max} bytes when its {how} is unpacked")));
        }
        if size > ratio_max {
            let message = format!(
                "`{file}` is past the ratio limit: its {how} unpacks to more than {RATIO_MAX} times its size, which no \
                 real file does; unpack it yourself if you trust it"
            );
            return Err(too_large(message));
        }
        if read == 0 || content.len() == before {
            return Ok(Bytes::from(content));
        }
    }
}

fn over_size(file: &str, why: &str) -> Failure {
    too_large(format!("`{file}` {why}: split it, or raise `limits.input_bytes`"))
}

fn too_large(message: String) -> Failure {
    Failure::new(FailureKind::Parse, "too_large", message)
}

fn damaged(file: &str, error: &io::Error) -> Failure {
    let message = format!("the compressed file `{file}` is damaged or cut: {error}; fetch it again");
    Failure::new(FailureKind::Parse, "bad_document", message)
}

pub(crate) fn empty(file: &str) -> Failure {
    let message = format!("`{file}` is empty: the publisher's file has at least a header; fetch it again");
    Failure::new(FailureKind::Parse, "empty_file", message)
}

/// Text without its byte order mark.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) bytes: Bytes,
    /// All of it is UTF-8 without NUL, so that no line has to be looked at again.
    pub(crate) clean: bool,
}

/// Why content is not text that can be read line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotText {
    /// Nothing but a byte order mark and blank lines.
    Blank,
    /// With what it looks like.
    Binary(&'static str),
}

/// Tells text from other things. A few lines that are not UTF-8 do not make a file binary: they become rejects.
pub(crate) fn text(content: &Bytes) -> Result<Text, NotText> {
    let bytes = content.strip_prefix(b"\xef\xbb\xbf").map_or_else(|| content.clone(), |rest| content.slice_ref(rest));
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(NotText::Blank);
    }
    let clean = std::str::from_utf8(&bytes).is_ok() && memchr::memchr(0, &bytes).is_none();
    if !clean {
        if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes[..] {
            return Err(NotText::Binary("UTF-16; convert it to UTF-8"));
        }
        let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
        let bad = |line: &&[u8]| std::str::from_utf8(line).is_err() || memchr::memchr(0, line).is_some();
        let mut lines: Vec<&[u8]> = sample.split(|&byte| byte == b'\n').collect();
        if lines.len() > 1 && sample.len() < bytes.len() {
            // The sample may end in the middle of a character.
            lines.pop();
        }
        if lines.first().is_some_and(bad) || lines.iter().filter(|line| bad(line)).count() * 2 > lines.len() {
            return Err(NotText::Binary("binary data"));
        }
    }
    Ok(Text { bytes, clean })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const MAX: u64 = 64 * 1024 * 1024;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn open(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        decompress("f", &Arc::new(bytes), MAX).map(|content| content.to_vec()).map_err(|failure| failure.code)
    }

    #[test]
    fn compression_is_known_by_the_first_bytes() {
        assert_eq!(open(b"a|b\n".to_vec()).unwrap(), b"a|b\n");
        assert_eq!(open(gzip(b"a|b\n")).unwrap(), b"a|b\n");
        assert_eq!(open([gzip(b"a|"), gzip(b"b\n")].concat()).unwrap(), b"a|b\n");
        assert_eq!(open(zstd::bulk::compress(b"a|b\n", 3).unwrap()).unwrap(), b"a|b\n");
        assert_eq!(open(gzip(b"")).unwrap_err(), "empty_file");
        assert_eq!(open(Vec::new()).unwrap_err(), "empty_file");
    }

    #[test]
    fn a_cut_stream_is_an_error_and_not_a_short_file() {
        let whole = gzip("a|b\n".repeat(1000).as_bytes());
        assert_eq!(open(whole[..whole.len() - 9].to_vec()).unwrap_err(), "bad_document");
        let whole = zstd::bulk::compress("a|b\n".repeat(1000).as_bytes(), 3).unwrap();
        assert_eq!(open(whole[..whole.len() - 5].to_vec()).unwrap_err(), "bad_document");
    }

    #[test]
    fn bombs_are_stopped_by_size_and_by_ratio() {
        assert_eq!(open(gzip(&vec![b'0'; 70 * 1024 * 1024])).unwrap_err(), "too_large");
        let zeros = Arc::new(gzip(&vec![b'0'; 20 * 1024 * 1024]));
        let ratio = decompress("f", &zeros, MAX).unwrap_err();
        assert_eq!(ratio.code, "too_large");
        assert!(ratio.message.contains("ratio limit") && ratio.message.contains("200 times"), "{}", ratio.message);
        assert_eq!(open(gzip(&vec![b'0'; 12 * 1024 * 1024])).unwrap().len(), 12 * 1024 * 1024);
        let plain = decompress("f", &Arc::new(vec![b'x'; 11]), 10).unwrap_err();
        assert_eq!((plain.kind, plain.code.as_str()), (FailureKind::Parse, "too_large"));
    }

    #[test]
    fn text_is_told_from_binary_data() {
        let of = |bytes: &'static [u8]| text(&Bytes::from_static(bytes));
        assert_eq!(&of(b"\xef\xbb\xbfa|b\n").unwrap().bytes[..], b"a|b\n");
        assert_eq!(of(b"\xef\xbb\xbf\r\n \n").unwrap_err(), NotText::Blank);
        assert_eq!(of(b"PAR1\x00\x15").unwrap_err(), NotText::Binary("binary data"));
        assert!(matches!(of(b"\xff\xfea\x00|\x00").unwrap_err(), NotText::Binary(why) if why.contains("UTF-16")));
        let latin = of(b"a|b\n1|caf\xe9\n2|x\n3|y\n").unwrap();
        assert!(!latin.clean);
        assert!(of(b"a|b\n1|2\n").unwrap().clean);
    }
}
