//! Names that are computed: ids, input hashes and seeds. Pure but for the clock and entropy handed in.

use std::collections::BTreeMap;

use model::ports::{Entropy, KeptInput, SIGHT};
use model::work::WorkSpec;
use model::{CaptureId, Clock, Digest, Grants, RunId, WorkerId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) fn run_id(clock: &dyn Clock, entropy: &dyn Entropy) -> RunId {
    RunId::new(clock.now(), random(entropy))
}

pub(crate) fn worker_id(clock: &dyn Clock, entropy: &dyn Entropy) -> WorkerId {
    WorkerId::new(clock.now(), random(entropy))
}

pub(crate) fn capture_id(clock: &dyn Clock, entropy: &dyn Entropy) -> CaptureId {
    CaptureId::new(clock.now(), random(entropy))
}

fn random(entropy: &dyn Entropy) -> [u8; 10] {
    let mut bytes = [0; 10];
    entropy.fill(&mut bytes);
    bytes
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

/// What a run read, by name, and the one hash that stands for it: the digest of the only input, or SHA-256 over the 32
/// bytes of each digest in order of name; none where nothing was read.
///
/// Inputs go by the name of their parameter, files of granted folders by their file name. What was seen of folders counts
/// in no hash: it holds times of files, and the same files are the same inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InputsRead {
    pub(crate) hash: Option<Digest>,
    /// File name and digest.
    pub(crate) files: Vec<(String, Digest)>,
}

impl InputsRead {
    pub(crate) fn new(inputs: &BTreeMap<String, KeptInput>, folders: &[KeptInput]) -> Self {
        let mut named: Vec<(&str, &KeptInput)> = inputs.iter().map(|(name, input)| (name.as_str(), input)).collect();
        named.extend(folders.iter().map(|input| (input.file_name.as_str(), input)));
        named.sort_by(|a, b| (a.0, a.1.digest).cmp(&(b.0, b.1.digest)));
        let counted: Vec<Digest> =
            named.iter().filter(|(name, _)| *name != SIGHT).map(|(_, input)| input.digest).collect();
        let hash = match counted.as_slice() {
            [] => None,
            [only] => Some(*only),
            several => {
                let hasher = several.iter().fold(Sha256::new(), |hasher, it| hasher.chain_update(it.as_bytes()));
                Some(Digest::new(hasher.finalize().into()))
            }
        };
        let files = named.iter().map(|(_, input)| (input.file_name.clone(), input.digest)).collect();
        Self { hash, files }
    }
}

/// Stands for all that was asked for: name, kind, parameters, and the content of each file. A file that could not be
/// read is another request than any that could. The parameters are those that are shown: a hash of a secret would be a
/// hint at it for whoever reads the ledger.
pub(crate) fn request_hash(spec: &WorkSpec) -> Digest {
    let params: BTreeMap<&String, &Value> = spec.params.as_object().into_iter().flatten().collect();
    let inputs: BTreeMap<&String, Option<Digest>> =
        spec.inputs.iter().map(|(name, input)| (name, input.digest())).collect();
    digest(json!([spec.name, spec.kind, params, inputs]).to_string().as_bytes())
}

/// Stands for what decides the outcome of work that depends on nothing else: the request, and the plugin that does it.
pub(crate) fn input_key(spec: &WorkSpec, plugin: Digest) -> Digest {
    digest(json!([request_hash(spec), plugin]).to_string().as_bytes())
}

