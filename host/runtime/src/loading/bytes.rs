//! A file's bytes before they are trusted to be a component, and what they look like if they are not.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use model::plugin::Finding;

const WASM_MAGIC: &[u8] = b"\0asm";
const CORE_VERSION: [u8; 4] = [1, 0, 0, 0];
const COMPONENT_VERSION: [u8; 4] = [0x0d, 0, 1, 0];

const BUILD_HINT: &str = "build the plugin as a component: `cargo build --target wasm32-wasip2`, or the tool of your \
                          language's SDK";

/// Reads a whole file, unless it is too large.
pub(super) fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>, Box<Finding>> {
    let unreadable = |error: std::io::Error| {
        let message = format!("could not read `{}`: {error}", file.display());
        Box::new(Finding::error("unreadable", message, "check that the file exists and that this user may read it"))
    };
    // Opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_file() {
        let message = format!("`{}` is not a regular file", file.display());
        return Err(Box::new(Finding::error("unreadable", message, "name the file that holds the component")));
    }
    if let Some(finding) = too_large(metadata.len(), bytes_max) {
        return Err(Box::new(finding));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that grew meanwhile from one that fits.
    File::open(file)
        .and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    match too_large(bytes.len() as u64, bytes_max) {
        Some(finding) => Err(Box::new(finding)),
        None => Ok(bytes),
    }
}

/// What keeps these bytes from being compiled as a component.
pub(super) fn finding(bytes: &[u8], bytes_max: u64) -> Option<Finding> {
    if let Some(finding) = too_large(bytes.len() as u64, bytes_max) {
        return Some(finding);
    }
    match bytes.strip_prefix(WASM_MAGIC).and_then(|rest| rest.first_chunk::<4>()) {
        Some(&COMPONENT_VERSION) => None,
        Some(&CORE_VERSION) => Some(Finding::error(
            "core_module",
            "the file is a core WebAssembly module, not a component",
            core_hint(bytes),
        )),
        Some(version) => Some(Finding::error(
            "not_a_component",
            format!("the file is WebAssembly of a binary version this host does not know ({})", hex::encode(version)),
            BUILD_HINT,
        )),
        None => Some(Finding::error(
            "not_a_component",
            format!("the file is not WebAssembly: it looks like {}", looks_like(bytes)),
            BUILD_HINT,
        )),
    }
}

fn too_large(bytes: u64, bytes_max: u64) -> Option<Finding> {
    (bytes > bytes_max).then(|| {
        Finding::error(
            "too_large",
            format!("the file has {bytes} bytes, more than the {bytes_max} that a component may have"),
            "strip debug information from it: `wasm-tools strip`, or `strip = true` in the profile of cargo",
        )
    })
}

fn core_hint(bytes: &[u8]) -> String {
    let names = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    if names(b"wasi_snapshot_preview1") {
        format!("it uses WASI preview 1, so it was built for wasm32-wasip1: {BUILD_HINT}")
    } else {
        BUILD_HINT.to_owned()
    }
}

/// A few words for a person who put the wrong file there.
fn looks_like(bytes: &[u8]) -> String {
    let starts: [(&[u8], &str); 12] = [
        (b"\x7fELF\0\0aot", "code compiled by another tool"),
        (b"\x7fELF", "a native program or library, or precompiled code"),
        (b"\xcf\xfa\xed\xfe", "a native program of macOS"),
        (b"MZ", "a native program of Windows"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b", "a gzip file"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"!<arch>", "a static library"),
        (b"\0asm", "the beginning of a WebAssembly file that was cut off"),
        (b"#!", "a script"),
        (b"<", "an HTML or XML document, perhaps an error page that was saved by a download"),
        (b"(", "WebAssembly text, which must be assembled first"),
    ];
    if bytes.is_empty() {
        return "an empty file".to_owned();
    }
    if let Some((_, what)) = starts.iter().find(|(start, _)| bytes.starts_with(start)) {
        return (*what).to_owned();
    }
    let head = &bytes[..bytes.len().min(64)];
    match std::str::from_utf8(head).or_else(|error| std::str::from_utf8(&head[..error.valid_up_to()])) {
        Ok(text) if !text.is_empty() && !text.contains('\0') => {
            let line = text.lines().next().unwrap_or_default();
            format!("text that starts with {:?}", line.chars().take(32).collect::<String>())
        }
        _ => format!("binary data that starts with {}", hex::encode(&head[..head.len().min(8)])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_and_message(bytes: &[u8]) -> (String, String) {
        let finding = finding(bytes, 1_000).unwrap();
        assert!(!finding.hint.is_empty());
        (finding.code, finding.message)
    }

    #[test]
    fn what_is_no_component_is_told_by_what_it_looks_like() {
        let looks = [
            (&b""[..], "an empty file"),
            (b"\x7fELF\x02", "a native program"),
            (b"(component)", "WebAssembly text"),
            (b"<!doctype html>", "an HTML"),
            (b"\0as", "binary data that starts with 006173"),
            (b"\0asm\x01", "cut off"),
            (b"def run():\n", "text that starts with \"def run():\""),
            (b"\xff\xfe\x00", "binary data that starts with fffe00"),
        ];
        for (bytes, expected) in looks {
            let (code, message) = code_and_message(bytes);
            assert_eq!(code, "not_a_component");
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn core_modules_and_large_files_have_codes_of_their_own() {
        assert_eq!(code_and_message(b"\0asm\x01\0\0\0").0, "core_module");
        assert_eq!(code_and_message(&[0; 1_001]).0, "too_large");
        assert_eq!(code_and_message(b"\0asm\x0a\0\x01\0").0, "not_a_component");
        assert_eq!(finding(b"\0asm\x0d\0\x01\0", 1_000), None);
    }

    #[test]
    fn preview_1_is_named_as_the_likely_mistake() {
        let found = finding(b"\0asm\x01\0\0\0...wasi_snapshot_preview1...", 1_000).unwrap();
        assert!(found.hint.contains("wasm32-wasip1"), "{}", found.hint);
    }

    #[test]
    fn files_that_cannot_be_read_say_why() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("absent.wasm"), 10).unwrap_err().code, "unreadable");
        assert_eq!(read(folder.path(), 10).unwrap_err().code, "unreadable");
        let file = folder.path().join("large.wasm");
        std::fs::write(&file, [0; 11]).unwrap();
        assert_eq!(read(&file, 10).unwrap_err().code, "too_large");
        assert_eq!(read(&file, 11).unwrap(), [0; 11]);
    }
}
