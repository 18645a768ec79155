//! JavaScript: componentize-js puts the code and an engine into a component.

use std::path::{Path, PathBuf};
use std::process::Command;

use model::Failure;

use super::{copy_code, entry, failed, manifest, write_world};
use crate::carried;
use crate::tools::{own_or, run};
use crate::world::WORLD;

const SDK: &str = "sdk/javascript/spine.js";

/// Prints the manifest of the module in the current folder.
const PRINT: &str =
    "import(`file://${process.cwd()}/manifest.js`).then((it) => console.log(JSON.stringify(it.MANIFEST)))";

/// Builds and returns the plugin's name and the file.
pub(super) fn build(folder: &Path, scratch: &Path) -> Result<(String, PathBuf), Failure> {
    let install = format!(
        "install Node 20 or newer, then what the project names: `cd {} && npm install --ignore-scripts`",
        folder.display()
    );
    let print = ["--input-type=module", "-e", PRINT];
    let said = run(Command::new("node").current_dir(folder).args(print), &install)?;
    let manifest = manifest(&said, "manifest.js")?;
    let wit = write_world(folder, scratch, &manifest)?;
    // In one folder without the packages, since the build follows relative imports only.
    let code = scratch.join("code");
    copy_code(folder, &code, "js")?;
    if !code.join("spine").join(SDK).is_file() {
        std::fs::write(code.join("spine.js"), carried::file(SDK))
            .map_err(|error| failed(format!("could not write the SDK: {error}")))?;
    }
    let component = scratch.join("component.wasm");
    let tool = own_or(folder, "node_modules/.bin/componentize-js", "componentize-js");
    let begin = entry(folder, "js", "export const plugin")?;
    let mut command = Command::new(tool);
    command.current_dir(&code).arg("-w").arg(wit).args(["-n", WORLD, "-o"]);
    run(command.arg(&component).arg(format!("{begin}.js")), &install)?;
    Ok((manifest.name, component))
}
