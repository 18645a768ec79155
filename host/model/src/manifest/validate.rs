//! Everything that can be wrong with a manifest, found in one go.

use std::collections::BTreeSet;

use spine_primitives::{DataType, plain_word};

use super::{
    CheckedBy, DatasetSpec, FileFormat, FormatKind, HOST_CHECKS, Manifest, ParamSpec, ParamType, PipelineSpec,
};
use crate::dataset::is_word;

pub(super) fn problems(manifest: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    if !same_minor(&manifest.contract) {
        found.push(format!(
            "the plugin speaks contract {}, this host {}: rebuild the plugin against {}",
            manifest.contract,
            super::CONTRACT,
            super::CONTRACT
        ));
    }
    if !is_word(&manifest.name) {
        found.push(format!("plugin name `{}` is not a lower-case word", manifest.name));
    }
    if manifest.version.is_empty() {
        found.push("the plugin has no version".to_owned());
    }
    unique(&mut found, "dataset", manifest.datasets.iter().map(|it| it.name.to_string()));
    unique(&mut found, "format", manifest.formats.iter().map(|it| it.name.clone()));
    let names = manifest.pipelines.iter().map(|it| &it.name);
    let names = names.chain(manifest.sources.iter().map(|it| &it.name)).chain(manifest.tasks.iter().map(|it| &it.name));
    let names: Vec<String> = names.cloned().collect();
    for name in &names {
        let word = name.strip_prefix(&format!("{}.", manifest.name));
        if !word.is_some_and(is_word) {
            found.push(format!("`{name}` must be `{}.` and a lower-case word", manifest.name));
        }
    }
    unique(&mut found, "pipeline, source or task", names.into_iter());
    manifest.datasets.iter().for_each(|dataset| dataset_problems(&mut found, manifest, dataset));
    manifest.formats.iter().for_each(|format| format_problems(&mut found, format));
    manifest.pipelines.iter().for_each(|pipeline| pipeline_problems(&mut found, manifest, pipeline));
    for source in &manifest.sources {
        params_problems(&mut found, &source.name, &source.params);
        outputs_problems(&mut found, manifest, &source.name, &source.outputs);
    }
    manifest.tasks.iter().for_each(|task| params_problems(&mut found, &task.name, &task.params));
    super::capability::problems(&mut found, &manifest.capabilities);
    let pipelines = manifest.pipelines.iter().map(|it| (&it.name, &it.policy));
    let sources = manifest.sources.iter().map(|it| (&it.name, &it.policy));
    let tasks = manifest.tasks.iter().map(|it| (&it.name, &it.policy));
    for (name, policy) in pipelines.chain(sources).chain(tasks) {
        let problems = policy.iter().flat_map(|policy| policy.problems("policy"));
        found.extend(problems.map(|problem| format!("in `{name}`, {problem}")));
    }
    found
}

fn same_minor(contract: &str) -> bool {
    let minor = |text: &str| text.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(contract).is_some() && minor(contract) == minor(super::CONTRACT)
}

pub(super) fn unique(found: &mut Vec<String>, what: &str, names: impl Iterator<Item = String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.clone()) {
            found.push(format!("{what} `{name}` is declared twice"));
        }
    }
}

