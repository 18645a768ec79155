//! The bodies of requests, for the server and for the client in `cli`.

mod backfill;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::brief;
use model::failure::{Failure, FailureKind};
use model::ports::{Candidate, GivenFile, ParamValue, RunRequest};
use model::shadow::Budget;
use model::work::{Lineage, Routing, Trigger, idempotency_key};
use model::{Digest, RunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use backfill::{BackfillBody, ItemBody};

/// `POST /api/v1/runs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunBody<'a> {
    pub name: String,
    /// Typed: `"5"` is no integer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    /// Parameters as command-line text, parsed by their declared types.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub text: BTreeMap<String, String>,
    /// Parameters of type `file`.
    #[serde(default, borrow, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, InputBody<'a>>,
    #[serde(default)]
    pub force: bool,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `priority`, `lane` and `deadline`.
    #[serde(default)]
    pub routing: Routing,
    /// `trigger`, `correlation_id` and `parent_run_id`.
    #[serde(default = "by_api")]
    pub lineage: Lineage,
    /// Seconds to wait for the end of the run; the answer is what there is then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
}

/// A file that the caller read, or the failure of reading it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputBody<'a> {
    /// Without its folder.
    pub file_name: String,
    /// Its bytes, in the standard alphabet with padding.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub base64: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// `GET /api/v1/exports/{name}`: what a caller must bring to run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportBody {
    pub name: String,
    /// The parameters whose bytes the caller reads and sends as `inputs`.
    pub file_params: Vec<String>,
}

/// `POST /api/v1/dead-letters/{run}/resolve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveBody {
    /// Who says so.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedBody {
    /// Whether it was open until now.
    pub resolved: bool,
}

/// `POST /api/v1/leases/release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBody {
    pub key: String,
    /// Only the lease of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Also what has not expired.
    #[serde(default)]
    pub force: bool,
}

/// `POST /api/v1/retention`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionBody {
    /// Changes nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /api/v1/plugins/shadow`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowBody<'a> {
    pub file_name: String,
    /// The component's bytes, in the standard alphabet with padding.
    pub base64: Cow<'a, str>,
    /// Recorded runs to compare on.
    #[serde(default = "twenty")]
    pub last: u32,
    /// What it may change and cost to be promoted at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

const fn twenty() -> u32 {
    20
}

impl ShadowBody<'_> {
    pub fn of(candidate: &Candidate) -> Self {
        let Candidate { file_name, bytes, last, budget } = candidate;
        Self { file_name: file_name.clone(), base64: STANDARD.encode(bytes).into(), last: *last, budget: *budget }
    }

    /// # Errors
    ///
    /// `bad_params` if the bytes are not base64.
    pub(crate) fn into_candidate(self) -> Result<Candidate, Failure> {
        let bytes = STANDARD
            .decode(self.base64.as_bytes())
            .map_err(|error| bad(format!("the component is not base64: {error}")))?;
        Ok(Candidate { file_name: file_name(&self.file_name), bytes, last: self.last, budget: self.budget })
    }
}

/// `POST /api/v1/plugins/{name}/rollback` and `/approve`; `POST /api/v1/plugins/promote`, which needs the digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionBody {
    /// None: the version that was active before, or the one that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What a breaker is once somebody has changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerBody {
    pub name: String,
    /// `closed` or `open`.
    pub phase: String,
}

impl RunBody<'static> {
    /// The body that asks for this run. Progress and cancellation stay behind.
    pub fn of(request: &RunRequest) -> Self {
        let (params, text, inputs) = sent(&request.params, &request.files);
        Self {
            name: request.name.clone(),
            params,
            text,
            inputs,
            force: request.force,
            dry_run: request.dry_run,
            key: request.key.clone(),
            routing: request.routing,
            lineage: request.lineage.clone(),
            wait: None,
        }
    }
}

/// JSON values, texts and files.
type Sent<'a> = (BTreeMap<String, Value>, BTreeMap<String, String>, BTreeMap<String, InputBody<'a>>);

/// Parameters and files as they are sent.
fn sent(given: &BTreeMap<String, ParamValue>, files: &BTreeMap<String, GivenFile>) -> Sent<'static> {
    let (mut params, mut texts, mut inputs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (name, value) in given {
        match value {
            ParamValue::Text(text) => drop(texts.insert(name.clone(), text.clone())),
            ParamValue::Json(json) => drop(params.insert(name.clone(), json.clone())),
        }
    }
    for (name, file) in files {
        let file_name = file.file_name.clone();
        let input = match &file.bytes {
            Ok(bytes) => InputBody { file_name, base64: Some(STANDARD.encode(&**bytes).into()), error: None },
            Err(failure) => InputBody { file_name, base64: None, error: Some(failure.clone()) },
        };
        inputs.insert(name.clone(), input);
    }
    (params, texts, inputs)
}

/// Parameters and files.
type Taken = (BTreeMap<String, ParamValue>, BTreeMap<String, GivenFile>);

