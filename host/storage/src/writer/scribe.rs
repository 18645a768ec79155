//! The writing connection inside a transaction, and the statements on their way to it.
//!
//! The way to SQLite's thread and back costs more than most statements do there. A statement whose answer nobody needs
//! yet waits ([`Scribe::later`]) and goes with the next one that is asked something ([`Scribe::rows`]), or with the
//! commit: SQLite takes any number at once. A server takes them one after the other, in the same order. Whoever uses the
//! connection itself has to ask for it, and finds everything done that was to be done before.
//!
//! What fails is reported under the name of the statement that failed, whoever sent it.

use std::sync::Arc;

use futures::{Stream, TryStreamExt};
use model::failure::Failure;
use serde::Serialize;
use sqlx::any::{AnyArguments, AnyQueryResult, AnyRow};
use sqlx::{AnyConnection, Arguments, AssertSqlSafe, Either, Executor, FromRow};

use super::Lead;
use crate::commands::{int, json};
use crate::dialect::{Dialect, Sql, sql};
use crate::failure::{failed, internal, is_fatal};

/// Stops what SQLite takes at once where a statement did not change as many rows as it has to: what is given to `json`
/// then is none.
const CHECK: &str = "SELECT json(CASE changes() WHEN $1 THEN '1' ELSE '' END)";

/// A value for a statement; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(Arc<str>),
    Number(i64),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&Self> for Value {
    fn from(value: &Self) -> Self {
        value.clone()
    }
}

impl Value {
    /// Whether it is the very same text, not one that reads the same.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Arc::ptr_eq(one, other),
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::Text(_), Self::Number(_)) | (Self::Number(_), Self::Text(_)) => false,
        }
    }
}

/// A statement with its values.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// What it is for, after "could not".
    action: &'static str,
    template: &'static str,
    values: Vec<Value>,
    changes: Option<u64>,
}

impl Statement {
    pub(crate) fn new(action: &'static str, template: &'static str) -> Self {
        Self { action, template, values: Vec::new(), changes: None }
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// It changes this many rows, which were read before in the same transaction, or fails, and what comes after it too.
    pub(crate) fn changing(self, rows: usize) -> Self {
        Self { changes: Some(rows as u64), ..self }
    }

    fn check(&self, changed: u64) -> Result<(), Failure> {
        match self.changes {
            Some(expected) if expected != changed => Err(self.not_as_read()),
            Some(_) | None => Ok(()),
        }
    }

    fn not_as_read(&self) -> Failure {
        let message = "rows that it is about are not as they were when they were read; nothing was written";
        internal("run_changed", format!("could not {}: {message}", self.action))
    }
}

/// The writing connection inside a transaction.
#[derive(Debug)]
pub(crate) struct Scribe<'a> {
    connection: &'a mut AnyConnection,
    pub(crate) lead: &'a Lead,
    waiting: Vec<Statement>,
    progress: Progress,
    id: Option<TransactionId>,
}

/// How a server calls a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TransactionId(pub(super) String);

/// How far the transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The database has not been told of it.
    Unsent,
    /// The first statement, which begins it, was carried out.
    Begun,
    /// That one was refused.
    Refused,
}

impl<'a> Scribe<'a> {
    pub(crate) fn new(connection: &'a mut AnyConnection, lead: &'a Lead) -> Self {
        Self { connection, lead, waiting: Vec::new(), progress: Progress::Unsent, id: None }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::of(self.connection)
    }

    /// A statement as this database reads it.
    pub(crate) fn sql(&self, template: &'static str) -> Sql {
        sql(self.connection, template)
    }

    /// Rows as the one JSON text that a set-based statement takes apart again.
    pub(crate) fn json<T: Serialize + ?Sized>(&self, rows: &T) -> Result<String, Failure> {
        Ok(self.dialect().json(json(rows)?))
    }

    /// The connection, with nothing left to be done before.
    pub(crate) async fn connection(&mut self) -> Result<&mut AnyConnection, Failure> {
        self.flush().await?;
        Ok(self.connection)
    }

    /// Has a statement carried out before the next one that is asked something.
    pub(crate) fn later(&mut self, statement: Statement) {
        self.waiting.push(statement);
    }

    /// Has a statement carried out that only steers the transaction; see [`Scribe::later`].
    pub(super) fn steer(&mut self, statement: &'static str) {
        self.later(Statement::new("write the ledger", statement));
    }