fn dataset_problems(found: &mut Vec<String>, manifest: &Manifest, dataset: &DatasetSpec) {
    let name = &dataset.name;
    if name.domain() != manifest.name {
        found.push(format!("dataset `{name}` is not of the domain `{}`", manifest.name));
    }
    if dataset.columns.is_empty() {
        found.push(format!("dataset `{name}` has no columns"));
    }
    unique(found, &format!("in dataset `{name}`, column"), dataset.columns.iter().map(|it| it.name.clone()));
    for column in dataset.columns.iter().filter(|column| !is_word(&column.name)) {
        found.push(format!("in dataset `{name}`, column `{}` is not a lower-case word", column.name));
    }
    if dataset.key.is_empty() {
        found.push(format!("dataset `{name}` has no natural key"));
    }
    if dataset.partition_by.is_empty() {
        found.push(format!("dataset `{name}` has no partition columns"));
    }
    for (what, columns) in [("key", &dataset.key), ("partition", &dataset.partition_by)] {
        unique(found, &format!("in dataset `{name}`, {what} column"), columns.iter().cloned());
        for column in columns {
            match dataset.column(column) {
                None => found.push(format!("dataset `{name}` has no column `{column}` for its {what}")),
                Some(spec) if spec.nullable => {
                    found.push(format!("in dataset `{name}`, {what} column `{column}` must not be nullable"));
                }
                Some(spec) if what == "partition" && !matches!(spec.data_type, DataType::Utf8 | DataType::Date) => {
                    found.push(format!("in dataset `{name}`, partition column `{column}` must be utf8 or date32"));
                }
                Some(_) => {}
            }
        }
    }
    if let Some(migration) = &dataset.migration {
        for column in migration.drops.iter().filter(|column| dataset.column(column).is_some()) {
            found.push(format!("in dataset `{name}`, the migration drops column `{column}`, which is still declared"));
        }
        for column in migration.retypes.iter().chain(&migration.units) {
            if dataset.column(column).is_none() {
                found.push(format!(
                    "in dataset `{name}`, the migration changes column `{column}`, which is not declared"
                ));
            }
        }
    }
    unique(found, &format!("in dataset `{name}`, check"), dataset.checks.iter().map(|it| it.name.clone()));
    for check in &dataset.checks {
        if check.by == CheckedBy::Host && !HOST_CHECKS.contains(&check.name.as_str()) {
            let known = HOST_CHECKS.join("`, `");
            found.push(format!("in dataset `{name}`, the host has no check `{}`; it has `{known}`", check.name));
        }
        // What the host decides by it is more than a block: there is no capture, and every line is a reject.
        if check.by == CheckedBy::Plugin && check.name == "unique_key" {
            found.push(format!(
                "in dataset `{name}`, the check `unique_key` is always the host's: name yours otherwise"
            ));
        }
    }
}

fn format_problems(found: &mut Vec<String>, format: &FileFormat) {
    let name = &format.name;
    if format.columns.is_empty() {
        found.push(format!("format `{name}` has no columns"));
    }
    unique(found, &format!("in format `{name}`, column"), format.columns.iter().map(|it| it.name.clone()));
    unique(found, &format!("in format `{name}`, header"), format.columns.iter().map(|it| it.header.clone()));
    for column in &format.columns {
        if column.max_chars.is_some() && column.data_type != DataType::Utf8 {
            found.push(format!("in format `{name}`, column `{}` has `max_chars` but is no text", column.name));
        }
        if column.max_chars == Some(0) {
            found.push(format!("in format `{name}`, column `{}` has `max_chars` 0: no value would fit", column.name));
        }
    }
    if let FormatKind::Delimited { delimiter, quote, .. } = &format.kind
        && (!delimiter.is_ascii() || quote.is_some_and(|quote| !quote.is_ascii() || quote == *delimiter))
    {
        found.push(format!("format `{name}` needs an ASCII delimiter and another ASCII character as its quote"));
    }
}

fn pipeline_problems(found: &mut Vec<String>, manifest: &Manifest, pipeline: &PipelineSpec) {
    let name = &pipeline.name;
    params_problems(found, name, &pipeline.params);
    outputs_problems(found, manifest, name, &pipeline.outputs);
    for input in &pipeline.inputs {
        let param = pipeline.params.iter().find(|param| param.name == input.name);
        if param.is_none_or(|param| param.param_type != ParamType::File) {
            found.push(format!("input `{}` of `{name}` needs a parameter of that name and of type file", input.name));
        }
        for format in input.formats.iter().filter(|format| manifest.format(format).is_none()) {
            found.push(format!("input `{}` of `{name}` names the unknown format `{format}`", input.name));
        }
        if input.formats.is_empty() {
            found.push(format!("input `{}` of `{name}` has no format", input.name));
        }
    }
    unique(found, &format!("in `{name}`, stage"), pipeline.stages.iter().cloned());
    for stage in pipeline.stages.iter().filter(|stage| !is_word(stage)) {
        found.push(format!("in `{name}`, stage `{stage}` is not a lower-case word"));
    }
    for param in pipeline.params.iter().filter(|param| param.param_type == ParamType::File) {
        if !pipeline.inputs.iter().any(|input| input.name == param.name) {
            found.push(format!("parameter `{}` of `{name}` is a file, but no input has that name", param.name));
        }
    }
}

