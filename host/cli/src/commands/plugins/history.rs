//! `plugins history`: what happened to the versions of a plugin.

use model::Failure;
use model::plugin::PluginEvent;
use model::ports::Ledger as _;

use crate::args::Global;
use crate::commands::{ledger, unknown_name};
use crate::output::{Output, Rows, number, text};

pub(super) async fn show(global: &Global, output: Output, name: &str) -> Result<(), Failure> {
    let ledger = ledger(global).await?;
    let events = ledger.plugin_history(name).await?;
    let names = ledger.plugin_names().await?;
    if events.is_empty() && !names.iter().any(|known| known == name) {
        let otherwise = match names.is_empty() {
            true => "no plugin has been loaded into this data folder yet; `spine-host serve` and `spine-host run` do",
            false => "`spine-host plugins list` shows all",
        };
        return Err(unknown_name("plugin", name, &names, otherwise));
    }
    output.show(&events, || rows(&events))
}

fn rows(events: &[PluginEvent]) -> Rows {
    let columns = [number("seq"), text("at"), text("version"), text("type"), text("digest"), text("detail")];
    let mut rows = Rows::new(columns, "nothing has happened to it since this ledger keeps a history");
    for PluginEvent { seq, at, version, digest, kind, detail, .. } in events {
        rows.push([
            (*seq).into(),
            (*at).into(),
            version.clone().into(),
            kind.name().into(),
            (*digest).into(),
            detail.clone().into(),
        ]);
    }
    rows
}
