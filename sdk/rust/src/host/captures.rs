//! Decodes the table `captures:domain.dataset`.

use spine_primitives::{DataType, date};

use super::Capture;
use crate::column::{Date, Int64, Utf8};
use crate::error::Error;
use crate::manifest::DatasetSpec;
use crate::table::{Batch, Reader};

pub(super) fn read(mut reader: Reader, spec: &DatasetSpec) -> Result<Vec<Capture>, Error> {
    let fields = reader.fields();
    let is_date = |name: &str| fields.iter().any(|it| it.name == name && it.dtype.parse() == Ok(DataType::Date));
    let mut all = Vec::new();
    while let Some(batch) = reader.next()? {
        let rows = batch.column::<Int64>("rows")?;
        let revisions = batch.column::<Int64>("revision")?;
        let first = all.len();
        all.extend(rows.iter().zip(&revisions).map(|(rows, revision)| Capture {
            partition: Vec::with_capacity(spec.partition_by.len()),
            rows,
            revision,
        }));
        for &name in &spec.partition_by {
            let values = texts(&batch, name, is_date(name))?;
            for (capture, value) in all[first..].iter_mut().zip(values) {
                capture.partition.push((name.to_owned(), value));
            }
        }
    }
    Ok(all)
}

fn texts(batch: &Batch, name: &str, is_date: bool) -> Result<Vec<String>, Error> {
    Ok(if is_date {
        batch.column::<Date>(name)?.iter().map(|days| date::from_days(days).to_string()).collect()
    } else {
        batch.column::<Utf8>(name)?.iter().map(str::to_owned).collect()
    })
}