fn params_problems(found: &mut Vec<String>, owner: &str, params: &[ParamSpec]) {
    unique(found, &format!("in `{owner}`, parameter"), params.iter().map(|it| it.name.clone()));
    for param in params {
        if !is_word(&param.name) {
            found.push(format!("in `{owner}`, parameter `{}` is not a lower-case word", param.name));
        }
        if param.secret && param.param_type == ParamType::File {
            found.push(format!(
                "in `{owner}`, parameter `{}` is a file, which is kept, and cannot be secret",
                param.name
            ));
        }
        if param.required && param.default.is_some() {
            found.push(format!("in `{owner}`, parameter `{}` is required and has a default", param.name));
        }
        if let Some(file) = &param.required_unless_dated {
            dated_problems(found, owner, param, params.iter().find(|other| &other.name == file), file);
        }
        for value in param.allowed.iter().filter(|value| param.any_spelling && plain_word(value).is_none()) {
            found.push(format!(
                "in `{owner}`, parameter `{}` allows `{value}` in any spelling, but only letters, digits, spaces, `_` \
                 and `-` have one",
                param.name
            ));
        }
    }
}

fn dated_problems(found: &mut Vec<String>, owner: &str, param: &ParamSpec, dated: Option<&ParamSpec>, file: &str) {
    let name = &param.name;
    if dated.is_none_or(|dated| dated.param_type != ParamType::File) {
        found.push(format!(
            "in `{owner}`, parameter `{name}` is required unless the name of `{file}` holds a date, but there is no \
             parameter `{file}` of type file"
        ));
    }
    if param.required || param.default.is_some() {
        found.push(format!(
            "in `{owner}`, parameter `{name}` is required unless the name of `{file}` holds a date, so it can neither be \
             required always nor have a default"
        ));
    }
}

