//! What guests may do with tables, without a guest.

use model::Timestamp;
use model::limits::Limits;
use wasmtime::component::Resource;

use super::{Batch, Reader};
use crate::attempt::{Facts, HostState, Journal, LimitReached};
use crate::bindings::host::Host as _;
use crate::bindings::tables::{self, HostBatch as _, HostWriter as _};
use crate::capabilities::http::Egress;
use crate::testing::{Bench, collector};

fn state(limits: Limits) -> HostState {
    state_telling(limits, Journal::new(Timestamp::from_micros(0), &Limits::standard(), model::ports::LogSink::none()))
}

fn state_telling(limits: Limits, journal: Journal) -> HostState {
    let facts = Facts { plugin: "p".to_owned(), run_id: "run_1".to_owned(), attempt: 1, params: "{}".to_owned() };
    let bench = Bench { batches: 3, ..Bench::default() };
    HostState::new(facts, limits, (0, [0; 32]), journal, Box::new(bench), Egress::closed(), None)
}

fn reader(state: &mut HostState) -> Resource<Reader> {
    state.input("numbers".to_owned(), "{}".to_owned()).unwrap().unwrap()
}

fn same<T: 'static>(handle: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(handle.rep())
}

fn next(state: &mut HostState, reader: &Resource<Reader>) -> Option<Resource<Batch>> {
    HostReaderNext::next(state, reader).unwrap()
}

/// `next` under a name that does not clash with the other traits.
struct HostReaderNext;

impl HostReaderNext {
    fn next(state: &mut HostState, reader: &Resource<Reader>) -> Result<Option<Resource<Batch>>, tables::DataError> {
        tables::HostReader::next(state, same(reader)).unwrap()
    }
}

fn code<T>(result: Result<T, tables::DataError>) -> String {
    result.err().map_or_else(|| "ok".to_owned(), |error| error.code)
}

fn columns(state: &mut HostState, batch: &Resource<Batch>) -> String {
    code(state.columns(same(batch), vec!["n".to_owned()]).unwrap())
}

#[test]
fn a_batch_and_what_was_made_of_it_end_with_the_next_one_unless_kept() {
    let mut state = state(Limits::standard());
    let reader = reader(&mut state);
    let first = next(&mut state, &reader).unwrap();
    let derived = state.filter(same(&first), vec![1]).unwrap().unwrap();
    let kept = state.select(same(&first), Vec::new()).unwrap().unwrap();
    state.keep(same(&kept)).unwrap().unwrap();
    assert_eq!(columns(&mut state, &first), "ok");

    let second = next(&mut state, &reader).unwrap();
    assert_eq!(columns(&mut state, &first), "released");
    assert_eq!(columns(&mut state, &derived), "released");
    assert_eq!(columns(&mut state, &kept), "ok");
    assert_eq!(columns(&mut state, &second), "ok");
    assert!(state.num_rows(same(&first)).is_err(), "a wrong row count would lose rows");
    assert_eq!(state.num_rows(same(&second)).unwrap(), 2);

    next(&mut state, &reader).unwrap();
    assert!(next(&mut state, &reader).is_none());
    assert_eq!(columns(&mut state, &kept), "ok");
    state.release(same(&kept)).unwrap();
    state.release(same(&kept)).unwrap();
    assert_eq!(columns(&mut state, &kept), "released");
    assert_eq!(state.held.room(), Limits::standard().held_bytes);
}

#[test]
fn a_place_of_the_table_that_is_used_again_is_not_released_by_mistake() {
    let mut state = state(Limits::standard());
    let (one, two) = (reader(&mut state), reader(&mut state));
    let dropped = next(&mut state, &one).unwrap();
    let place = dropped.rep();
    HostBatchDrop::drop(&mut state, dropped);
    let other = next(&mut state, &two).unwrap();
    assert_eq!(other.rep(), place, "the table reuses the place");
    next(&mut state, &one).unwrap();
    assert_eq!(columns(&mut state, &other), "ok");
}

struct HostBatchDrop;

impl HostBatchDrop {
    fn drop(state: &mut HostState, batch: Resource<Batch>) {
        tables::HostBatch::drop(state, batch).unwrap();
    }
}

