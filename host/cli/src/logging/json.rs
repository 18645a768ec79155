//! Log lines as flat JSON objects: the fields of every span around an event, then its own.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// One object a line. An inner field wins over an outer one of its name; time, level and target over all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flat;

impl<S, N> FormatEvent<S, N> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Map::new();
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            // Spans are formatted as JSON too: `builder.json()`.
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(fields) = serde_json::from_str::<Map<String, Value>>(&fields.fields)
            {
                line.extend(fields);
            }
        }
        event.record(&mut Fields(&mut line));
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let metadata = event.metadata();
        line.insert("timestamp".to_owned(), timestamp.into());
        line.insert("level".to_owned(), metadata.level().as_str().into());
        line.insert("target".to_owned(), metadata.target().into());
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Puts the fields of an event into an object.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // What a guest named travels as the text of an object, since a field has one value.
        match serde_json::from_str::<Map<String, Value>>(value) {
            Ok(object) if field.name() == "fields" => self.put(field, object),
            Ok(_) | Err(_) => self.put(field, value),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines(say: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber =
            tracing_subscriber::fmt().json().event_format(Flat).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, say);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_the_fields_of_every_span_around_it() {
        let lines = lines(|| {
            let _run = tracing::error_span!("run", run.id = "run_1", plugin.digest = %"sha256:ab").entered();
            let _attempt = tracing::error_span!("attempt", attempt = 2_u32).entered();
            tracing::warn!(rows = 3, ok = true, "said");
        });
        assert_eq!(lines.len(), 1);
        for (key, value) in [
            ("run.id", Value::from("run_1")),
            ("plugin.digest", "sha256:ab".into()),
            ("attempt", 2.into()),
            ("rows", 3.into()),
            ("ok", true.into()),
            ("message", "said".into()),
            ("level", "WARN".into()),
        ] {
            assert_eq!(lines[0][key], value, "{key} of {}", lines[0]);
        }
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'), "{}", lines[0]);
    }

    #[test]
    fn what_a_guest_named_is_an_object_and_cannot_pass_for_the_host() {
        let lines = lines(|| {
            let text = serde_json::json!({"run.id": "mine", "q": "\""}).to_string();
            tracing::info!(target: "guest", fields = text, "{}", r#"{"level": "x"}"#);
        });
        assert_eq!(lines[0]["fields"], serde_json::json!({"run.id": "mine", "q": "\""}));
        assert_eq!((&lines[0]["run.id"], &lines[0]["message"]), (&Value::Null, &Value::from(r#"{"level": "x"}"#)));
    }
}
