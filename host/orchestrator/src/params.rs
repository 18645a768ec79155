//! Checks the parameters of a request against what the plugin declares, and names every problem at once.

use std::collections::BTreeMap;

use model::failure::{Failure, FailureKind};
use model::manifest::{ParamSpec, ParamType};
use model::ports::{GivenFile, ParamValue};
use model::secret::{PLACEHOLDER, Secrets};
use model::{brief, plain_word};
use serde_json::{Map, Number, Value};

/// Most bytes of the parameters of one run, as JSON. `limits.params`, not configurable: they are kept in the ledger.
pub(crate) const PARAMS_BYTES_MAX: usize = 256 * 1024;

/// Most problems that are told at once.
const PROBLEMS_TOLD: usize = 100;

/// The validated parameters of a run, each as a JSON object.
#[derive(Clone)]
pub(crate) struct Params {
    /// For the guest.
    pub(crate) real: Value,
    /// For everybody else: a placeholder in the place of each secret.
    pub(crate) shown: Value,
    pub(crate) secrets: Secrets,
}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Params({})", self.shown)
    }
}

/// The parameters of a run: defaults filled in, files by their names.
///
/// # Errors
///
/// `bad_params` with every problem in the message, and by parameter in the details. No message holds a secret.
pub(crate) fn validate(
    name: &str,
    specs: &[ParamSpec],
    given: &BTreeMap<String, ParamValue>,
    files: &BTreeMap<String, GivenFile>,
) -> Result<Params, Failure> {
    let mut valid = Map::new();
    let mut problems: Vec<(String, String)> = Vec::new();
    for spec in specs {
        match value(spec, given.get(&spec.name), files.get(&spec.name)) {
            Ok(Some(value)) => {
                valid.insert(spec.name.clone(), value);
            }
            Ok(None) => problems.extend(undated(spec, files).map(|problem| (spec.name.clone(), problem))),
            Err(problem) => problems.push((spec.name.clone(), problem)),
        }
    }
    let known: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    for unknown in given.keys().chain(files.keys()).filter(|given| !known.contains(&given.as_str())) {
        problems.push((brief(unknown).into_owned(), unknown_param(&brief(unknown), &known)));
    }
    let bytes = Value::Object(valid.clone()).to_string().len();
    if bytes > PARAMS_BYTES_MAX {
        let problem = format!(
            "{bytes} bytes of parameters, the fixed limit (limits.params, no key sets it) is {PARAMS_BYTES_MAX}"
        );
        problems.push(("params".to_owned(), problem));
    }
    if problems.is_empty() {
        return Ok(apart(specs, valid));
    }
    let list: Vec<&str> = problems.iter().map(|(_, problem)| problem.as_str()).take(PROBLEMS_TOLD).collect();
    let mut message = format!("`{name}` cannot run with these parameters: {}", list.join("; "));
    if problems.len() > PROBLEMS_TOLD {
        message.push_str(&format!("; and {} more", problems.len() - PROBLEMS_TOLD));
        problems.truncate(PROBLEMS_TOLD);
    }
    let failure = Failure::new(FailureKind::Validation, "bad_params", message);
    Err(Failure { details: problems, ..failure })
}

/// The parameters of a run that the ledger kept.
///
/// # Errors
///
/// `secret_lost` if one was secret: secrets are kept nowhere, so nobody but who asked can ask again.
pub(crate) fn recorded(specs: &[ParamSpec], shown: &Value) -> Result<Params, Failure> {
    let secret = |spec: &&ParamSpec| spec.secret && shown.get(&spec.name).is_some();
    if let Some(spec) = specs.iter().find(secret) {
        let message = format!(
            "the run had the secret parameter `{}`, which is kept nowhere, and the process that knew it is gone: cancel \
             the run and ask for it again",
            spec.name
        );
        return Err(Failure::new(FailureKind::Orchestration, "secret_lost", message));
    }
    Ok(Params { real: shown.clone(), shown: shown.clone(), secrets: Secrets::new(&[]) })
}

/// Takes what may be shown apart from what may not.
fn apart(specs: &[ParamSpec], real: Map<String, Value>) -> Params {
    let mut shown = real.clone();
    let mut secrets = Vec::new();
    for spec in specs.iter().filter(|spec| spec.secret) {
        if let Some(value) = shown.get_mut(&spec.name) {
            secrets.push(std::mem::replace(value, Value::String(PLACEHOLDER.to_owned())));
        }
    }
    Params { real: Value::Object(real), shown: Value::Object(shown), secrets: Secrets::new(&secrets) }
}

