//! The body of `POST /api/v1/backfills`, for the server and for the client in `cli`.

use std::collections::BTreeMap;

use model::failure::Failure;
use model::ports::{BackfillRequest, BackfillWork};
use model::work::{Lineage, Routing, idempotency_key};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{InputBody, by_api, sent, taken_apart};

/// `POST /api/v1/backfills`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackfillBody<'a> {
    #[serde(borrow)]
    pub items: Vec<ItemBody<'a>>,
    /// Items at work at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    #[serde(default)]
    pub stop_on_failure: bool,
    #[serde(default)]
    pub force: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `priority`, `lane` and `deadline`, of every item.
    #[serde(default)]
    pub routing: Routing,
    #[serde(default = "by_api")]
    pub lineage: Lineage,
}

/// One item: the keys of `POST /api/v1/runs` that say what is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemBody<'a> {
    pub name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub text: BTreeMap<String, String>,
    #[serde(default, borrow, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, InputBody<'a>>,
}

impl BackfillBody<'static> {
    /// The body that asks for this backfill.
    pub fn of(request: &BackfillRequest) -> Self {
        let items = request.items.iter().map(|item| {
            let (params, text, inputs) = sent(&item.params, &item.files);
            ItemBody { name: item.name.clone(), params, text, inputs }
        });
        Self {
            items: items.collect(),
            parallel: request.parallel,
            stop_on_failure: request.stop_on_failure,
            force: request.force,
            key: request.key.clone(),
            routing: request.routing,
            lineage: request.lineage.clone(),
        }
    }
}

impl BackfillBody<'_> {
    /// The request that this body asks for.
    ///
    /// # Errors
    ///
    /// Those of a run's body, for the first item that has one.
    pub(crate) fn into_request(self) -> Result<BackfillRequest, Failure> {
        super::check_lineage(&self.lineage)?;
        let items = self.items.into_iter().map(|item| {
            let (params, files) = taken_apart(item.params, item.text, item.inputs)?;
            Ok(BackfillWork { name: item.name, params, files })
        });
        Ok(BackfillRequest {
            items: items.collect::<Result<_, Failure>>()?,
            parallel: self.parallel,
            stop_on_failure: self.stop_on_failure,
            force: self.force,
            routing: self.routing,
            lineage: self.lineage,
            key: self.key.map(idempotency_key).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::ports::{GivenFile, ParamValue};

    use super::*;

    #[test]
    fn a_backfill_survives_the_way_over_http() {
        let item = |n: &str| BackfillWork {
            name: "d.daily".to_owned(),
            params: BTreeMap::from([("n".to_owned(), ParamValue::Text(n.to_owned()))]),
            files: BTreeMap::from([(
                "file".to_owned(),
                GivenFile { file_name: format!("{n}.txt"), bytes: Ok(Arc::new(n.as_bytes().to_vec())) },
            )]),
        };
        let request = BackfillRequest {
            items: vec![item("1"), item("2")],
            parallel: Some(2),
            stop_on_failure: true,
            force: true,
            key: Some("k".to_owned()),
            ..BackfillRequest::default()
        };
        let text = serde_json::to_string(&BackfillBody::of(&request)).unwrap();
        let back = serde_json::from_str::<BackfillBody<'_>>(&text).unwrap().into_request().unwrap();
        assert_eq!(format!("{back:?}"), format!("{request:?}"));
    }
}
