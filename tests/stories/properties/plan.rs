//! What happens to a lake, and what is asked of it: everything that proptest chooses.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::model::{COLUMNS, PARTITIONS};
use super::values::{Cell, FIRST_DAY, FIRST_TIME, LAST_DAY, LAST_TIME, Value};

/// One life of a lake.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) questions: Vec<Question>,
    /// Which earlier state is asked, and whether by its own time or by the last instant before the next one.
    pub(super) earlier: (Index, bool),
}

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// How far the clock moves before it: not at all, forth or back.
    pub(super) clock: i64,
    /// A partition that is named twice is delivered once.
    pub(super) deliveries: Vec<Delivery>,
    pub(super) force: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) partition: usize,
    pub(super) content: Content,
    pub(super) backwards: bool,
}

/// What a partition holds from now on.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// New rows; the n-th has the key n, so that they correct what was there.
    Rows(Vec<Vec<Cell>>),
    Nothing,
    /// The rows that are there, without those whose bit is set.
    Retracted(u64),
    Again,
    /// What some earlier revision held.
    Earlier(Index),
}

/// One comparison, or two joined by AND (`true`) or OR.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) one: Comparison,
    pub(super) more: Option<(bool, Comparison)>,
}

/// A comparison of a column with values of the data, or with values just beside them.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    pub(super) column: usize,
    pub(super) operator: &'static str,
    pub(super) operands: [(Index, i8); 3],
    /// Whether numbers are written in digits, and not as casts of texts.
    pub(super) plain: bool,
}

pub(super) const OPERATORS: [&str; 11] =
    ["=", "<>", "<", "<=", ">", ">=", "IS NULL", "IS NOT NULL", "ISNAN", "BETWEEN", "IN"];

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    (prop::collection::vec(step(), 1..=9), prop::collection::vec(question(), 12), any::<(Index, bool)>())
        .prop_map(|(steps, questions, earlier)| Plan { steps, questions, earlier })
}

fn step() -> impl Strategy<Value = Step> {
    let clock = prop_oneof![3 => Just(0), 3 => 1..5_000_000_i64, 1 => Just(1), 3 => -10_000_000..0_i64];
    (clock, prop::collection::vec(delivery(), 1..=3), prop::bool::weighted(0.15))
        .prop_map(|(clock, deliveries, force)| Step { clock, deliveries, force })
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let rows = prop_oneof![
        6 => prop::collection::vec(row(), 1..=4),
        1 => prop::collection::vec(row(), 20..=40),
    ];
    let content = prop_oneof![
        5 => rows.prop_map(Content::Rows),
        1 => Just(Content::Nothing),
        2 => any::<u64>().prop_map(Content::Retracted),
        1 => Just(Content::Again),
        1 => any::<Index>().prop_map(Content::Earlier),
    ];
    (0..PARTITIONS.len(), content, any::<bool>()).prop_map(|(partition, content, backwards)| Delivery {
        partition,
        content,
        backwards,
    })
}

/// The columns behind partition, key and stamp, in the order of [`COLUMNS`].
fn row() -> impl Strategy<Value = Vec<Cell>> {
    let decimals = |precision: u8, scale: u8, values: Vec<i128>| {
        nullable(select(values).prop_map(move |value| Value::Decimal(value, precision, scale)))
    };
    let one = 1_000_000;
    let most = |digits| 10_i128.pow(digits) - 1;
    (
        text().prop_map(|text| Some(Value::Text(text))),
        nullable(text().prop_map(Value::Text)),
        nullable(select(WHOLES.to_vec()).prop_map(Value::Whole)),
        nullable(select(FLOATS.to_vec()).prop_map(Value::Float)),
        decimals(18, 6, vec![0, 1, -1, one, -one - 1, 500_000, most(18), -most(18)]),
        decimals(38, 10, vec![0, 1, -1, 10_000_000_000, most(37), most(38), -most(38), -most(38) + 1]),
        nullable(select(vec![FIRST_DAY, -25_567, -1, 0, 1, 18_655, 18_656, LAST_DAY]).prop_map(Value::Day)),
        nullable(
            select(vec![FIRST_TIME, -1, 0, 1, 1_611_792_000_000_000, 1_611_792_000_000_001, LAST_TIME])
                .prop_map(Value::Time),
        ),
        nullable(any::<bool>().prop_map(Value::Bool)),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i)| vec![a, b, c, d, e, f, g, h, i])
}

fn nullable(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Cell> {
    prop::option::weighted(0.75, value)
}

const WHOLES: [i64; 10] = [i64::MIN, i64::MIN + 1, -1, 0, 1, 41, 42, 43, i64::MAX - 1, i64::MAX];

const FLOATS: [f64; 18] = [
    f64::NAN,
    -f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    0.1,
    0.300_000_000_000_000_04,
    0.5,
    -1.25,
    1e-300,
    5e-324,
    f64::MIN_POSITIVE,
    f64::MAX,
    f64::MIN,
    1e18,
    9_007_199_254_740_992.0,
    1.0,
];

/// Short ones, and many that share all but their end: of 63 to 66 bytes, where bounds are cut, and of a thousand.
fn text() -> impl Strategy<Value = String> {
    let end = || select(vec!["", "a", "b", "é", "\u{10FFFF}"]);
    prop_oneof![
        3 => select(vec!["", "A", "a", "NaN", "NULL", "it's", " ", "\t", "ÄÖÜ", "日本", "\u{10FFFF}", "zzzz"])
            .prop_map(str::to_owned),
        1 => (62_usize..=65, end()).prop_map(|(length, end)| "y".repeat(length) + end),
        1 => end().prop_map(|end| "x".repeat(999) + end),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    (comparison(), prop::option::weighted(0.3, (any::<bool>(), comparison())))
        .prop_map(|(one, more)| Question { one, more })
}

fn comparison() -> impl Strategy<Value = Comparison> {
    let operand = || (any::<Index>(), -1..=1_i8);
    (0..COLUMNS.len(), select(OPERATORS.to_vec()), operand(), operand(), operand(), any::<bool>())
        .prop_map(|(column, operator, a, b, c, plain)| Comparison { column, operator, operands: [a, b, c], plain })
}
