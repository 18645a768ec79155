//! What SQLite and PostgreSQL write differently.
//!
//! Every statement is written once, in what both understand: `$1`, `->>` on JSON, `CAST(... AS BIGINT)`, `TRUE`,
//! `ON CONFLICT`, `RETURNING`, `UPDATE ... FROM`. Where they have no word in common the statement has a token:
//!
//! | token | what it stands for |
//! |---|---|
//! | `{rows $1}` | the items of a JSON array, as a table of `key` (from 0) and `value` (JSON) |
//! | `{rows new.inputs}` | those of the array in the field `inputs` of `new.value`; may follow `new` in a `FROM` |
//! | `{texts $1}`, `{texts new.inputs}` | the same with the items as texts |
//! | `{bytes X}` | bytes from their hex digits |
//! | `{uuid $1}` | a UUID of the catalog, from its text |
//! | `{instant $1}` | a time of the catalog, from its text form |
//! | `{instant_text c}` | that text form again |
//! | `{lock}` | at the end of a query: nobody else changes these rows until the transaction ends |
//! | `{lock_free}` | the same, without the rows that somebody else has locked |
//! | `{lock_gone}` | the same, without those that somebody is about to refer to either: they are to be deleted |
//!
//! `->>` gives numbers as they are on SQLite, and as texts on PostgreSQL: they are always cast. JSON `true` is 1 and
//! 'true': truth values of our own tables are the numbers 0 and 1, those of the catalog are cast to `BOOLEAN` when
//! written and to `INTEGER` when read.

use std::borrow::Cow;

use sqlx::{AnyConnection, AssertSqlSafe};

/// A statement as one database reads it.
pub(crate) type Sql = AssertSqlSafe<Cow<'static, str>>;

/// Which database a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    pub(crate) fn of(connection: &AnyConnection) -> Self {
        match connection.backend_name() {
            "PostgreSQL" => Self::Postgres,
            _ => Self::Sqlite,
        }
    }

    /// Writes a statement out.
    pub(crate) fn render(self, template: &'static str) -> Cow<'static, str> {
        if !template.contains('{') {
            return Cow::Borrowed(template);
        }
        let mut sql = String::with_capacity(2 * template.len());
        let mut rest = template;
        while let Some((before, token, after)) = next_token(rest) {
            sql.push_str(before);
            let (word, argument) = token.split_once(' ').unwrap_or((token, ""));
            sql.push_str(&self.token(word, argument));
            rest = after;
        }
        sql.push_str(rest);
        Cow::Owned(sql)
    }

    fn token(self, word: &str, argument: &str) -> String {
        match (self, word) {
            // Rows stay as SQLite has them in its memory: as texts, each would be parsed again.
            (Self::Sqlite, "rows" | "texts") => {
                let function = if word == "rows" { "jsonb_each" } else { "json_each" };
                match argument.split_once('.') {
                    Some((outer, field)) => format!("{function}({outer}.value, '$.{field}')"),
                    None => format!("{function}({argument})"),
                }
            }
            (Self::Postgres, "rows") => items("json_array_elements", argument),
            (Self::Postgres, "texts") => items("json_array_elements_text", argument),
            (Self::Sqlite, "bytes") => format!("unhex({argument})"),
            (Self::Postgres, "bytes") => format!("decode({argument}, 'hex')"),
            // The write lock is taken already.
            (Self::Sqlite, "lock" | "lock_free" | "lock_gone") => String::new(),
            (Self::Postgres, "lock") => "FOR NO KEY UPDATE".to_owned(),
            (Self::Postgres, "lock_free") => "FOR NO KEY UPDATE SKIP LOCKED".to_owned(),
            (Self::Postgres, "lock_gone") => "FOR UPDATE OF runs SKIP LOCKED".to_owned(),
            (Self::Sqlite, "uuid" | "instant" | "instant_text") => argument.to_owned(),
            (Self::Postgres, "uuid") => format!("CAST({argument} AS UUID)"),
            (Self::Postgres, "instant") => format!("CAST({argument} AS TIMESTAMPTZ)"),
            (Self::Postgres, "instant_text") => {
                format!(r#"to_char({argument} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00:00"')"#)
            }
            // No token: the database says what is wrong with it.
            (Self::Sqlite | Self::Postgres, _) => format!("{{{word} {argument}}}"),
        }
    }

    /// A text as the database can hold it. PostgreSQL has no zero character; there `␀` is written for it.
    pub(crate) fn text(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Postgres if text.contains('\0') => Cow::Owned(text.replace('\0', "\u{2400}")),
            Self::Sqlite | Self::Postgres => Cow::Borrowed(text),
        }
    }

    /// JSON whose texts the database can hold once they are taken out; see [`Dialect::text`].
    pub(crate) fn json(self, json: String) -> String {
        const ZERO: &str = "\\u0000";
        if self == Self::Sqlite || !json.contains(ZERO) {
            return json;
        }
        let mut kept = String::with_capacity(json.len());
        let mut rest = json.as_str();
        while let Some(place) = rest.find('\\') {
            kept.push_str(&rest[..place]);
            rest = &rest[place..];
            // An escape is two characters at least: the second may be a backslash, and begins none.
            let length = if rest.starts_with(ZERO) { ZERO.len() } else { 2.min(rest.len()) };
            kept.push_str(if length == ZERO.len() { "\u{2400}" } else { &rest[..length] });
            rest = &rest[length..];
        }
        kept.push_str(rest);
        kept
    }
}

