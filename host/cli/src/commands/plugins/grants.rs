//! `plugins grants`: what a plugin asks for, what it is granted, and what was approved.

use model::Failure;
use model::plugin::{AskedCapability, PluginGrants};

use super::unknown;
use crate::args::Global;
use crate::host;
use crate::output::{Output, Rows, detail, text};

pub(super) async fn show(global: &Global, output: Output, name: &str) -> Result<(), Failure> {
    let Some(grants) = host::grants(global, name).await? else {
        return Err(unknown(name, &host::plugins(global).await?));
    };
    output.show(&grants, || rows(&grants))
}

fn rows(grants: &PluginGrants) -> Rows {
    let columns = ["version", "state", "asks", "required", "granted", "approved", "in_force"].map(text);
    let mut rows = Rows::new(
        columns.into_iter().chain([detail("digest"), detail("file")]),
        "it asks for nothing, and may do nothing but read what it is given",
    );
    let word = |yes: bool| if yes { "yes" } else { "no" };
    for AskedCapability { version, digest, state, file, asks, required, granted, approved, in_force } in &grants.asked {
        rows.push([
            version.clone().into(),
            state.name().into(),
            asks.clone().into(),
            word(*required).into(),
            word(*granted).into(),
            word(*approved).into(),
            word(*in_force).into(),
            (*digest).into(),
            file.clone().into(),
        ]);
    }
    rows
}
