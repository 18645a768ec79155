//! The generated side of `wit/`: contract 0.1. A breaking contract is a second module beside this one.

wasmtime::component::bindgen!({
    world: "domain",
    path: "../../wit",
    imports: {
        // Waits for the network: the guest is suspended, and its thread goes on with others.
        "spine:plugin/http.fetch": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "spine:plugin/tables.batch": crate::hosting::Batch,
        "spine:plugin/tables.reader": crate::hosting::Reader,
        "spine:plugin/tables.writer": crate::hosting::Writer,
        "spine:plugin/tables.blob": crate::hosting::Blob,
    },
});

pub(crate) use exports::spine::plugin::{pipeline, plugin, quality, source, task};
pub(crate) use spine::plugin::{host, http, tables};
