//! The environment: none. What a guest writes to its standard streams goes to the log, and it reads nothing there.

use wasmtime_wasi::WasiCtxBuilder;

use crate::attempt::{GuestStream, Journal};

/// No arguments, no variables and an empty standard input, which is what the builder begins with; output to the journal.
pub(super) fn give(builder: &mut WasiCtxBuilder, journal: &Journal) {
    builder.stdout(GuestStream::new("stdout", journal)).stderr(GuestStream::new("stderr", journal));
}

#[cfg(test)]
mod tests {
    use model::ports::LogSink;
    use wasmtime_wasi::cli::WasiCliView as _;
    use wasmtime_wasi::p2::bindings::cli::{environment, stderr, stdin};
    use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

    use crate::testing::{Bench, collector, state};

    #[test]
    fn allowed_is_to_say_something_which_is_logged() {
        let (sink, said) = collector();
        let mut state = state(1, Bench::default(), sink);
        let stream = stderr::Host::get_stderr(&mut state.cli()).unwrap();
        let stream: &mut DynOutputStream = state.table.get_mut(&stream).unwrap();
        stream.write("hello\n".into()).unwrap();
        let said = said.lock().unwrap();
        assert_eq!((said[0].origin.as_str(), said[0].message.as_str()), ("stderr", "hello"));
    }

    #[tokio::test]
    async fn denied_are_variables_arguments_a_folder_to_work_in_and_anything_to_read() {
        let mut state = state(1, Bench::default(), LogSink::none());
        assert!(environment::Host::get_environment(&mut state.cli()).unwrap().is_empty());
        assert!(environment::Host::get_arguments(&mut state.cli()).unwrap().is_empty());
        assert_eq!(environment::Host::initial_cwd(&mut state.cli()).unwrap(), None);
        let stream = stdin::Host::get_stdin(&mut state.cli()).unwrap();
        let stream: &mut DynInputStream = state.table.get_mut(&stream).unwrap();
        stream.ready().await;
        assert!(stream.read(1).is_err(), "it is closed");
    }
}
