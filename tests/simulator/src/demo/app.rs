//! The function app as it is published: `host.json`, the functions, the policies and the sinks, in a folder of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// Folder of policies inside the app, the default of `STOP_GUARD_POLICIES`.
const POLICIES: &str = "policies";
/// Folder of sinks inside the app, the default of `STOP_GUARD_SINK_FILES`.
const SINKS: &str = "sinks";

/// The app's folder, removed when dropped.
#[derive(Debug)]
pub(super) struct AppFolder(TempDir);

impl AppFolder {
    /// Copies from the project what a deployment publishes, but for the executable.
    pub(super) fn copied_from(project: &Path) -> Result<Self> {
        let app = Self(tempfile::tempdir().context("no temporary folder can be made")?);
        copy(&project.join("host.json"), &app.path().join("host.json"))?;
        for function in subfolders(project)? {
            if function.join("function.json").is_file() {
                copy_into(&function, app.path(), "json")?;
            }
        }
        copy_into(&project.join(POLICIES), app.path(), "cedar")?;
        copy_into(&project.join(SINKS), app.path(), "toml")?;
        Ok(app)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a policy file, over one of that name.
    pub(super) fn write_policy(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path().join(POLICIES).join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
    }
}

fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect())
}

/// Copies the files with this extension that lie directly in `folder` into a folder of the same name.
fn copy_into(folder: &Path, app: &Path, extension: &str) -> Result<()> {
    let name = folder.file_name().with_context(|| format!("`{}` has no name", folder.display()))?;
    let target = app.join(name);
    std::fs::create_dir_all(&target).with_context(|| format!("cannot make `{}`", target.display()))?;
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_some_and(|found| found == extension)
            && let Some(file) = path.file_name()
        {
            copy(&path, &target.join(file))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).with_context(|| format!("cannot copy `{}`", from.display()))?;
    Ok(())
}
