//! Stories about the whole system, one binary. Each file is one promise to a user.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a story fails where it stands, says what it skips, and is told by the environment"
)]

mod accounting;
mod architecture;
mod authoring;
mod backfills;
mod bad_input;
mod configuration;
mod console;
mod documents;
mod drop_folder;
mod dry_runs;
mod duckdb;
mod earnings;
mod egress;
mod evolving;
mod fuzz;
mod hostile;
mod killing;
mod languages;
mod log_lines;
mod logs;
mod losing_nothing;
mod operating;
mod otc_weekly;
mod people;
mod plugins;
mod properties;
mod queries;
mod regsho;
mod rejects;
mod repeating;
mod replaying;
mod restoring;
mod revisions;
mod scarcity;
mod second_reader;
mod secrets;
mod serving;
mod shadowing;
mod sharing;
mod stopping;
mod swapping;
mod waiting;

/// A story that nobody listed would never be told.
#[test]
fn no_story_file_is_forgotten() {
    let listed = include_str!("main.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("stories");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.strip_suffix(".rs").unwrap_or(&name);
        assert!(
            stem == "main" || listed.contains(&format!("mod {stem};")),
            "`{name}` is not listed in stories/main.rs"
        );
    }
}
