//! A question in SQL and in Rust.

use super::model::{COLUMNS, Expected, Row};
use super::plan::{Comparison, Question};
use super::values::{Dialect, Value};

/// A question with its values.
#[derive(Clone, Debug)]
pub(super) struct Predicate {
    one: Test,
    more: Option<(bool, Test)>,
}

#[derive(Clone, Debug)]
struct Test {
    column: usize,
    operator: &'static str,
    operands: Vec<Value>,
    plain: bool,
}

impl Predicate {
    /// None if no row ever had a value to compare with.
    pub(super) fn new(question: &Question, expected: &Expected) -> Option<Self> {
        let more = match &question.more {
            None => None,
            Some((and, more)) => Some((*and, Test::new(more, expected)?)),
        };
        Some(Self { one: Test::new(&question.one, expected)?, more })
    }

    pub(super) fn sql(&self, dialect: Dialect) -> String {
        let one = self.one.sql(dialect);
        match &self.more {
            None => one,
            Some((true, more)) => format!("{one} AND {}", more.sql(dialect)),
            Some((false, more)) => format!("({one} OR {})", more.sql(dialect)),
        }
    }

    /// Whether it is true: unknown, which is null, lets no row through.
    pub(super) fn fits(&self, row: &Row) -> bool {
        let one = self.one.fits(row);
        match &self.more {
            None => one,
            Some((true, more)) => one && more.fits(row),
            Some((false, more)) => one || more.fits(row),
        }
    }
}

impl Test {
    fn new(comparison: &Comparison, expected: &Expected) -> Option<Self> {
        let Comparison { mut column, operator, operands, plain } = comparison.clone();
        if operator == "ISNAN" {
            column = COLUMNS.iter().position(|(name, ..)| *name == "ratio")?;
        }
        let known = expected.values(column);
        let operands = match (operator, known.is_empty()) {
            ("IS NULL" | "IS NOT NULL" | "ISNAN", _) => Vec::new(),
            (_, true) => return None,
            _ => operands.iter().map(|(index, step)| index.get(&known).beside(*step)).collect(),
        };
        Some(Self { column, operator, operands, plain })
    }

    fn sql(&self, dialect: Dialect) -> String {
        let name = COLUMNS[self.column].0;
        let literal = |value: &Value| if self.plain { value.plain_sql(dialect) } else { value.sql(dialect) };
        let operands: Vec<String> = self.operands.iter().map(literal).collect();
        match self.operator {
            "IS NULL" | "IS NOT NULL" => format!("{name} {}", self.operator),
            "ISNAN" => format!("isnan({name})"),
            "BETWEEN" => format!("{name} BETWEEN {} AND {}", operands[0], operands[1]),
            "IN" => format!("{name} IN ({})", operands.join(", ")),
            operator => format!("{name} {operator} {}", operands[0]),
        }
    }

    fn fits(&self, row: &Row) -> bool {
        let Some(value) = &row.0[self.column] else { return self.operator == "IS NULL" };
        let order = |operand: usize| value.order(&self.operands[operand]);
        match self.operator {
            "=" => order(0).is_eq(),
            "<>" => order(0).is_ne(),
            "<" => order(0).is_lt(),
            "<=" => order(0).is_le(),
            ">" => order(0).is_gt(),
            ">=" => order(0).is_ge(),
            "ISNAN" => value.is_nan(),
            "BETWEEN" => order(0).is_ge() && order(1).is_le(),
            "IN" => (0..self.operands.len()).any(|operand| order(operand).is_eq()),
            operator => operator == "IS NOT NULL",
        }
    }
}
