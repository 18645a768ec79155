//! `query`: SQL over what was published.

use std::path::PathBuf;

use clap::Args;
use lake::query::{QueryAnswer, extent, query};
use model::failure::FailureKind;
use model::ports::AsOf;
use model::{Clock, Failure, Timestamp};

use super::ledger;
use crate::args::Global;
use crate::output::{Format, Output, Rows, complain_about, row_count};
use crate::resident::exceeds;
use crate::system::SystemClock;

/// Query published data with SQL, latest or as of a time
///
/// Tables are `domain.dataset` (the latest revision of every partition, or as of a time) and `domain.dataset_history`
/// (every published revision). Both have the columns `_capture_id`, `_run_id`, `_revision` and `_captured_at`. The
/// SQL is DataFusion's; it can only read. A query may use 1 GiB of memory, run for 60 seconds and return 1,000,000
/// rows, unless `query_memory_bytes`, `query_wall_clock` and `query_rows` in `[limits]` of spine.toml say otherwise.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples (`datasets list` shows what there is to query):
  spine-host query \"SELECT * FROM finra.regsho_daily\"
  spine-host query -o csv --as-of 2026-01-31 - < report.sql")]
pub(crate) struct QueryCommand {
    /// One SELECT statement; `-` reads it from standard input
    sql: String,

    /// Show what was published at this time, inclusive
    ///
    /// A date (2026-01-31, the end of that day in UTC) or a time (2026-01-31T18:00:00Z; UTC where no zone is given).
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
}

impl QueryCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let as_of = match &self.as_of {
            None => AsOf::Latest,
            Some(text) => AsOf::Instant(Timestamp::parse(text).ok_or_else(|| {
                let message = format!(
                    "`{}` is not a time: write 2026-01-31, 2026-01-31T18:00:00 (UTC) or 2026-01-31T18:00:00Z",
                    model::brief(text)
                );
                Failure::new(FailureKind::Validation, "bad_as_of", message)
            })?),
        };
        let sql = if self.sql == "-" {
            std::io::read_to_string(std::io::stdin()).map_err(|error| {
                let message = format!("cannot read SQL from standard input: {error}");
                Failure::new(FailureKind::Validation, "bad_sql", message)
            })?
        } else {
            self.sql
        };
        let ledger = ledger(global).await?;
        let view = ledger.catalog_for(as_of, |dataset| extent(&sql, dataset)).await;
        let view = view.map_err(|failure| with_hint(failure, self.as_of.as_deref(), SystemClock.now()))?;
        let limits = global.configuration()?.query;
        let captures = captures_folder(global)?;
        let too_large = |held: u64| limits.out_of_memory().detail("resident_bytes", held.to_string());
        let answer = tokio::select! {
            answer = query(&captures, view, &sql, limits.clone()) => answer?,
            held = exceeds(limits.resident_bytes()) => return Err(too_large(held)),
        };
        // The answer is written on another thread, so that somebody can look at its memory meanwhile.
        let shown = tokio::task::spawn_blocking(move || show(&answer, output));
        tokio::select! {
            shown = shown => shown.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())),
            held = exceeds(limits.resident_bytes()) => {
                // That thread may hold standard output: no more is written there.
                let failure = too_large(held);
                complain_about(&failure);
                Ok(failure.exit_code())
            }
        }
    }
}

fn show(answer: &QueryAnswer, output: Output) -> Result<u8, Failure> {
    let snapshot = format!("_snapshot {} of {}", answer.snapshot.id, answer.snapshot.at);
    match output.format {
        Format::Json => {
            output.write(|out| answer.write_json(out))?;
            // The answer is the rows alone.
            crate::output::note(&snapshot);
        }
        Format::Csv => output.write(|out| {
            writeln!(out, "# {snapshot}")?;
            answer.write_csv(out)
        })?,
        Format::Table => {
            let (header, rows) = answer.rows_as_text();
            let footer = format!("{}, {snapshot}", row_count(rows.len() as u64));
            let mut named = Rows::named(header, &answer.numeric_columns());
            rows.into_iter().for_each(|row| named.push(row.into_iter().map(Into::into)));
            named.footer = Some(footer);
            output.rows(&named)?;
        }
    }
    Ok(0)
}

/// Says why the date of today lies in the future, and what to write instead.
fn with_hint(failure: Failure, asked: Option<&str>, now: Timestamp) -> Failure {
    let today = now.to_string();
    match asked {
        Some(text) if failure.code == "bad_as_of" && today.get(..10) == Some(text) => {
            let message = format!(
                "`{text}` means the end of that day in UTC, and the day is not over: for what is published by now leave \
                 --as-of out or write {}Z",
                &today[..19]
            );
            Failure { message, ..failure }
        }
        Some(_) | None => failure,
    }
}

fn captures_folder(global: &Global) -> Result<PathBuf, Failure> {
    let path = global.ledger_place()?.lake().join("captures");
    path.canonicalize().map_err(|error| crate::owner::unusable_folder(&path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_as_a_date_is_explained() {
        let failure = || Failure::new(FailureKind::Validation, "bad_as_of", "lies in the future");
        let now = Timestamp::parse("2026-03-31T18:02:11.5Z").unwrap();
        let message = |text| with_hint(failure(), Some(text), now).message;
        assert!(message("2026-03-31").contains("the day is not over"), "{}", message("2026-03-31"));
        assert!(message("2026-03-31").ends_with("or write 2026-03-31T18:02:11Z"), "{}", message("2026-03-31"));
        assert_eq!(message("2026-04-01"), "lies in the future");
        assert_eq!(message("2026-03-31T23:00:00Z"), "lies in the future");
    }
}