fn value(spec: &ParamSpec, given: Option<&ParamValue>, file: Option<&GivenFile>) -> Result<Option<Value>, String> {
    let name = &spec.name;
    let parsed = match (spec.param_type, given, file) {
        (ParamType::File, _, Some(file)) => Some(Value::String(file.file_name.clone())),
        (ParamType::File, Some(_), None) => {
            return Err(format!("`{name}` is a file: whoever asks for the run reads it and hands over its bytes"));
        }
        (_, _, Some(_)) => return Err(format!("`{name}` is no file but of type {}", spec.param_type.name())),
        (_, None | Some(ParamValue::Json(Value::Null)), None) => None,
        (_, Some(ParamValue::Text(text)), None) => Some(from_text(spec, text)?),
        (_, Some(ParamValue::Json(json)), None) => Some(from_json(spec, json)?),
    };
    match parsed {
        Some(value) if !allowed(spec, &value) => {
            let given = if spec.secret { "another value".to_owned() } else { brief(&value.to_string()).into_owned() };
            Err(format!("`{name}` is {given}, allowed are `{}`", spec.allowed.join("`, `")))
        }
        None if spec.required => Err(format!("`{name}` is missing: {}", describe(spec))),
        None => Ok(spec.default.clone()),
        found => Ok(found),
    }
}

/// What is wrong with leaving the parameter out, if the name of the file that could do without it does not say one date.
fn undated(spec: &ParamSpec, files: &BTreeMap<String, GivenFile>) -> Option<String> {
    let file_name = &files.get(spec.required_unless_dated.as_ref()?)?.file_name;
    let why = match model::date::all_in_file_name(file_name)[..] {
        [] => "holds no date (YYYYMMDD or YYYY-MM-DD)".to_owned(),
        [_] => return None,
        [last, other, ..] => format!("holds several dates ({other}, {last})"),
    };
    let (name, file_name, wanted) = (&spec.name, brief(file_name), describe(spec));
    Some(format!("`{name}` is missing, and the name `{file_name}` {why}: {wanted}"))
}

fn from_text(spec: &ParamSpec, text: &str) -> Result<Value, String> {
    let wrong = || wrong_type(spec, &format!("`{}`", brief(text)));
    match spec.param_type {
        ParamType::String => Ok(Value::String(text.to_owned())),
        ParamType::Integer => text.parse::<i64>().map(Value::from).map_err(|_| wrong()),
        // JSON's grammar of numbers: no `inf`, no `NaN`, no hexadecimal.
        ParamType::Number => serde_json::from_str::<Number>(text).map(Value::Number).map_err(|_| wrong()),
        ParamType::Boolean => text.parse::<bool>().map(Value::Bool).map_err(|_| wrong()),
        ParamType::Date if is_date(text) => Ok(Value::String(text.to_owned())),
        ParamType::WeekEnding => week_ending(spec, text).map(|()| Value::String(text.to_owned())),
        ParamType::Date | ParamType::File => Err(wrong()),
    }
}

/// The error names the weekday and the Friday that may be meant.
fn week_ending(spec: &ParamSpec, text: &str) -> Result<(), String> {
    if !is_date(text) {
        return Err(wrong_type(spec, &format!("`{}`", brief(text))));
    }
    text.parse::<model::WeekEnding>().map(drop).map_err(|error| match spec.secret {
        true => wrong_type(spec, text),
        false => format!("`{}`: {error}", spec.name),
    })
}

fn from_json(spec: &ParamSpec, json: &Value) -> Result<Value, String> {
    if let (ParamType::WeekEnding, Some(text)) = (spec.param_type, json.as_str()) {
        return week_ending(spec, text).map(|()| json.clone());
    }
    let fits = match spec.param_type {
        ParamType::String => json.is_string(),
        ParamType::Integer => json.is_i64(),
        ParamType::Number => json.is_number(),
        ParamType::Boolean => json.is_boolean(),
        ParamType::Date => json.as_str().is_some_and(is_date),
        ParamType::WeekEnding | ParamType::File => false,
    };
    if fits { Ok(json.clone()) } else { Err(wrong_type(spec, &brief(&json.to_string()))) }
}

