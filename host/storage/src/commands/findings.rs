//! What a run found and said: quality results, rejects, stages, log lines.

use model::RunId;
use model::failure::Failure;
use model::quality::CheckResult;
use model::reject::{Reject, RejectFile};
use model::run::{Conclusion, LogLine};
use model::stage::StageDone;
use serde::Serialize;

use super::{int, json};
use crate::writer::{Scribe, Statement};

#[derive(Serialize)]
struct Row<T> {
    run_id: String,
    position: usize,
    #[serde(flatten)]
    item: T,
}

#[derive(Serialize)]
struct Line<'a> {
    at_us: i64,
    level: &'a str,
    origin: &'a str,
    message: &'a str,
    fields: String,
}

#[derive(Serialize)]
struct Stage<'a> {
    stage: &'a str,
    rows: i64,
}

#[derive(Serialize)]
struct Rejected<'a> {
    code: &'a str,
    message: &'a str,
    line: Option<i64>,
    raw: Option<&'a str>,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    bytes: i64,
    rows: i64,
    codes: String,
}

/// Writes the findings of several runs, each kind in one statement, before the next statement that is asked something.
pub(crate) fn record<'a>(scribe: &mut Scribe<'_>, ended: &[&'a Conclusion]) -> Result<(), Failure> {
    quality(scribe, rows(ended, |conclusion| conclusion.quality.iter()))?;
    rejects(scribe, rows(ended, |conclusion| conclusion.rejects.rows.iter().map(reject)))?;
    let mut files = Vec::new();
    for Row { run_id, position, item } in rows(ended, |conclusion| conclusion.rejects.file.iter()) {
        files.push(Row { run_id, position, item: file(item)? });
    }
    reject_files(scribe, files)?;
    let stage = |it: &'a StageDone| Stage { stage: &it.name, rows: int(it.rows) };
    stages(scribe, rows(ended, |conclusion| conclusion.stages.iter().map(stage)))?;
    let lines: Vec<(RunId, &[LogLine])> = ended.iter().map(|it| (it.run_id, it.logs.as_slice())).collect();
    logs(scribe, &lines)
}

fn rows<'a, T, I: Iterator<Item = T>>(ended: &[&'a Conclusion], items: impl Fn(&'a Conclusion) -> I) -> Vec<Row<T>> {
    let mut rows = Vec::new();
    for conclusion in ended {
        let run_id = conclusion.run_id.to_string();
        let numbered = items(conclusion).enumerate();
        rows.extend(numbered.map(|(position, item)| Row { run_id: run_id.clone(), position, item }));
    }
    rows
}

fn line(line: &LogLine) -> Result<Line<'_>, Failure> {
    Ok(Line {
        at_us: line.at.as_micros(),
        level: &line.level,
        origin: &line.origin,
        message: &line.message,
        fields: json(&line.fields)?,
    })
}

fn reject(reject: &Reject) -> Rejected<'_> {
    let Reject { code, message, line, raw } = reject;
    Rejected { code, message, line: line.map(int), raw: raw.as_deref() }
}

fn file(file: &RejectFile) -> Result<File<'_>, Failure> {
    Ok(File { path: &file.path, bytes: int(file.bytes), rows: int(file.rows), codes: json(&file.codes)? })
}

fn quality(scribe: &mut Scribe<'_>, rows: Vec<Row<&CheckResult>>) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    scribe.later(Statement::new("record the results of quality checks", r#"
        INSERT INTO quality_results (
            run_id, position, check_name, dataset, category, severity, status, message, actual, expected
        )
        SELECT
            value ->> 'run_id', CAST(value ->> 'position' AS BIGINT), value ->> 'check', value ->> 'dataset', value ->> 'category',
            value ->> 'severity', value ->> 'status', value ->> 'message', value ->> 'actual', value ->> 'expected'
        FROM {rows $1} AS new
        "#)
    .bind(scribe.json(&rows)?));
    Ok(())
}

fn rejects(scribe: &mut Scribe<'_>, rows: Vec<Row<Rejected<'_>>>) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    scribe.later(Statement::new("record the rejects of a run", r#"
        INSERT INTO rejects (run_id, position, code, message, line, raw)
        SELECT
            value ->> 'run_id', CAST(value ->> 'position' AS BIGINT), value ->> 'code', value ->> 'message', CAST(value ->> 'line' AS BIGINT),
            value ->> 'raw'
        FROM {rows $1} AS new
        "#)
    .bind(scribe.json(&rows)?));
    Ok(())
}

fn reject_files(scribe: &mut Scribe<'_>, rows: Vec<Row<File<'_>>>) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    scribe.later(Statement::new("record the file of a run's rejects", r#"
        INSERT INTO reject_files (run_id, path, bytes, rows, codes)
        SELECT
            value ->> 'run_id', value ->> 'path', CAST(value ->> 'bytes' AS BIGINT), CAST(value ->> 'rows' AS BIGINT), value ->> 'codes'
        FROM {rows $1} AS new
        "#)
    .bind(scribe.json(&rows)?));
    Ok(())
}

fn stages(scribe: &mut Scribe<'_>, rows: Vec<Row<Stage<'_>>>) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    scribe.later(Statement::new("record the stages of a run", r#"
        INSERT INTO run_stages (run_id, position, stage, rows)
        SELECT value ->> 'run_id', CAST(value ->> 'position' AS BIGINT), value ->> 'stage', CAST(value ->> 'rows' AS BIGINT)
        FROM {rows $1} AS new
        "#)
    .bind(scribe.json(&rows)?));
    Ok(())
}

/// Adds lines to the logs of runs, after those that are there.
pub(super) fn logs(scribe: &mut Scribe<'_>, added: &[(RunId, &[LogLine])]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (run, lines) in added {
        let run_id = run.to_string();
        for (position, item) in lines.iter().enumerate() {
            rows.push(Row { run_id: run_id.clone(), position, item: line(item)? });
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    scribe.later(
        Statement::new(
            "record the log of a run",
            r#"
            INSERT INTO run_logs (run_id, seq, at_us, level, origin, message, fields)
            SELECT
                new.value ->> 'run_id',
                CAST(new.value ->> 'position' AS BIGINT) + 1 + COALESCE(
                    (SELECT MAX(seq) FROM run_logs AS old WHERE old.run_id = new.value ->> 'run_id'),
                    0
                ),
                CAST(new.value ->> 'at_us' AS BIGINT),
                new.value ->> 'level',
                new.value ->> 'origin',
                new.value ->> 'message',
                new.value ->> 'fields'
            FROM {rows $1} AS new
            "#,
        )
        .bind(scribe.json(&rows)?),
    );
    Ok(())
}
