//! Says what it was told in confidence, wherever a guest can say something: what the story `secrets` runs.

use spine_sdk::prelude::*;

params! {
    pub struct Told {
        /// What nobody else should see.
        token: String => secret(),
        /// Whether to fail with it.
        fail: bool => default(false),
    }
}

/// Tells on, and answers how long the secret was, which shows that it saw the real one.
#[derive(Debug)]
pub struct Tell;

impl Task for Tell {
    const NAME: &'static str = "confidant.tell";
    type Params = Told;

    fn spec() -> TaskSpec {
        TaskSpec::new("Repeats a secret in its log, in what it prints and in its answer.")
    }

    fn call(&self, params: Told, host: &Host) -> Result<Json, Error> {
        let Told { token, fail } = params;
        host.log(Level::Info, &format!("the token is {token}"), &[("token", &token)]);
        if fail {
            return Err(Error::bad_params(format!("`{token}` opens nothing")));
        }
        Ok(json!({ "token": token, "bytes": token.len() }))
    }
}

spine_sdk::plugin! {
    name: "confidant",
    version: env!("CARGO_PKG_VERSION"),
    description: "Tells on.",
    tasks: [Tell],
}