/// A day of the calendar written `YYYY-MM-DD`, nothing looser.
fn is_date(text: &str) -> bool {
    model::date::parse(text).is_ok()
}

fn allowed(spec: &ParamSpec, value: &Value) -> bool {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let word = plain_word(&text).filter(|_| spec.any_spelling);
    let same = |allowed: &String| allowed == &text || word.is_some() && plain_word(allowed) == word;
    spec.allowed.is_empty() || spec.allowed.iter().any(same)
}

fn wrong_type(spec: &ParamSpec, given: &str) -> String {
    let wanted = match spec.param_type {
        ParamType::Integer => "an integer",
        ParamType::Date => "a date, YYYY-MM-DD",
        ParamType::WeekEnding => "a Friday, YYYY-MM-DD",
        ParamType::Boolean => "`true` or `false`",
        ParamType::String => "a string",
        ParamType::Number => "a number",
        ParamType::File => "a file",
    };
    let given = if spec.secret { "something else" } else { given };
    format!("`{}` is {given}, it must be {wanted}", spec.name)
}

fn describe(spec: &ParamSpec) -> String {
    let mut text = spec.param_type.name().to_owned();
    if !spec.description.is_empty() {
        text.push_str(&format!(", {}", spec.description.trim_end_matches('.')));
    }
    if let Some(example) = &spec.example {
        text.push_str(&format!(", such as `{example}`"));
    }
    text
}