fn outputs_problems(found: &mut Vec<String>, manifest: &Manifest, owner: &str, outputs: &[crate::DatasetName]) {
    if outputs.is_empty() {
        found.push(format!("`{owner}` has no outputs"));
    }
    for output in outputs.iter().filter(|output| manifest.dataset(output).is_none()) {
        found.push(format!("`{owner}` writes the undeclared dataset `{output}`"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Idempotency;

    /// A manifest with one task, which has these parameters.
    fn with_params(params: &str) -> Vec<String> {
        let manifest = format!(
            r#"{{"contract": "0.1.0", "name": "d", "version": "1", "tasks": [{{"name": "d.t", "params": [{params}]}}]}}"#
        );
        Manifest::parse(&manifest).unwrap().problems()
    }

    #[test]
    fn a_parameter_can_only_lean_on_the_name_of_a_file() {
        let file = r#"{"name": "file", "type": "file", "required": true}"#;
        let week = |more: &str| format!(r#"{{"name": "week", "type": "date", "required_unless_dated": "file"{more}}}"#);
        assert_eq!(with_params(&format!("{file}, {}", week(""))), Vec::<String>::new());
        let alone = with_params(&week(""));
        assert!(alone[0].contains("there is no parameter `file` of type file"), "{alone:?}");
        for more in [r#", "required": true"#, r#", "default": "2021-01-28""#] {
            let problems = with_params(&format!("{file}, {}", week(more)));
            assert!(problems[0].contains("`week`") && problems[0].contains("neither"), "{problems:?}");
        }
    }

    #[test]
    fn every_problem_of_a_policy_is_named_and_a_newer_one_loads() {
        let with_policy = |policy: &str| {
            Manifest::parse(&format!(
                r#"{{"contract": "0.1.0", "name": "d", "version": "1", "tasks": [{{"name": "d.t", "policy": {policy}}}]}}"#
            ))
        };
        let manifest = with_policy(r#"{"retry": {"attempts_max": 5, "budget": 1}, "hedge": {}}"#).unwrap();
        assert_eq!(manifest.problems(), Vec::<String>::new());
        let policy = serde_json::to_value(manifest.policy("d.t")).unwrap();
        assert_eq!(policy, serde_json::json!({ "retry": { "attempts_max": 5 } }));
        let problems = with_policy(r#"{"retry": {"attempts_max": 101}, "timeout_ms": 0}"#).unwrap().problems();
        assert_eq!(
            problems,
            [
                "in `d.t`, `policy.retry.attempts_max` is 101; allowed: a whole number from 0 to 100",
                "in `d.t`, `policy.timeout_ms` is 0; allowed: a whole number from 1 to 86400000",
            ]
        );
        assert!(with_policy(r#"{"retry": {"strategy": {"fibonacci": {}}}}"#).unwrap_err().contains("fibonacci"));
        assert_eq!(with_policy("null").unwrap().policy("d.t"), None);
    }

    #[test]
    fn idempotency_and_stages_are_words_that_are_known_and_told_apart() {
        let with = |more: &str| {
            Manifest::parse(&format!(
                r#"{{"contract": "0.1.0", "name": "d", "version": "1", "datasets": [{{"name": "d.t",
                "columns": [{{"name": "k", "type": "utf8"}}], "key": ["k"], "partition_by": ["k"]}}],
                "pipelines": [{{"name": "d.p", "outputs": ["d.t"]{more}}}]}}"#
            ))
        };
        let manifest = with("").unwrap();
        assert_eq!((manifest.pipelines[0].idempotency, manifest.pipelines[0].stages.len()), (Idempotency::State, 0));
        let manifest = with(r#", "idempotency": "input", "stages": ["landed", "normalized"]"#).unwrap();
        assert_eq!(manifest.pipelines[0].idempotency, Idempotency::Input);
        assert_eq!(manifest.problems(), Vec::<String>::new());
        let unknown = with(r#", "idempotency": "inptu""#).unwrap_err();
        assert!(unknown.contains("unknown idempotency `inptu`, did you mean `input`?"), "{unknown}");
        let problems = with(r#", "stages": ["landed", "Landed", "landed"]"#).unwrap().problems();
        assert_eq!(
            problems,
            ["in `d.p`, stage `landed` is declared twice", "in `d.p`, stage `Landed` is not a lower-case word"]
        );
    }

    #[test]
    fn only_texts_have_a_length_and_it_is_more_than_nothing() {
        let column = |column: &str| {
            let manifest = format!(
                r#"{{"contract": "0.1.0", "name": "d", "version": "1", "formats": [{{"name": "f", "kind": "json_lines",
                "columns": [{{"header": "A", "name": "a", {column}}}]}}]}}"#
            );
            Manifest::parse(&manifest).unwrap().problems()
        };
        assert_eq!(column(r#""type": "utf8", "max_chars": 14"#), Vec::<String>::new());
        assert!(column(r#""type": "int64", "max_chars": 14"#)[0].contains("no text"));
        assert!(column(r#""type": "utf8", "max_chars": 0"#)[0].contains("no value would fit"));
    }

    #[test]
    fn only_words_have_more_than_one_spelling() {
        let tier = |value: &str| {
            with_params(&format!(
                r#"{{"name": "tier", "type": "string", "any_spelling": true, "allowed": ["{value}"]}}"#
            ))
        };
        assert_eq!(tier("NMS_TIER_1"), Vec::<String>::new());
        assert!(tier("tier/1")[0].contains("`tier/1`"));
    }
}
