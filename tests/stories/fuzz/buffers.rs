//! Buffers of guests: whatever is written is refused, or comes out as the layout says.

use std::collections::BTreeMap;

use model::ports::{Buffers, Lake as _};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use tests::{bench, component};

use super::fuzz;

/// Columns of `misbehave.rows` and the width of their values; none is text, 0 is bits.
const COLUMNS: [(&str, Option<usize>); 5] =
    [("key", None), ("number", Some(8)), ("day", Some(4)), ("flag", Some(0)), ("price", Some(16))];

/// What is done to one buffer.
#[derive(Clone, Debug)]
enum Spoil {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Add(Vec<u8>),
}

/// The buffers of one column of so many rows: of the right sizes, with small values.
fn column(width: Option<usize>, rows: usize) -> BoxedStrategy<Vec<Vec<u8>>> {
    let validity = prop_oneof![3 => Just(Vec::new()), 1 => vec(any::<u8>(), rows.div_ceil(8))];
    match width {
        None => (validity, vec("[a-cé]{0,3}", rows))
            .prop_map(|(validity, texts)| {
                let ends = texts.iter().scan(0, |end, text| {
                    *end += i32::try_from(text.len()).unwrap();
                    Some(*end)
                });
                let offsets = [0].into_iter().chain(ends).flat_map(i32::to_le_bytes).collect();
                vec![validity, offsets, texts.concat().into_bytes()]
            })
            .boxed(),
        Some(width) => {
            let bytes = if width == 0 { rows.div_ceil(8) } else { width * rows };
            let value = prop_oneof![8 => Just(0_u8), 1 => any::<u8>()];
            (validity, vec(value, bytes)).prop_map(|(validity, values)| vec![validity, values]).boxed()
        }
    }
}

fn spoil() -> impl Strategy<Value = (prop::sample::Index, prop::sample::Index, Spoil)> {
    let how = prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Spoil::Set(at, byte)),
        any::<prop::sample::Index>().prop_map(Spoil::Cut),
        vec(any::<u8>(), 1..5).prop_map(Spoil::Add),
    ];
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), how)
}

/// A write of a few rows with some of its buffers spoiled.
fn writes() -> impl Strategy<Value = Vec<(String, Buffers)>> {
    let columns = (0_usize..12).prop_flat_map(|rows| {
        let each: Vec<_> = COLUMNS.iter().map(|(_, width)| column(*width, rows)).collect();
        (Just(rows), each)
    });
    let claimed = prop::option::weighted(0.05, any::<u32>());
    (columns, vec(spoil(), 0..3), claimed).prop_map(|((rows, mut columns), spoils, claimed)| {
        for (column, part, how) in spoils {
            let at = column.index(columns.len());
            let parts = &mut columns[at];
            let bytes = {
                let at = part.index(parts.len());
                &mut parts[at]
            };
            match how {
                Spoil::Set(at, byte) if !bytes.is_empty() => {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                Spoil::Set(..) => {}
                Spoil::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
                Spoil::Add(more) => bytes.extend(more),
            }
        }
        let rows = claimed.unwrap_or(u32::try_from(rows).unwrap());
        let named = COLUMNS.iter().zip(columns);
        named.map(|((name, _), parts)| ((*name).to_owned(), Buffers { rows, parts })).collect()
    })
}

#[test]
fn whatever_a_guest_writes_is_refused_or_comes_out_as_the_layout_says() {
    let (runtime, folder) = (bench::runtime(), tempfile::tempdir().unwrap());
    let plugin = bench::load(&runtime, &component("misbehave"));
    let lake = lake::LocalLake::open(folder.path()).unwrap();
    let names: Vec<String> = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    fuzz(&writes(), |columns| {
        let rows = columns[0].1.rows;
        let mut bench = lake.workbench(plugin.order(json!({}), BTreeMap::new())).unwrap();
        let mut writer = bench.output("misbehave.rows").unwrap();
        if writer.write(columns).is_err() {
            return;
        }
        let mut reader = bench.input("staged:misbehave.rows", "{}").unwrap();
        let mut seen = 0;
        while let Some(batch) = reader.next().unwrap() {
            seen += batch.rows();
            for ((name, width), column) in COLUMNS.iter().zip(batch.columns(&names).unwrap()) {
                assert_eq!(column.rows, batch.rows());
                assert_layout(name, *width, batch.rows() as usize, &column.to_owned_buffers());
            }
        }
        assert_eq!(seen, rows);
        // Sorted by a key that may be there twice, which is a finding.
        bench.finish().unwrap();
    });
}

fn assert_layout(name: &str, width: Option<usize>, rows: usize, data: &Buffers) {
    let [validity, values, text @ ..] = data.parts.as_slice() else { panic!("{name}: {data:?}") };
    assert!(validity.is_empty() || validity.len() == rows.div_ceil(8), "{name}: {data:?}");
    let Some(width) = width else {
        let offsets: Vec<usize> = values
            .chunks(4)
            .map(|bytes| usize::try_from(i32::from_le_bytes(bytes.try_into().unwrap())).unwrap())
            .collect();
        assert_eq!((offsets.len(), offsets[0], offsets[rows]), (rows + 1, 0, text[0].len()), "{name}");
        let whole = std::str::from_utf8(&text[0]).unwrap();
        assert!(offsets.windows(2).all(|pair| whole.get(pair[0]..pair[1]).is_some()), "{name}: {offsets:?}");
        return;
    };
    assert_eq!(values.len(), if width == 0 { rows.div_ceil(8) } else { width * rows }, "{name}");
}