fn unknown_param(unknown: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("`{unknown}` is unknown, it takes no parameters");
    }
    match model::nearest(unknown, known.iter().copied()) {
        Some(nearest) => format!("`{unknown}` is unknown, did you mean `{nearest}`?"),
        None => format!("`{unknown}` is unknown, it takes `{}`", known.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn validate(
        name: &str,
        specs: &[ParamSpec],
        given: &BTreeMap<String, ParamValue>,
        files: &BTreeMap<String, GivenFile>,
    ) -> Result<Value, Failure> {
        super::validate(name, specs, given, files).map(|params| params.real)
    }

    fn spec(name: &str, param_type: ParamType) -> ParamSpec {
        ParamSpec {
            name: name.to_owned(),
            param_type,
            required: false,
            required_unless_dated: None,
            default: None,
            allowed: Vec::new(),
            any_spelling: false,
            description: String::new(),
            example: None,
            secret: false,
        }
    }

    fn text(values: &[(&str, &str)]) -> BTreeMap<String, ParamValue> {
        values.iter().map(|(name, value)| ((*name).to_owned(), ParamValue::Text((*value).to_owned()))).collect()
    }

    fn json_param(name: &str, value: Value) -> BTreeMap<String, ParamValue> {
        BTreeMap::from([(name.to_owned(), ParamValue::Json(value))])
    }

    #[test]
    fn case_24_text_is_parsed_by_the_declared_type_and_json_is_not() {
        let specs = [spec("days", ParamType::Integer)];
        let none = BTreeMap::new();
        assert_eq!(validate("p", &specs, &text(&[("days", "5")]), &none), Ok(json!({"days": 5})));
        assert_eq!(validate("p", &specs, &json_param("days", json!(5)), &none), Ok(json!({"days": 5})));
        for bad in [json!("5"), json!(5.5), json!(true), json!([5])] {
            let failure = validate("p", &specs, &json_param("days", bad), &none).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_params", 2));
        }
        assert!(validate("p", &specs, &text(&[("days", "five")]), &none).is_err());
    }

    #[test]
    fn every_type_parses_its_text() {
        let specs = [
            spec("a", ParamType::String),
            spec("b", ParamType::Number),
            spec("c", ParamType::Boolean),
            spec("d", ParamType::Date),
        ];
        let given = text(&[("a", "5"), ("b", "1.5"), ("c", "true"), ("d", "2021-01-28")]);
        let valid = validate("p", &specs, &given, &BTreeMap::new()).unwrap();
        assert_eq!(valid, json!({"a": "5", "b": 1.5, "c": true, "d": "2021-01-28"}));
        let given = text(&[("b", "NaN"), ("c", "yes"), ("d", "2021-02-29")]);
        let failure = validate("p", &specs, &given, &BTreeMap::new()).unwrap_err();
        let named: Vec<&str> = failure.details.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, ["b", "c", "d"]);
    }

    #[test]
    fn dates_have_one_form_only() {
        for bad in ["2021-1-28", "20210128", "2021-01-28T00:00:00Z", "+021-01-28", "2021-13-01", ""] {
            assert!(!is_date(bad), "{bad}");
        }
        assert!(is_date("2024-02-29"));
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let required =
            ParamSpec { required: true, description: "The day's file.".to_owned(), ..spec("file", ParamType::File) };
        let trailer =
            ParamSpec { allowed: vec!["required".to_owned(), "none".to_owned()], ..spec("trailer", ParamType::String) };
        let specs = [required, trailer, spec("day", ParamType::Date)];
        let given = text(&[("trailer", "maybe"), ("day", "soon"), ("facilty", "X"), ("dya", "x")]);
        let failure = validate("finra.regsho_daily", &specs, &given, &BTreeMap::new()).unwrap_err();
        for expected in [
            "`file` is missing: file, The day's file",
            "`trailer` is \"maybe\", allowed are `required`, `none`",
            "`day` is `soon`, it must be a date",
            "`dya` is unknown, did you mean `day`?",
            "`facilty` is unknown",
        ] {
            assert!(failure.message.contains(expected), "{expected} is not in {}", failure.message);
        }
    }

    #[test]
    fn no_message_repeats_a_megabyte_that_somebody_gave() {
        let long = "x".repeat(1_000_000);
        let choice = ParamSpec { allowed: vec!["a".to_owned()], ..spec("choice", ParamType::String) };
        let specs = [choice, spec("day", ParamType::Date), spec("n", ParamType::Integer)];
        let mut given = text(&[("choice", &long), ("day", &long), (&long, "1")]);
        given.insert("n".to_owned(), ParamValue::Json(json!(long)));
        for number in 0..10_000 {
            given.insert(format!("unknown{number}"), ParamValue::Text(String::new()));
        }
        let failure = validate("p", &specs, &given, &BTreeMap::new()).unwrap_err();
        assert!(serde_json::to_string(&failure).unwrap().len() < 30_000);
        assert!(failure.message.contains("xxx... (1000000 characters)`"), "{failure}");
        assert!(failure.message.ends_with("more"), "{failure}");
    }

    #[test]
    fn files_stand_by_their_names_even_if_unreadable_and_defaults_are_filled_in() {
        let specs = [
            spec("file", ParamType::File),
            ParamSpec { default: Some(json!("reject")), ..spec("duplicates", ParamType::String) },
        ];
        let gone = Failure::new(FailureKind::Source, "not_found", "gone");
        let files =
            BTreeMap::from([("file".to_owned(), GivenFile { file_name: "day.txt".to_owned(), bytes: Err(gone) })]);
        let valid = validate("p", &specs, &BTreeMap::new(), &files).unwrap();
        assert_eq!(valid, json!({"duplicates": "reject", "file": "day.txt"}));
        assert!(validate("p", &specs, &text(&[("file", "/etc/passwd")]), &BTreeMap::new()).is_err());
        let misplaced = BTreeMap::from([(
            "duplicates".to_owned(),
            GivenFile { file_name: "x".to_owned(), bytes: Ok(Arc::new(Vec::new())) },
        )]);
        assert!(validate("p", &specs, &BTreeMap::new(), &misplaced).is_err());
    }

    #[test]
    fn a_secret_is_real_for_the_guest_alone() {
        let specs = [
            ParamSpec { secret: true, ..spec("token", ParamType::String) },
            ParamSpec { secret: true, default: Some(json!(1)), ..spec("pin", ParamType::Integer) },
            spec("day", ParamType::Date),
        ];
        let given = text(&[("token", "hunter2"), ("day", "2021-01-28")]);
        let params = super::validate("p", &specs, &given, &BTreeMap::new()).unwrap();
        assert_eq!(params.real, json!({"token": "hunter2", "pin": 1, "day": "2021-01-28"}));
        assert_eq!(params.shown, json!({"token": "(secret)", "pin": "(secret)", "day": "2021-01-28"}));
        assert_eq!(params.secrets.hide("hunter2 of 2021-01-28"), "(secret) of 2021-01-28");
        assert!(!format!("{params:?}").contains("hunter2"));
    }

    #[test]
    fn no_message_quotes_a_secret() {
        let secret = |name, param_type| ParamSpec { secret: true, ..spec(name, param_type) };
        let specs = [
            secret("a", ParamType::Integer),
            secret("b", ParamType::Date),
            secret("c", ParamType::WeekEnding),
            secret("d", ParamType::WeekEnding),
            ParamSpec { allowed: vec!["x".to_owned()], ..secret("e", ParamType::String) },
            secret("f", ParamType::Boolean),
        ];
        let mut given =
            text(&[("a", "hunter2"), ("b", "hunter2"), ("c", "hunter2"), ("d", "2021-01-28"), ("e", "hunter2")]);
        given.extend(json_param("f", json!("hunter2")));
        let failure = validate("p", &specs, &given, &BTreeMap::new()).unwrap_err();
        assert_eq!(failure.details.len(), 6);
        let told = format!("{failure:?}");
        assert!(!told.contains("hunter2") && !told.contains("01-28"), "{told}");
    }

    #[test]
    fn a_file_without_a_date_in_its_name_needs_the_parameter_that_tells_it() {
        let specs = [
            ParamSpec { required: true, ..spec("file", ParamType::File) },
            ParamSpec {
                required_unless_dated: Some("file".to_owned()),
                description: "The Friday of the week.".to_owned(),
                ..spec("week_ending", ParamType::WeekEnding)
            },
            spec("days", ParamType::Integer),
        ];
        let file = |name: &str| {
            let given = GivenFile { file_name: name.to_owned(), bytes: Ok(Arc::new(Vec::new())) };
            BTreeMap::from([("file".to_owned(), given)])
        };
        let none = BTreeMap::new();
        assert!(validate("p", &specs, &none, &file("week_20251215.csv")).is_ok());
        assert!(validate("p", &specs, &text(&[("week_ending", "2025-11-14")]), &file("week.csv")).is_ok());
        let failure = validate("p", &specs, &text(&[("days", "x")]), &file("week.csv")).unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_params", 2));
        let named: Vec<&str> = failure.details.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, ["week_ending", "days"], "all problems are named at once");
        let expected = "`week_ending` is missing, and the name `week.csv` holds no date (YYYYMMDD or YYYY-MM-DD): \
                        week_ending, The Friday of the week";
        assert!(failure.message.contains(expected), "{}", failure.message);
        let several = file("week_20251215_20251222.csv");
        let failure = validate("p", &specs, &none, &several).unwrap_err();
        assert!(failure.message.contains("holds several dates (2025-12-15, 2025-12-22)"), "{}", failure.message);
        assert!(validate("p", &specs, &text(&[("week_ending", "2025-11-14")]), &several).is_ok());
        let failure = validate("p", &specs, &none, &BTreeMap::new()).unwrap_err();
        assert!(!failure.message.contains("week_ending"), "without a file its name is not the question");
    }

    #[test]
    fn allowed_values_may_be_written_in_any_spelling_where_that_is_declared() {
        let strict = ParamSpec { allowed: vec!["NMS_TIER_1".to_owned()], ..spec("tier", ParamType::String) };
        let loose = ParamSpec { any_spelling: true, ..strict.clone() };
        let with = |spec: &ParamSpec, given: &str| {
            validate("p", std::slice::from_ref(spec), &text(&[("tier", given)]), &BTreeMap::new())
        };
        assert_eq!(with(&loose, "NMS Tier 1"), Ok(json!({"tier": "NMS Tier 1"})), "the plugin gets what was given");
        assert!(with(&strict, "NMS Tier 1").is_err() && with(&strict, "NMS_TIER_1").is_ok());
        for wrong in ["NMS Tier 2", "", "NMS.TIER.1"] {
            assert!(with(&loose, wrong).unwrap_err().message.contains("allowed are `NMS_TIER_1`"), "{wrong}");
        }
    }

    #[test]
    fn parameters_have_a_size_limit() {
        let specs = [spec("note", ParamType::String)];
        let long = "x".repeat(PARAMS_BYTES_MAX);
        let failure = validate("p", &specs, &text(&[("note", &long)]), &BTreeMap::new()).unwrap_err();
        assert!(failure.message.contains("limits.params"), "{}", failure.message);
    }
}
