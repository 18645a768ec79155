//! Answers what it is told.

use spine_sdk::prelude::*;

/// An answer may not grow without end.
const TIMES_MAX: i64 = 100;

params! {
    pub struct EchoParams {
        /// What to answer.
        text: String,
        /// How often.
        times: i64 => default(1),
    }
}

/// Repeats a text.
#[derive(Debug)]
pub struct Echo;

impl Task for Echo {
    const NAME: &'static str = "hello_rust.echo";
    type Params = EchoParams;

    fn spec() -> TaskSpec {
        TaskSpec::new("Repeats a text.")
    }

    fn call(&self, params: EchoParams, _: &Host) -> Result<Json, Error> {
        let EchoParams { text, times } = params;
        let count = usize::try_from(times).ok().filter(|_| times <= TIMES_MAX);
        let count = count.ok_or_else(|| Error::bad_params(format!("`times` is {times}: give 0 to {TIMES_MAX}")))?;
        Ok(json!({ "text": vec![text.as_str(); count].join(" "), "length": text.chars().count() }))
    }
}

#[cfg(test)]
mod tests {
    use spine_sdk::testing::MemoryHost;

    use super::*;

    #[test]
    fn a_text_is_repeated_and_counted_in_characters() {
        let call = |input| MemoryHost::new().call(&Echo, input);
        assert_eq!(call(json!({ "text": "añ" })).unwrap(), json!({ "text": "añ", "length": 2 }));
        assert_eq!(call(json!({ "text": "a", "times": 3 })).unwrap()["text"], "a a a");
        assert_eq!(call(json!({ "text": "a", "times": 0 })).unwrap()["text"], "");
        for times in [-1, 101] {
            assert_eq!(call(json!({ "text": "a", "times": times })).unwrap_err().code, "bad_params");
        }
    }
}
