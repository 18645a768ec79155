//! Does what a plugin must not do, each misbehaviour under a name: what the story `hostile` and its bench run.
//!
//! None of it is to succeed. What its host refuses with an error is handed on as it came, so that it is seen as an author
//! would see it; what got through is an answer, which no story expects.

mod compute;
mod flood;
mod reach;
mod write;

pub use write::{Rows, Write};

use spine_sdk::prelude::*;

params! {
    pub struct Deed {
        /// What to do.
        how: String => one_of([
            "nothing", "loop", "recursion", "memory", "trap", "panic", "exit",
            "calls", "log", "output", "metrics", "stages", "handles",
            "paths", "network", "secret",
        ]),
    }
}

/// Misbehaves without writing rows.
#[derive(Debug)]
pub struct Do;

impl Task for Do {
    const NAME: &'static str = "misbehave.do";
    type Params = Deed;

    fn spec() -> TaskSpec {
        TaskSpec::new("Misbehaves in the way that it is asked for.")
    }

    fn call(&self, Deed { how }: Deed, host: &Host) -> Result<Json, Error> {
        host.info(&format!("about to misbehave: {how}"));
        match how.as_str() {
            "loop" => compute::endlessly(),
            "recursion" => compute::too_deep(),
            "memory" => compute::too_much(),
            "trap" => compute::impossible(),
            "panic" => compute::broken(),
            "exit" => std::process::exit(3),
            "calls" => flood::calls(host),
            "log" => flood::log(host),
            "output" => flood::output(),
            "metrics" => flood::metrics(host),
            "stages" => flood::stages(host)?,
            "handles" => flood::handles(host)?,
            "paths" => reach::paths(host)?,
            "network" => reach::network()?,
            "secret" => {
                host.secret("somebody_elses")?;
            }
            _ => {}
        }
        Ok(json!({ "did": how }))
    }
}

spine_sdk::plugin! {
    name: "misbehave",
    version: env!("CARGO_PKG_VERSION"),
    description: "Does what a plugin must not do.",
    datasets: [Rows],
    pipelines: [Write],
    tasks: [Do],
    folders: [Folder::optional("drop", "A folder to get out of.")],
}
