//! Python: componentize-py puts the code and an interpreter into a component.

use std::path::{Path, PathBuf};
use std::process::Command;

use model::Failure;

use super::{copy_code, entry, failed, manifest, write_world};
use crate::carried;
use crate::tools::{own_or, run};
use crate::world::WORLD;

const SDK: &str = "sdk/python/spine.py";

/// Builds and returns the plugin's name and the file.
pub(super) fn build(folder: &Path, scratch: &Path) -> Result<(String, PathBuf), Failure> {
    let install = format!(
        "make the environment that the project expects: `cd {} && python3 -m venv .venv && .venv/bin/pip install -r \
         requirements.txt`",
        folder.display()
    );
    let python = own_or(folder, ".venv/bin/python", "python3");
    let said = run(Command::new(python).current_dir(folder).args(["-B", "manifest.py"]), &install)?;
    let manifest = manifest(&said, "manifest.py")?;
    let wit = write_world(folder, scratch, &manifest)?;
    // From a copy, since Python writes its compiled modules beside the sources.
    let code = scratch.join("code");
    copy_code(folder, &code, "py")?;
    // A folder of this name would hide the module.
    drop(std::fs::remove_dir_all(code.join("spine")));
    let own = std::fs::read_to_string(folder.join("spine").join(SDK));
    std::fs::write(code.join("spine.py"), own.unwrap_or_else(|_| carried::file(SDK).to_owned()))
        .map_err(|error| failed(format!("could not write the SDK: {error}")))?;
    let component = scratch.join("component.wasm");
    let tool = own_or(folder, ".venv/bin/componentize-py", "componentize-py");
    let begin = entry(folder, "py", "(exports.Plugin)")?;
    let mut command = Command::new(tool);
    command.current_dir(scratch).args(["--quiet", "-d"]).arg(wit).args(["-w", WORLD, "componentize", "-p"]);
    run(command.arg(code).arg("-o").arg(&component).arg(begin), &install)?;
    Ok((manifest.name, component))
}
