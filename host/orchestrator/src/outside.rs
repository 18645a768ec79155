//! What an attempt may reach beyond its workbench: grants, the values of secrets, and servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Failure;
use model::ports::{Exchanges, Outside};

use crate::blocking::blocking;
use crate::job::Job;

impl Job {
    /// Reads the secrets that are granted, as they are now.
    ///
    /// # Errors
    ///
    /// `secret_unreadable` for the first that cannot be read: no guest begins without what it was promised.
    pub(crate) async fn outside(&self) -> Result<Outside, Failure> {
        let (_, grants) = self.limits_and_grants();
        let (wanted, reader) = (grants.secrets.clone(), Arc::clone(&self.shared.parts.secrets));
        let plugin = self.target.plugin.name.clone();
        let read = move || {
            let read = |(name, grant): (String, model::grants::SecretGrant)| {
                let value = reader.read(&grant.source).map_err(|failure| unreadable(&plugin, &name, failure))?;
                Ok((name, value))
            };
            wanted.into_iter().map(read).collect::<Result<BTreeMap<_, _>, Failure>>()
        };
        let secrets =
            if grants.secrets.is_empty() { BTreeMap::new() } else { blocking("read the secrets", read).await? };
        let upstreams = Arc::clone(&self.shared.upstreams);
        Ok(Outside { grants, secrets, exchanges: Exchanges::Live, upstreams })
    }
}

fn unreadable(plugin: &str, name: &str, failure: Failure) -> Failure {
    let message = format!(
        "the secret `{name}` of `{plugin}` cannot be read, so no guest begins: {}; correct [plugins.{plugin}.grants] in \
         spine.toml, or what it names",
        failure.message
    );
    Failure { message, ..failure }
}
