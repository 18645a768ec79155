//! What the plugin says of itself.

use spine_sdk::prelude::*;

fn manifest() -> Json {
    crate::manifest().parse().unwrap()
}

fn checks(dataset: &str) -> Vec<(String, String, String)> {
    let manifest = manifest();
    let datasets = manifest["datasets"].as_array().unwrap();
    let found = datasets.iter().find(|entry| entry["name"] == dataset).unwrap();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let checks = found["checks"].as_array().unwrap().iter();
    let mut checks: Vec<_> =
        checks.map(|check| (text(&check["name"]), text(&check["severity"]), text(&check["by"]))).collect();
    checks.sort();
    checks
}

fn expected(checks: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    checks.iter().map(|(name, severity, by)| ((*name).into(), (*severity).into(), (*by).into())).collect()
}

#[test]
fn daily_volume_is_held_to_every_check_of_its_contract() {
    let facility_daily = [
        ("date_matches_file", "block", "plugin"),
        ("exempt_le_short", "block", "plugin"),
        ("facility_matches", "warn", "plugin"),
        ("header", "block", "host"),
        ("last_line_complete", "block", "host"),
        ("not_empty", "block", "plugin"),
        ("row_count_band", "warn", "plugin"),
        ("session_date", "block", "plugin"),
        ("short_le_total", "block", "plugin"),
        ("trailer_count", "block", "host"),
        ("unique_key", "block", "host"),
    ];
    assert_eq!(checks("finra.regsho_facility_daily"), expected(&facility_daily));
    let mut daily = [&facility_daily[..], &[("facility_assumed", "warn", "plugin")]].concat();
    daily.sort_unstable();
    assert_eq!(checks("finra.regsho_daily"), expected(&daily));
}

#[test]
fn weekly_volume_is_held_to_every_check_of_its_contract() {
    let weekly = expected(&[
        ("header", "block", "host"),
        ("last_line_complete", "block", "host"),
        ("not_empty", "block", "plugin"),
        ("publication_day", "warn", "plugin"),
        ("row_count_band", "warn", "plugin"),
        ("tier_matches", "block", "plugin"),
        ("totals_reconcile", "block", "plugin"),
        ("unique_key", "block", "host"),
    ]);
    assert_eq!(checks("finra.otc_venue_volume"), weekly);
}

#[test]
fn pipelines_account_for_every_row_and_name_their_datasets_in_order() {
    let manifest = manifest();
    let pipelines = manifest["pipelines"].as_array().unwrap();
    let outputs = |name: &str| {
        let found = pipelines.iter().find(|entry| entry["name"] == name).unwrap();
        assert_eq!(found["accounting"], "one-to-one");
        found["outputs"].clone()
    };
    assert_eq!(outputs("finra.regsho_daily"), json!(["finra.regsho_daily", "finra.regsho_facility_daily"]));
    let weekly = json!(["finra.otc_venue_volume", "finra.otc_symbol_summary", "finra.otc_venue_share"]);
    assert_eq!(outputs("finra.otc_weekly"), weekly);
}

#[test]
fn only_the_six_column_file_has_a_count_that_the_parameter_can_waive() {
    let manifest = manifest();
    let formats = manifest["formats"].as_array().unwrap();
    let footer = |name: &str| formats.iter().find(|entry| entry["name"] == name).unwrap()["footer"].clone();
    assert_eq!(footer("regsho_six"), json!({"rule": "record_count", "required": true, "required_param": "trailer"}));
    assert_eq!(footer("regsho_five")["rule"], "none");
    assert_eq!(footer("otc_weekly")["rule"], "none");
}