/// A random number from 0 to 1.
pub(crate) fn unit(entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// Stands for all that a plugin was granted: folders, addresses and how its secrets are read, never their values. Nothing
/// granted has a hash too.
pub(crate) fn grants_hash(grants: &Grants) -> Digest {
    // Paths that are no text have no JSON; debug text tells them apart as well.
    let text = serde_json::to_string(grants).unwrap_or_else(|_| format!("{grants:?}"));
    digest(text.as_bytes())
}

/// Seeds what a guest may see of randomness. Follows from the run and the attempt, so that a replay of the recorded
/// attempt needs nothing kept.
pub(crate) fn seed(run: RunId, attempt: u32) -> [u8; 32] {
    Sha256::new().chain_update("spine attempt seed\0").chain_update(format!("{run}\0{attempt}")).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::Timestamp;
    use model::grants::{FolderGrant, HttpGrant, SecretGrant, SecretSource};
    use model::manifest::Access;
    use model::run::RunKind;
    use model::work::WorkInput;

    use super::*;

    fn kept(name: &str, content: &[u8]) -> KeptInput {
        KeptInput { file_name: name.to_owned(), digest: digest(content), bytes: Arc::new(content.to_vec()) }
    }

    #[test]
    fn one_input_is_its_own_hash_and_several_are_hashed_in_order_of_name() {
        let one = BTreeMap::from([("file".to_owned(), kept("day.txt", b"abc"))]);
        assert_eq!(InputsRead::new(&one, &[]).hash, Some(digest(b"abc")));
        assert_eq!(InputsRead::new(&BTreeMap::new(), &[]).hash, None);

        let forth = InputsRead::new(&BTreeMap::new(), &[kept("a", b"1"), kept("b", b"2")]);
        let back = InputsRead::new(&BTreeMap::new(), &[kept("b", b"2"), kept("a", b"1")]);
        assert_eq!(forth, back);
        let bytes = [*digest(b"1").as_bytes(), *digest(b"2").as_bytes()].concat();
        assert_eq!(forth.hash, Some(digest(&bytes)));

        let with_sight = InputsRead::new(&BTreeMap::new(), &[kept("a", b"1"), kept(SIGHT, b"{}")]);
        assert_eq!((with_sight.hash, with_sight.files.len()), (Some(digest(b"1")), 2));
    }

    #[test]
    fn a_request_is_its_name_its_parameters_and_the_content_of_its_files() {
        let given = |content: &[u8]| WorkInput::Kept { file_name: "a".to_owned(), digest: digest(content) };
        let gone = WorkInput::Unreadable {
            file_name: "a".to_owned(),
            failure: model::Failure::new(model::FailureKind::Source, "not_found", "gone"),
        };
        let hash = |name: &str, params: Value, file: &WorkInput| {
            let inputs = BTreeMap::from([("file".to_owned(), file.clone())]);
            request_hash(&WorkSpec { params, inputs, ..WorkSpec::new(name, RunKind::Pipeline) })
        };
        let first = hash("d.p", json!({"n": 1, "file": "a"}), &given(b"x"));
        assert_eq!(hash("d.p", json!({"file": "a", "n": 1}), &given(b"x")), first);
        let others = [
            hash("d.q", json!({"n": 1, "file": "a"}), &given(b"x")),
            hash("d.p", json!({"n": "1", "file": "a"}), &given(b"x")),
            hash("d.p", json!({"n": 1, "file": "a"}), &given(b"y")),
            hash("d.p", json!({"n": 1, "file": "a"}), &given(b"")),
            hash("d.p", json!({"n": 1, "file": "a"}), &gone),
        ];
        let distinct: std::collections::BTreeSet<Digest> = others.into_iter().chain([first]).collect();
        assert_eq!(distinct.len(), 6);
    }

    #[test]
    fn whatever_is_granted_has_a_hash_of_its_own() {
        let folder = |path: &str, access| BTreeMap::from([("a".to_owned(), FolderGrant { path: path.into(), access })]);
        let http = |address: &str| HttpGrant::to(address.parse().unwrap());
        let secret =
            |source| BTreeMap::from([("a".to_owned(), SecretGrant { source, reveal: false, hosts: Vec::new() })]);
        let env = |name: &str| SecretSource::Env(name.to_owned());
        let nothing = Grants::default();
        let grants = [
            nothing.clone(),
            Grants { folders: folder("/in", Access::Read), ..nothing.clone() },
            Grants { folders: folder("/in", Access::Write), ..nothing.clone() },
            Grants { folders: folder("/elsewhere", Access::Read), ..nothing.clone() },
            Grants { http: vec![http("a.org")], ..nothing.clone() },
            Grants { http: vec![HttpGrant { private: true, ..http("a.org") }], ..nothing.clone() },
            Grants { secrets: secret(env("KEY")), ..nothing.clone() },
            Grants { secrets: secret(SecretSource::File("KEY".into())), ..nothing.clone() },
        ];
        let hashes: std::collections::BTreeSet<Digest> = grants.iter().map(grants_hash).collect();
        assert_eq!(hashes.len(), grants.len());
        assert_eq!(grants_hash(&grants[3].clone()), grants_hash(&grants[3]));
    }

    #[test]
    fn each_attempt_has_its_own_seed_and_the_same_one_again() {
        let run = RunId::new(Timestamp::from_micros(1), [1; 10]);
        assert_eq!(seed(run, 1), seed(run, 1));
        assert_ne!(seed(run, 1), seed(run, 2));
    }
}
