//! A task that says something and works on, for stories that look at a run from outside.

use spine_sdk::prelude::*;

params! {
    pub struct TalkParams {
        /// How many lines it says.
        lines: i64 => default(1),
    }
}

/// Says its lines and then works until it is stopped.
#[derive(Debug)]
pub struct Talk;

impl Task for Talk {
    const NAME: &'static str = "echo.talk";
    type Params = TalkParams;

    fn spec() -> TaskSpec {
        TaskSpec::new("Says some lines and works until it is stopped.")
    }

    fn call(&self, params: TalkParams, host: &Host) -> Result<Json, Error> {
        for number in 0..params.lines {
            host.info(&format!("line {number}"));
        }
        loop {
            std::hint::spin_loop();
        }
    }
}