/// Parameters and files as they were sent.
fn taken_apart(
    json: BTreeMap<String, Value>,
    texts: BTreeMap<String, String>,
    inputs: BTreeMap<String, InputBody<'_>>,
) -> Result<Taken, Failure> {
    let mut params: BTreeMap<String, ParamValue> =
        json.into_iter().map(|(name, value)| (name, ParamValue::Json(value))).collect();
    for (name, text) in texts {
        if params.insert(name.clone(), ParamValue::Text(text)).is_some() {
            return Err(bad(format!("`{}` is in `params` and in `text`; send it once", brief(&name))));
        }
    }
    let mut files = BTreeMap::new();
    for (name, input) in inputs {
        let bytes = match (input.base64, input.error) {
            (Some(text), None) => match STANDARD.decode(text.as_bytes()) {
                Ok(bytes) => Ok(Arc::new(bytes)),
                Err(error) => return Err(bad(format!("input `{}` is not base64: {error}", brief(&name)))),
            },
            (None, Some(failure)) => Err(failure),
            _ => return Err(bad(format!("input `{}` needs either `base64` or `error`", brief(&name)))),
        };
        files.insert(name, GivenFile { file_name: file_name(&input.file_name), bytes });
    }
    Ok((params, files))
}

fn check_lineage(lineage: &Lineage) -> Result<(), Failure> {
    match lineage.retry_of {
        None if matches!(lineage.trigger, Trigger::Retry | Trigger::Internal) => {
            let trigger = lineage.trigger;
            Err(bad(format!(
                "`trigger` is `{trigger}` only where the host says so: give `api`, `cli`, `schedule` or `workflow`"
            )))
        }
        None => Ok(()),
        Some(_) => {
            Err(bad("`retry_of` is for the host to say: `POST /api/v1/runs/{id}/retry` repeats a run".to_owned()))
        }
    }
}

impl RunBody<'_> {
    /// The request that this body asks for.
    ///
    /// # Errors
    ///
    /// `bad_params` if an input is not base64, has neither bytes nor an error, a parameter comes twice, or the key is
    /// empty.
    pub(crate) fn into_request(self) -> Result<RunRequest, Failure> {
        let (params, files) = taken_apart(self.params, self.text, self.inputs)?;
        let (force, dry_run, key) = (self.force, self.dry_run, self.key.map(idempotency_key).transpose()?);
        let (routing, lineage) = (self.routing, self.lineage);
        check_lineage(&lineage)?;
        Ok(RunRequest {
            name: self.name,
            params,
            files,
            force,
            dry_run,
            key,
            routing,
            lineage,
            ..RunRequest::default()
        })
    }
}

fn by_api() -> Lineage {
    Lineage { trigger: Trigger::Api, ..Lineage::default() }
}

/// Without folders, whatever a caller sent: it names nothing but a file.
fn file_name(sent: &str) -> String {
    sent.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
}

fn bad(message: String) -> Failure {
    Failure::new(FailureKind::Validation, "bad_params", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_survives_the_way_over_http() {
        let gone = Failure::new(FailureKind::Source, "not_found", "could not read `b.txt`");
        let request = RunRequest {
            name: "d.daily".to_owned(),
            params: BTreeMap::from([
                ("n".to_owned(), ParamValue::Text("5".to_owned())),
                ("m".to_owned(), ParamValue::Json(json!(5))),
            ]),
            files: BTreeMap::from([
                ("a".to_owned(), GivenFile { file_name: "a.txt".to_owned(), bytes: Ok(Arc::new(vec![0, 255, 10])) }),
                ("b".to_owned(), GivenFile { file_name: "b.txt".to_owned(), bytes: Err(gone) }),
            ]),
            force: true,
            dry_run: true,
            key: Some("k".to_owned()),
            ..RunRequest::default()
        };
        let sent = serde_json::to_string(&RunBody::of(&request)).unwrap();
        let back = serde_json::from_str::<RunBody<'_>>(&sent).unwrap().into_request().unwrap();
        assert_eq!(format!("{back:?}"), format!("{request:?}"));
    }

    #[test]
    fn what_is_unclear_is_refused() {
        let refused = |json: Value| {
            let text = json.to_string();
            let body: RunBody<'_> = serde_json::from_str(&text).unwrap();
            body.into_request().unwrap_err().message
        };
        assert!(refused(json!({"name": "x", "lineage": {"trigger": "retry"}})).contains("only where the host says so"));
        assert!(refused(json!({"name": "x", "params": {"a": 1}, "text": {"a": "1"}})).contains("`a` is in"));
        assert!(refused(json!({"name": "x", "inputs": {"f": {"file_name": "f"}}})).contains("either"));
        assert!(refused(json!({"name": "x", "inputs": {"f": {"file_name": "f", "base64": "*"}}})).contains("base64"));
        assert!(refused(json!({"name": "x", "key": " "})).contains("key is empty"));
        let unknown = serde_json::from_str::<RunBody<'_>>(r#"{"name": "x", "forse": true}"#).unwrap_err();
        assert!(unknown.to_string().contains("forse"));
    }

    #[test]
    fn a_file_name_names_no_folder() {
        assert_eq!(file_name("../../etc/passwd"), "passwd");
        assert_eq!(file_name("C:\\drop\\day.txt"), "day.txt");
        assert_eq!(file_name("day.txt"), "day.txt");
    }
}
