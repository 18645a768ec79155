//! Where a failure happened.

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::ids::RunId;

/// Where a failure happened, as far as it is known. JSON has what is set, in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    /// Without what gives access: no user, password or key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
}

impl Context {
    /// The names of the fields, which no detail of a failure can take.
    pub const NAMES: [&str; 9] =
        ["pipeline", "workflow", "step", "run_id", "attempt", "source_name", "source_type", "url", "http_status"];

    /// What is set, in the order of [`Context::NAMES`].
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let Self { pipeline, workflow, step, run_id, attempt, source_name, source_type, url, http_status } = self;
        let values = [
            pipeline.clone(),
            workflow.clone(),
            step.clone(),
            run_id.map(|id| id.to_string()),
            attempt.map(|number| number.to_string()),
            source_name.clone(),
            source_type.clone(),
            url.clone(),
            http_status.map(|status| status.to_string()),
        ];
        Self::NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Takes from `outer` what is not set here.
    fn fill(&mut self, outer: Self) {
        self.pipeline = self.pipeline.take().or(outer.pipeline);
        self.workflow = self.workflow.take().or(outer.workflow);
        self.step = self.step.take().or(outer.step);
        self.run_id = self.run_id.or(outer.run_id);
        self.attempt = self.attempt.or(outer.attempt);
        self.source_name = self.source_name.take().or(outer.source_name);
        self.source_type = self.source_type.take().or(outer.source_type);
        self.url = self.url.take().or(outer.url);
        self.http_status = self.http_status.or(outer.http_status);
    }

    fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let Self { pipeline, workflow, step, source_name, source_type, url, .. } = self;
        [pipeline, workflow, step, source_name, source_type, url].into_iter().flatten()
    }
}

impl Failure {
    /// Adds where it happened. What is known already stays: whoever is nearer to the failure knows better.
    #[must_use]
    pub fn within(mut self, context: Context) -> Self {
        self.context.get_or_insert_default().fill(context);
        self
    }

    /// Where it happened and what was said about it, as one flat list: what is set of the context, in its order, then
    /// the details in theirs. A detail with a name of the context stays out, so that nobody takes it for the context.
    pub fn context_fields(&self) -> Vec<(&str, String)> {
        let context = self.context.iter().flat_map(|context| context.fields());
        let free = self.details.iter().filter(|(name, _)| !Context::NAMES.contains(&name.as_str()));
        context.chain(free.map(|(name, value)| (name.as_str(), value.clone()))).collect()
    }

    /// Every text of the failure, for who hides secrets in them.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let Self { code, message, causes, details, context, trap, .. } = self;
        let details = details.iter_mut().flat_map(|(name, value)| [name, value]);
        let context = context.iter_mut().flat_map(|context| context.texts_mut());
        let trap = trap.iter_mut().flat_map(|trap| trap.texts_mut());
        [code, message].into_iter().chain(causes).chain(details).chain(context).chain(trap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureType;

    fn context() -> Context {
        Context { pipeline: Some("p".to_owned()), http_status: Some(503), ..Context::default() }
    }

    #[test]
    fn case_e5_context_and_details_are_one_flat_list() {
        let failure = Failure::of(FailureType::Source, "down").detail("foo", "1").within(context());
        let expected = [("pipeline", "p"), ("http_status", "503"), ("foo", "1")];
        assert_eq!(failure.context_fields(), expected.map(|(name, value)| (name, value.to_owned())));
        let json = serde_json::to_string(&failure).unwrap();
        assert!(json.contains(r#""context":{"pipeline":"p","http_status":503}"#), "{json}");
        assert_eq!(serde_json::from_str::<Failure>(&json).unwrap(), failure);
    }

    #[test]
    fn a_detail_never_takes_the_place_of_the_context() {
        let failure = Failure::of(FailureType::Source, "down").within(context());
        let failure = failure.detail("pipeline", "mine").detail("run_id", "run_1");
        assert_eq!(failure.context_fields(), failure.context.as_ref().unwrap().fields());
        assert_eq!(failure.details.len(), 2, "nothing is lost");
    }

    #[test]
    fn what_is_nearer_to_the_failure_knows_better() {
        let outer = Context { step: Some("fetch".to_owned()), attempt: Some(2), ..context() };
        let inner = Context { http_status: Some(404), ..Context::default() };
        let failure = Failure::of(FailureType::Source, "gone").within(inner).within(outer.clone());
        assert_eq!(*failure.context.unwrap(), Context { http_status: Some(404), ..outer });
    }

    #[test]
    fn every_field_has_its_name_and_every_text_can_be_hidden() {
        let text = || Some("key".to_owned());
        let all = Context {
            pipeline: text(),
            workflow: text(),
            step: text(),
            run_id: "run_00000000000000000000000000000001".parse().ok(),
            attempt: Some(1),
            source_name: text(),
            source_type: text(),
            url: text(),
            http_status: Some(200),
        };
        let json = serde_json::to_string(&all).unwrap();
        let places = Context::NAMES.map(|name| json.find(&format!("\"{name}\":")).unwrap());
        assert!(places.is_sorted(), "{json}");
        assert_eq!(all.fields().iter().map(|(name, _)| *name).collect::<Vec<_>>(), Context::NAMES);

        let mut failure = Failure::new(crate::FailureKind::Source, "key", "key").detail("key", "key").within(all);
        failure.causes.push("key".to_owned());
        failure.texts_mut().for_each(|text| *text = text.replace("key", "*"));
        assert!(!serde_json::to_string(&failure).unwrap().contains("\"key\""), "{failure:?}");
    }
}
