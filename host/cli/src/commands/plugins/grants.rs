//! `plugins grants`: what a plugin asks for, what it is granted, and what was approved.

use model::Failure;
use model::plugin::{AskedCapability, PluginGrants};

use super::unknown;
use crate::args::Global;
use crate::host;
use crate::output::{self, Format, Output, Rows, text};

pub(super) async fn show(global: &Global, output: Output, name: &str) -> Result<(), Failure> {
    let Some(grants) = host::grants(global, name).await? else {
        return Err(unknown(name, &host::plugins(global).await?));
    };
    output.show(&grants, || rows(&grants))?;
    let to = grants.digest.map(|digest| format!(" to {digest} alone")).unwrap_or_default();
    grants.grants.iter().for_each(|grant| output::note(&format!("spine.toml grants{to}: {grant}")));
    if let (true, Some(place)) = (output.format == Format::Table, &grants.place) {
        output::note(&format!("approved for `{place}`"));
    }
    Ok(())
}

fn rows(grants: &PluginGrants) -> Rows {
    let columns =
        ["version", "state", "digest", "file", "asks", "required", "granted", "approved", "in_force"].map(text);
    let mut rows = Rows::new(columns, "it asks for nothing, and may do nothing but read what it is given");
    let word = |yes: bool| if yes { "yes" } else { "no" };
    for AskedCapability { version, digest, state, file, asks, required, granted, approved, in_force } in &grants.asked {
        rows.push([
            version.clone().into(),
            state.name().into(),
            (*digest).into(),
            file.clone().into(),
            asks.clone().into(),
            word(*required).into(),
            word(*granted).into(),
            word(*approved).into(),
            word(*in_force).into(),
        ]);
    }
    rows
}
