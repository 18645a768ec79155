//! The files of the SDKs and of the contract, as they were when this host was built.

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// The carried files below a folder, by path from the root of this repository.
pub(crate) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    CARRIED.iter().copied().filter(move |(path, _)| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}

/// One carried file; empty if it is none.
pub(crate) fn file(path: &str) -> &'static str {
    CARRIED.iter().find(|(name, _)| *name == path).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdks_and_the_contract_are_carried() {
        for path in ["sdk/rust/Cargo.toml", "sdk/rust/README.md", "sdk/python/spine.py", "Cargo.lock", "wit/world.wit"]
        {
            assert!(!file(path).is_empty(), "{path}");
        }
        assert!(below("wit").count() >= 5 && below("sdk/primitives").count() > 10);
        assert_eq!(below("sd").count(), 0);
    }
}
