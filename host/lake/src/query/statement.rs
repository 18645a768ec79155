//! What a query may say: one SELECT (or EXPLAIN or DESCRIBE), over tables that exist.

use datafusion::common::TableReference;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use model::{Failure, FailureKind};

use super::QueryLimits;
use super::catalog::{CATALOG, ViewCatalog};
use super::names::Apart;
use super::{dates, errors, literals};

/// Most bytes of SQL. Whoever needs a longer list of values joins a table.
///
/// The parser and the planner recurse over what they read, on a stack that is sized for this.
pub(super) const SQL_BYTES_MAX: usize = 64 * 1024;

/// Most operators, joins and unions. The time of planning grows with the square of their number, and a plan in the
/// making cannot be stopped; this many take some seconds.
pub(super) const OPERATORS_MAX: usize = 1_000;

/// Most of them that compute: `+`, `-`, `*`, `/`, `%`, `||`. A sum of columns makes the deepest expressions, and the
/// engine looks at all below each term several times; this many take some seconds.
pub(super) const ARITHMETIC_MAX: usize = 400;

/// How many tables an error lists.
const TABLES_SHOWN: usize = 12;

/// A plan, and what its columns are called in the answer; names may repeat.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) plan: LogicalPlan,
    pub(super) names: Vec<String>,
}

/// Turns SQL into a plan that only reads.
///
/// # Errors
///
/// `bad_sql`, with the place and the nearest name where they are known.
pub(super) async fn plan(
    state: &SessionState,
    catalog: &ViewCatalog,
    sql: &str,
    limits: &QueryLimits,
) -> Result<Planned, Failure> {
    let statement = parse(sql, limits)?;
    only_reads(&statement)?;
    let tables = state.resolve_table_references(&statement).map_err(|error| errors::failure(&error, limits))?;
    for table in tables {
        let function =
            matches!(&table, TableReference::Bare { table } if state.table_functions().contains_key(&**table));
        if !function {
            exists(catalog, &table, sql)?;
        }
    }
    let planned = planned(state, statement, limits).await?;
    // What looks like a query in the syntax may still be another thing in the plan: `SELECT ... INTO`.
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&planned.plan)
        .map_err(|error| bad_sql(format!("the SQL is refused, queries only read: {}", error.message())))?;
    dates::check(&planned.plan)?;
    Ok(planned)
}

async fn planned(state: &SessionState, statement: Statement, limits: &QueryLimits) -> Result<Planned, Failure> {
    let error = match state.statement_to_plan(statement.clone()).await {
        Ok(plan) => {
            let names = Apart::default().names(&plan);
            return Ok(Planned { plan, names });
        }
        Err(error) => error,
    };
    if let Some((statement, apart)) = Apart::of(&statement)
        && let Ok(plan) = state.statement_to_plan(statement).await
    {
        let names = apart.names(&plan);
        return Ok(Planned { plan, names });
    }
    Err(errors::failure(&error, limits))
}

pub(super) fn bad_sql(message: impl Into<String>) -> Failure {
    // The engine repeats what it does not understand, whatever its length.
    let message: String = message.into();
    Failure::new(FailureKind::Validation, "bad_sql", model::brief_message(&message))
}

fn parse(sql: &str, limits: &QueryLimits) -> Result<Statement, Failure> {
    if sql.len() > SQL_BYTES_MAX {
        let message = format!("the SQL has {} bytes; the most is {SQL_BYTES_MAX}", sql.len());
        return Err(bad_sql(message).detail("limit", "sql_bytes"));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let tokens = tokens.map_err(|error| bad_sql(format!("the SQL cannot be read: {error}")))?;
    let operators = tokens.iter().filter(|token| operates(&token.token)).count();
    if operators > OPERATORS_MAX {
        let message = format!("the SQL has {operators} operators, joins and unions; the most is {OPERATORS_MAX}");
        return Err(bad_sql(message).detail("limit", "sql_operators"));
    }
    let arithmetic = tokens.iter().filter(|token| computes(&token.token)).count();
    if arithmetic > ARITHMETIC_MAX {
        let message = format!(
            "the SQL has {arithmetic} of the operators + - * / % ||; the most is {ARITHMETIC_MAX}; DuckDB takes more"
        );
        return Err(bad_sql(message).detail("limit", "sql_arithmetic"));
    }
    let parsed = DFParserBuilder::new(literals::read(tokens)?).build().and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| errors::failure(&error, limits))?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(bad_sql("the SQL is empty: write one SELECT")),
        (Some(_), more) => Err(bad_sql(format!("the SQL has {} statements: write one SELECT", more + 1))),
    }
}

