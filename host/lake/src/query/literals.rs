//! How numbers that the SQL spells out are read.
//!
//! The engine reads digits; what they mean is decided here, on the tokens, before it sees them: a number with an exponent
//! is a float, and those without are decimals and integers. [`read`] refuses what would be read as something else than
//! it says: `1_000`, which the engine takes for a 1 named `_000`, and a float that is too large to be one.
//!
//! In the tokens a float becomes a call of a function that has the text as its argument and as its heading, so that
//! `SELECT 1e3` has a column `1e3`. [`super::numbers`] makes the number of it.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use model::Failure;

use super::statement::bad_sql;

/// The function's name. Nobody meets it by chance: it has to be quoted.
const NAME: &str = "float literal";

/// The tokens as the engine shall read them.
///
/// # Errors
///
/// `bad_sql`, with the place, for a number that would not be read as it is written.
pub(super) fn read(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Failure> {
    for pair in tokens.windows(2) {
        if let (Token::Number(digits, _), Token::Word(word)) = (&pair[0].token, &pair[1].token)
            && word.quote_style.is_none()
        {
            let rest = &word.value;
            let advice = match rest.strip_prefix('_') {
                Some(_) => "digits are written without `_` between them",
                None => "put a space between a number and a name",
            };
            return Err(bad_sql(format!("`{digits}{rest}`{} is no number: {advice}", place(&pair[0]))));
        }
    }
    let mut read = Vec::with_capacity(tokens.len());
    for token in tokens {
        match &token.token {
            Token::Number(digits, _) if digits.contains(['e', 'E']) => {
                let text = digits.clone();
                if !text.parse::<f64>().is_ok_and(f64::is_finite) {
                    let most = f64::MAX;
                    let message = format!("`{text}`{} is no float: the greatest is {most:e}", place(&token));
                    return Err(bad_sql(message));
                }
                let name = Token::make_word(NAME, Some('"'));
                let call = [name, Token::LParen, Token::SingleQuotedString(text), Token::RParen];
                read.extend(call.into_iter().map(|part| TokenWithSpan::new(part, token.span)));
            }
            _ => read.push(token),
        }
    }
    Ok(read)
}

fn place(token: &TokenWithSpan) -> String {
    let start = token.span.start;
    format!(" (line {}, column {})", start.line, start.column)
}

/// The function that stands for a float.
pub(super) fn function() -> Arc<ScalarUDF> {
    let signature = Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
    Arc::new(ScalarUDF::from(FloatLiteral { signature }))
}

/// The float that a call of the function stands for.
pub(super) fn float(function: &ScalarUDF, args: &[Expr]) -> Option<f64> {
    if function.name() != NAME {
        return None;
    }
    text(args)?.parse().ok()
}

fn text(args: &[Expr]) -> Option<&str> {
    match args {
        [Expr::Literal(ScalarValue::Utf8(Some(text)), _)] => Some(text),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FloatLiteral {
    signature: Signature,
}

impl ScalarUDFImpl for FloatLiteral {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(text(args).unwrap_or(NAME).to_owned())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("a float is not computed: write it as a number, 1e3")
    }
}
