//! Writing what no dataset holds: rows without end, too much at once, and buffers that break each rule of their layout.

use spine_sdk::prelude::*;

dataset! {
    /// What is written.
    pub struct Rows = "misbehave.rows" {
        key: Utf8,
        number: Int64,
        day: Date,
        flag: Option<Bool>,
        price: Decimal<5, 2>,
    }
    key [key]
    partition_by [day]
}

params! {
    pub struct Manner {
        /// How to write.
        how: String => one_of(["well", "endless", "held", "heavy", "rejects", "buffers"]),
        /// Which of the broken buffers, from 0.
        which: i64 => default(0),
    }
}

/// Misbehaves with rows.
#[derive(Debug)]
pub struct Write;

impl Pipeline for Write {
    const NAME: &'static str = "misbehave.write";
    type Params = Manner;

    fn spec() -> PipelineSpec {
        PipelineSpec::new("Writes in the way that it is asked for.").output::<Rows>()
    }

    fn run(&self, Manner { how, which }: Manner, host: &Host) -> Result<Summary, Error> {
        let mut rows = host.output::<Rows>()?;
        let written = match how.as_str() {
            "endless" => loop {
                rows.write(some(10_000))?;
            },
            "held" => {
                rows.write(some(10_000))?;
                hold(host)?
            }
            "heavy" => heavy()?,
            "rejects" => reject(host)?,
            "buffers" => broken(usize::try_from(which).unwrap_or(usize::MAX))?,
            _ => rows.write(some(3))?,
        };
        Ok(Summary::new().with("rows", written))
    }
}

fn some(count: usize) -> Rows {
    let numbers = 0..i64::try_from(count).unwrap_or(i64::MAX);
    let keys: Vec<String> = numbers.clone().map(|number| number.to_string()).collect();
    Rows {
        key: keys.iter().map(String::as_str).collect(),
        number: numbers.collect(),
        day: Column::repeat(20_000, count),
        flag: Column::repeat(Some(true), count),
        price: Column::repeat(100, count),
    }
}

/// Keeps every batch that it gets.
fn hold(host: &Host) -> Result<u64, Error> {
    let mut kept = Vec::new();
    loop {
        let mut reader = host.staged::<Rows>()?;
        while let Some(batch) = reader.next()? {
            batch.keep()?;
            kept.push(batch);
        }
    }
}

/// Rejects lines of no file, for ever.
fn reject(host: &Host) -> Result<u64, Error> {
    loop {
        let rows = (0..1_000).map(|line| Reject::line(line, "odd", "x".repeat(100))).collect();
        host.reject_all(rows)?;
    }
}

#[cfg(not(target_family = "wasm"))]
fn heavy() -> Result<u64, Error> {
    Err(Error::internal("native", "only a component misbehaves so"))
}

#[cfg(not(target_family = "wasm"))]
fn broken(_: usize) -> Result<u64, Error> {
    heavy()
}

#[cfg(target_family = "wasm")]
use self::raw::{broken, heavy};

/// Past the SDK, which writes what fits together.
#[cfg(target_family = "wasm")]
mod raw {
    use spine_sdk::guest::bindings::spine::plugin::{host, tables};

    use super::*;

    type Parts = Vec<Vec<u8>>;

    /// More bytes than may cross at once.
    pub(super) fn heavy() -> Result<u64, Error> {
        let writer = host::output(Rows::NAME)?;
        let data = tables::Buffers { rows: 1, parts: vec![Vec::new(), vec![0; 2 << 20]] };
        Ok(writer.write(&[("number".to_owned(), data)])?)
    }

    /// One row whose buffers break rule number `which`. Past the last there is an answer, which says so.
    pub(super) fn broken(which: usize) -> Result<u64, Error> {
        let Some(broken) = rules().into_iter().nth(which) else { return Ok(0) };
        let writer = host::output(Rows::NAME)?;
        Ok(writer.write(&broken)?)
    }

    fn rules() -> Vec<Vec<(String, tables::Buffers)>> {
        let utf8 = |offsets: &[i32], text: &[u8]| vec![Vec::new(), le(offsets), text.to_vec()];
        let column = |name: &str, parts: Parts| with(name, 1, parts);
        let mut all = vec![
            // Text: not UTF-8, offsets that do not begin with 0, go down, are beyond the text, are too few.
            column("key", utf8(&[0, 1], &[0xff])),
            column("key", utf8(&[1, 1], b"a")),
            column("key", utf8(&[0, -1], b"a")),
            column("key", utf8(&[0, i32::MAX], b"a")),
            column("key", utf8(&[0], b"")),
            column("key", vec![Vec::new(), vec![0; 7], Vec::new()]),
            // Numbers: too short, too long, nulls where none may be, parts that are missing or too many.
            column("number", vec![Vec::new(), vec![0; 7]]),
            column("number", vec![Vec::new(), vec![0; 9]]),
            column("number", vec![vec![0], vec![0; 8]]),
            column("number", vec![Vec::new()]),
            column("number", Vec::new()),
            column("number", vec![Vec::new(); 9]),
            // Bitmaps: too long, bits behind the last row.
            column("flag", vec![vec![1, 0], vec![0]]),
            column("flag", vec![vec![1], vec![0b10]]),
            // Values that their type does not have.
            column("day", vec![Vec::new(), le(&[i32::MAX])]),
            column("price", vec![Vec::new(), i128::MAX.to_le_bytes().to_vec()]),
            column("price", vec![Vec::new(), 100_000_i128.to_le_bytes().to_vec()]),
            // Counts that do not fit together.
            with("number", 2, vec![Vec::new(), vec![0; 16]]),
            with("number", u32::MAX, vec![Vec::new(), vec![0; 8]]),
        ];
        // Columns that are missing, twice, or nobody's.
        all.push(good().into_iter().skip(1).collect());
        all.push(good().into_iter().chain(good().into_iter().take(1)).collect());
        all.push(
            good().into_iter().chain([("nobodys".to_owned(), buffers(1, vec![Vec::new(), vec![0; 8]]))]).collect(),
        );
        all.push(Vec::new());
        all
    }

    /// A good row, but for one column.
    fn with(name: &str, rows: u32, parts: Parts) -> Vec<(String, tables::Buffers)> {
        let mut columns = good();
        columns
            .iter_mut()
            .filter(|(column, _)| column == name)
            .for_each(|(_, data)| *data = buffers(rows, parts.clone()));
        columns
    }

    fn good() -> Vec<(String, tables::Buffers)> {
        let column = |name: &str, parts: Parts| (name.to_owned(), buffers(1, parts));
        vec![
            column("key", vec![Vec::new(), le(&[0, 1]), b"a".to_vec()]),
            column("number", vec![Vec::new(), vec![0; 8]]),
            column("day", vec![Vec::new(), le(&[20_000])]),
            column("flag", vec![Vec::new(), vec![1]]),
            column("price", vec![Vec::new(), vec![0; 16]]),
        ]
    }

    fn buffers(rows: u32, parts: Parts) -> tables::Buffers {
        tables::Buffers { rows, parts }
    }

    fn le(values: &[i32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}