fn computes(token: &Token) -> bool {
    matches!(token, Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat)
}

/// Whether a token makes the plan deeper. Items of a list do not.
fn operates(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            use Keyword::{AND, EXCEPT, INTERSECT, JOIN, OR, UNION};
            [AND, OR, UNION, INTERSECT, EXCEPT, JOIN].contains(&word.keyword)
        }
        Token::EOF
        | Token::Whitespace(_)
        | Token::Comma
        | Token::LParen
        | Token::RParen
        | Token::Period
        | Token::Number(..)
        | Token::SingleQuotedString(_) => false,
        _ => true,
    }
}

fn only_reads(statement: &Statement) -> Result<(), Failure> {
    match statement {
        Statement::Explain(explained) => only_reads(&explained.statement),
        Statement::Statement(sql) if matches!(**sql, SqlStatement::Query(_) | SqlStatement::ExplainTable { .. }) => {
            Ok(())
        }
        Statement::Statement(_) | Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => {
            let text = statement.to_string();
            let word = text.split_whitespace().next().unwrap_or_default();
            Err(bad_sql(format!("`{word}` is refused, queries only read: write one SELECT, EXPLAIN or DESCRIBE")))
        }
    }
}

fn exists(catalog: &ViewCatalog, table: &TableReference, sql: &str) -> Result<(), Failure> {
    let in_catalog = table.catalog().is_none_or(|catalog| catalog == CATALOG);
    if in_catalog && table.schema().is_some_and(|domain| catalog.has(domain, table.table())) {
        return Ok(());
    }
    let names = catalog.names();
    let place = place(sql, table.table()).map(|place| format!(" ({place})")).unwrap_or_default();
    let mut message = format!("there is no table `{table}`{place}");
    match nearest(&table.to_string(), &names) {
        Some(name) => message.push_str(&format!("; the nearest is `{name}`")),
        None if names.is_empty() => message.push_str(": no dataset is known here at this snapshot"),
        None => {
            let more = if names.len() > TABLES_SHOWN { ", ..." } else { "" };
            message.push_str(&format!("; there are {}{more}", names[..names.len().min(TABLES_SHOWN)].join(", ")));
        }
    }
    Err(bad_sql(message))
}

/// The table whose name, or whose name without the domain, is most like `wanted`.
fn nearest<'a>(wanted: &str, names: &'a [String]) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let likeness = |name: &&str| {
        let dataset = name.split_once('.').map_or(*name, |(_, dataset)| dataset);
        strsim::jaro_winkler(&wanted, name).max(strsim::jaro_winkler(&wanted, dataset))
    };
    let names = names.iter().map(String::as_str);
    let scored = names.map(|name| (likeness(&name), name)).filter(|(score, _)| *score >= 0.8);
    // The first of equals: a table comes before its history.
    scored.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, name)| name)
}

/// Where `word` stands, if it is there exactly once.
fn place(sql: &str, word: &str) -> Option<String> {
    let (sql, word) = (sql.to_lowercase(), word.to_lowercase());
    let mut found = sql.match_indices(&word).map(|(at, _)| at);
    let (Some(at), None) = (found.next(), found.next()) else { return None };
    let before = sql.get(..at)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(format!("line {line}, column {column}"))
}
