//! What an attempt may reach beyond its workbench: grants, the values of secrets, and servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Failure;
use model::grants::SecretGrant;
use model::ports::{Exchanges, KeptInput, Outside};

use crate::blocking::blocking;
use crate::job::Job;

impl Job {
    /// Reads the secrets that are granted, as they are now.
    ///
    /// # Errors
    ///
    /// `secret_unreadable` for the first that cannot be read: no guest begins without what it was promised.
    pub(crate) async fn outside(&self) -> Result<Outside, Failure> {
        self.reaching(Exchanges::Live, |_| true).await
    }

    /// For an attempt that is carried out again. Nothing is sent, so a secret is read only if the guest is shown its value.
    ///
    /// # Errors
    ///
    /// Those of [`Job::outside`].
    pub(crate) async fn outside_again(&self, answers: Vec<KeptInput>) -> Result<Outside, Failure> {
        self.reaching(Exchanges::Recorded(answers), |grant| grant.reveal).await
    }

    async fn reaching(&self, exchanges: Exchanges, is_read: fn(&SecretGrant) -> bool) -> Result<Outside, Failure> {
        let (_, grants) = self.limits_and_grants();
        let wanted: BTreeMap<String, SecretGrant> =
            grants.secrets.clone().into_iter().filter(|(_, grant)| is_read(grant)).collect();
        let reader = Arc::clone(&self.shared.parts.secrets);
        let plugin = self.target.plugin.name.clone();
        let is_empty = wanted.is_empty();
        let read = move || {
            let read = |(name, grant): (String, SecretGrant)| {
                let value = reader.read(&grant.source).map_err(|failure| unreadable(&plugin, &name, failure))?;
                Ok((name, value))
            };
            wanted.into_iter().map(read).collect::<Result<BTreeMap<_, _>, Failure>>()
        };
        let secrets = if is_empty { BTreeMap::new() } else { blocking("read the secrets", read).await? };
        let upstreams = Arc::clone(&self.shared.upstreams);
        let dry_run = self.dry_run;
        Ok(Outside { grants, secrets, exchanges, upstreams, dry_run })
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