    /// Begins the transaction.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        match self.dialect() {
            // The write lock is taken first, so that nothing read here can change before the commit.
            Dialect::Sqlite => self.steer("BEGIN IMMEDIATE"),
            // Each statement sees what others have committed, and locks and guards keep it so.
            Dialect::Postgres => {
                let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_current_xact_id()::text";
                let answer = sqlx::raw_sql(begin).fetch_all(&mut *self.connection).await;
                let rows = answer.map_err(failed("write the ledger"))?;
                let id = decode("write the ledger", &rows)?.pop().map(|(id,): (String,)| TransactionId(id));
                (self.progress, self.id) = (Progress::Begun, id);
            }
        }
        Ok(())
    }

    /// None on SQLite.
    pub(super) fn id(&self) -> Option<&TransactionId> {
        self.id.as_ref()
    }

    /// Runs a statement that only steers the transaction.
    pub(crate) async fn run(&mut self, statement: &'static str) -> Result<(), Failure> {
        self.steer(statement);
        self.flush().await
    }

    /// Carries out what waits.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        self.send(0).await.map(drop)
    }

    /// The rows that a statement answers with.
    pub(crate) async fn rows<T>(&mut self, statement: Statement) -> Result<Vec<T>, Failure>
    where
        T: for<'r> FromRow<'r, AnyRow>,
    {
        let action = statement.action;
        self.later(statement);
        let rows = self.send(1).await?.pop().unwrap_or_default();
        decode(action, &rows)
    }

    /// As [`Scribe::rows`], for two statements of which the second does not depend on the first.
    pub(crate) async fn rows_of_two<T, U>(
        &mut self,
        first: Statement,
        second: Statement,
    ) -> Result<(Vec<T>, Vec<U>), Failure>
    where
        T: for<'r> FromRow<'r, AnyRow>,
        U: for<'r> FromRow<'r, AnyRow>,
    {
        let actions = [first.action, second.action];
        self.later(first);
        self.later(second);
        let mut answers = self.send(2).await?;
        let (second, first) = (answers.pop().unwrap_or_default(), answers.pop().unwrap_or_default());
        Ok((decode(actions[0], &first)?, decode(actions[1], &second)?))
    }

    /// Whether what waits can wait for the end of the transaction: SQLite ends none if something before the end failed.
    pub(super) fn may_end_with_what_waits(&self) -> bool {
        self.dialect() == Dialect::Sqlite
    }

    /// Whether the whole group came to nothing with this failure of one of its commands.
    pub(super) fn is_end_of_group(&self, failure: &Failure) -> bool {
        self.progress == Progress::Refused || is_fatal(failure)
    }

    /// Forgets what waits.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// Forgets what waits since a statement that waits too; false if that one was sent already.
    pub(super) fn forget_since(&mut self, statement: &'static str) -> bool {
        let place = self.waiting.iter().rposition(|waiting| waiting.template == statement);
        self.waiting.truncate(place.unwrap_or(0));
        place.is_some()
    }

    /// Carries out what waits, and returns the rows of the last so many statements.
    async fn send(&mut self, answers: usize) -> Result<Vec<Vec<AnyRow>>, Failure> {
        let statements = std::mem::take(&mut self.waiting);
        let mut rows = vec![Vec::new(); statements.len()];
        let done = self.carry_out_all(&statements, &mut rows).await;
        if done.is_err() && self.progress == Progress::Unsent {
            self.progress = Progress::Refused;
        }
        done.map(|()| rows.split_off(statements.len() - answers))
    }

    async fn carry_out_all(&mut self, statements: &[Statement], rows: &mut [Vec<AnyRow>]) -> Result<(), Failure> {
        match self.dialect() {
            _ if statements.is_empty() => {}
            Dialect::Sqlite => {
                let (text, arguments) = together(statements)?;
                self.carry_out(statements, text, arguments, rows).await?;
            }
            Dialect::Postgres => {
                for (statement, rows) in statements.iter().zip(rows) {
                    let (one, rows) = (std::slice::from_ref(statement), std::slice::from_mut(rows));
                    let sql = Dialect::Postgres.render(statement.template).into_owned();
                    self.carry_out(one, sql, arguments(&statement.values)?, rows).await?;
                }
            }
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        statements: &[Statement],
        sql: String,
        arguments: AnyArguments,
        rows: &mut [Vec<AnyRow>],
    ) -> Result<(), Failure> {
        let has_checks = self.dialect() == Dialect::Sqlite;
        let mut answers = self.connection.fetch_many(sqlx::query_with(AssertSqlSafe(sql), arguments));
        for (statement, rows) in statements.iter().zip(rows) {
            let changed = rest(&mut answers, rows).await.map_err(failed(statement.action))?;
            self.progress = Progress::Begun;
            if !has_checks {
                statement.check(changed)?;
            } else if statement.changes.is_some() {
                rest(&mut answers, &mut Vec::new()).await.map_err(|_| statement.not_as_read())?;
            }
        }
        // The connection is ready for the next only when it has said that this was all.
        answers.try_next().await.map(drop).map_err(failed("write the ledger"))
    }
}