#[test]
fn what_the_host_holds_is_limited_before_it_is_made() {
    let mut state = state(Limits { held_bytes: 250, ..Limits::standard() });
    let reader = reader(&mut state);
    let batch = next(&mut state, &reader).unwrap();
    let two = vec!["n".to_owned(), "n".to_owned()];
    assert_eq!(code(state.columns(same(&batch), two).unwrap()), "held_limit");
    let copy = state.take(same(&batch), vec![0; 4]).unwrap().unwrap();
    assert_eq!(code(state.filter(same(&batch), vec![1]).unwrap()), "held_limit");
    let data = tables::Buffers { rows: 1, parts: vec![vec![0; 8]] };
    let field = tables::Field { name: "m".to_owned(), dtype: "int64".to_owned(), nullable: false, details: Vec::new() };
    assert_eq!(code(state.with_column(same(&batch), field, data).unwrap()), "held_limit");
    HostBatchDrop::drop(&mut state, copy);
    assert_eq!(code(state.filter(same(&batch), vec![1]).unwrap()), "ok");
}

#[test]
fn handles_are_limited_with_an_error_the_guest_can_read() {
    let mut state = state(Limits { handles: 2, ..Limits::standard() });
    let reader = reader(&mut state);
    next(&mut state, &reader).unwrap();
    let error = HostReaderNext::next(&mut state, &reader).unwrap_err();
    assert_eq!(error.code, "handle_limit");
    assert!(error.message.contains("limits.handles") && error.message.contains("`p`"), "{}", error.message);
    let error = state.output("p.d".to_owned()).unwrap().unwrap_err();
    assert_eq!(error.code, "handle_limit");
}

#[test]
fn written_batches_reach_the_workbench_and_released_ones_do_not() {
    let mut state = state(Limits::standard());
    let reader = reader(&mut state);
    let writer = state.output("p.d".to_owned()).unwrap().unwrap();
    next(&mut state, &reader).unwrap();
    let second = next(&mut state, &reader).unwrap();
    assert_eq!(state.write_batch(same(&writer), same(&second)).unwrap().unwrap(), 2);
    next(&mut state, &reader).unwrap();
    assert_eq!(code(state.write_batch(same(&writer), same(&second)).unwrap()), "released");
}

#[test]
fn errors_of_the_workbench_reach_the_guest_with_kind_and_code() {
    let mut state = state(Limits::standard());
    let error = state.input("absent".to_owned(), "{}".to_owned()).unwrap().unwrap_err();
    assert_eq!((error.kind.as_str(), error.code.as_str()), ("source", "not_found"));
    let error = state.secret("key".to_owned()).unwrap().unwrap_err();
    assert_eq!((error.kind.as_str(), error.code.as_str()), ("auth", "not_granted"));
    assert_eq!(state.files("drop".to_owned()).unwrap().unwrap()[0].details[0].1, "5");
    assert_eq!(state.journal.host_calls(), 3);
}

#[test]
fn a_field_that_is_cut_within_a_secret_holds_no_part_of_it() {
    let (sink, lines) = collector();
    let secrets = model::secret::Secrets::new([&serde_json::json!("hunter2")]);
    let mut state = state_telling(
        Limits::standard(),
        Journal::hiding(secrets, Timestamp::from_micros(0), &Limits::standard(), sink),
    );
    let long = format!("{}hunter2", "x".repeat(super::host::FIELD_BYTES_MAX - 3));
    state.log("info".to_owned(), "done".to_owned(), vec![("key".to_owned(), long)]).unwrap();
    let told = format!("{:?}", lines.lock().unwrap());
    assert!(told.contains("xxx") && !told.contains("hun"), "{told}");
}

#[test]
fn one_call_too_many_ends_the_attempt() {
    let mut state = state(Limits { host_calls: 2, ..Limits::standard() });
    state.now_us().unwrap();
    state.now_us().unwrap();
    let error = state.now_us().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&LimitReached::host_calls("p", 2)));
}

#[test]
fn what_is_measured_is_kept_up_to_so_many_series() {
    let (sink, lines) = collector();
    let journal = Journal::new(Timestamp::from_micros(0), &Limits::standard(), sink);
    let mut state = state_telling(Limits { metric_series: 1, ..Limits::standard() }, journal);
    for (value, symbol) in [(1.0, "A"), (2.0, "A"), (3.0, "B")] {
        state.metric("rows".to_owned(), value, vec![("symbol".to_owned(), symbol.to_owned())]).unwrap();
    }
    let measured = state.meters.all();
    assert_eq!((measured.len(), measured[0].value, measured[0].labels[0].1.as_str()), (1, 2.0, "A"));
    state.journal.end();
    assert!(lines.lock().unwrap()[0].message.contains("limits.metric_series"));
}