/// Writes a statement out for the database at the other end of a connection.
pub(crate) fn sql(connection: &AnyConnection, template: &'static str) -> Sql {
    AssertSqlSafe(Dialect::of(connection).render(template))
}

fn next_token(template: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = template.split_once('{')?;
    let (token, after) = rest.split_once('}')?;
    Some((before, token, after))
}

/// PostgreSQL counts items from 1.
fn items(function: &str, argument: &str) -> String {
    let array = match argument.split_once('.') {
        Some((outer, field)) => format!("{outer}.value -> '{field}'"),
        None => format!("CAST({argument} AS JSON)"),
    };
    format!(
        "LATERAL (SELECT item AS value, place - 1 AS key FROM {function}({array}) WITH ORDINALITY AS list (item, place))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_without_tokens_is_the_same_for_both() {
        let template = "SELECT run_id FROM runs WHERE status = $1";
        assert_eq!(Dialect::Sqlite.render(template), template);
        assert_eq!(Dialect::Postgres.render(template), template);
    }

    #[test]
    fn tokens_are_written_out_for_each() {
        let template = "SELECT {bytes new.value ->> 'x'} FROM {rows $1} AS new, {texts new.days} AS day";
        assert_eq!(
            Dialect::Sqlite.render(template),
            "SELECT unhex(new.value ->> 'x') FROM jsonb_each($1) AS new, json_each(new.value, '$.days') AS day"
        );
        assert_eq!(
            Dialect::Postgres.render(template),
            "SELECT decode(new.value ->> 'x', 'hex') \
             FROM LATERAL (SELECT item AS value, place - 1 AS key \
             FROM json_array_elements(CAST($1 AS JSON)) WITH ORDINALITY AS list (item, place)) AS new, \
             LATERAL (SELECT item AS value, place - 1 AS key \
             FROM json_array_elements_text(new.value -> 'days') WITH ORDINALITY AS list (item, place)) AS day"
        );
    }

    #[test]
    fn zero_characters_are_kept_where_they_can_be() {
        for (text, kept) in [("a\0b", "a␀b"), ("\\\0", "\\␀"), ("\\u0000", "\\u0000"), ("é\n\"\0", "é\n\"␀")] {
            let json = serde_json::json!([text]).to_string();
            assert_eq!(Dialect::Sqlite.json(json.clone()), json);
            assert_eq!(Dialect::Postgres.json(json), serde_json::json!([kept]).to_string(), "{text:?}");
            assert_eq!(Dialect::Sqlite.text(text), text);
            assert_eq!(Dialect::Postgres.text(text), kept);
        }
    }
}