/// What the present statement has left to say: its rows, and how many it changed.
async fn rest<S>(answers: &mut S, rows: &mut Vec<AnyRow>) -> Result<u64, sqlx::Error>
where
    S: Stream<Item = Result<Either<AnyQueryResult, AnyRow>, sqlx::Error>> + Unpin + Send,
{
    loop {
        match answers.try_next().await? {
            Some(Either::Right(row)) => rows.push(row),
            Some(Either::Left(done)) => return Ok(done.rows_affected()),
            None => return Ok(0),
        }
    }
}

fn decode<T>(action: &'static str, rows: &[AnyRow]) -> Result<Vec<T>, Failure>
where
    T: for<'r> FromRow<'r, AnyRow>,
{
    rows.iter().map(T::from_row).collect::<Result<_, _>>().map_err(failed(action))
}

fn arguments(values: &[Value]) -> Result<AnyArguments, Failure> {
    let mut arguments = AnyArguments::default();
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(&**text),
            Value::Number(number) => arguments.add(*number),
        };
        added.map_err(|error| internal("not_bound", format!("a value cannot be given to the database: {error}")))?;
    }
    Ok(arguments)
}

/// Statements as one, with their parameters numbered through, and with their checks. Values that are the same are given
/// once.
fn together(statements: &[Statement]) -> Result<(String, AnyArguments), Failure> {
    let mut values: Vec<Value> = Vec::new();
    let mut place = |value: &Value| match values.iter().position(|given| given.is(value)) {
        Some(place) => place + 1,
        None => {
            values.push(value.clone());
            values.len()
        }
    };
    let mut text = String::new();
    for statement in statements {
        let places: Vec<usize> = statement.values.iter().map(&mut place).collect();
        renumber(&Dialect::Sqlite.render(statement.template), &places, &mut text);
        text.push_str(";\n");
        if let Some(changes) = statement.changes {
            renumber(CHECK, &[place(&Value::Number(int(changes)))], &mut text);
            text.push_str(";\n");
        }
    }
    Ok((text, arguments(&values)?))
}

/// Writes a statement out with other numbers in its parameters: `$1` gets the first of them.
fn renumber(sql: &str, places: &[usize], to: &mut String) {
    let mut parts = sql.split('$');
    to.extend(parts.next());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let place = part[..digits].parse().ok().and_then(|number: usize| places.get(number.checked_sub(1)?));
        to.push('$');
        match place {
            Some(place) => to.extend([&place.to_string(), &part[digits..]]),
            // A path into JSON begins with the same sign.
            None => to.push_str(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_numbered_through_and_share_their_values() {
        let rows = Value::from("[]".to_owned());
        let first = Statement::new("do one thing", "INSERT INTO t SELECT value ->> 'a' FROM {rows $1} AS new, x($2)");
        let first = first.bind(&rows).bind(7);
        let second = Statement::new("do another", "DELETE FROM t WHERE a = $2 OR b IN (SELECT value FROM {texts $1})");
        let second = second.bind(&rows).bind("[]".to_owned()).changing(7);
        let third = Statement::new("do a third", "SELECT 1 FROM new, {rows new.inputs} AS input");
        let (text, arguments) = together(&[first, second, third]).unwrap();
        assert_eq!(
            text,
            "INSERT INTO t SELECT value ->> 'a' FROM jsonb_each($1) AS new, x($2);\n\
             DELETE FROM t WHERE a = $3 OR b IN (SELECT value FROM json_each($1));\n\
             SELECT json(CASE changes() WHEN $2 THEN '1' ELSE '' END);\n\
             SELECT 1 FROM new, jsonb_each(new.value, '$.inputs') AS input;\n"
        );
        assert_eq!(arguments.len(), 3);
    }
}
