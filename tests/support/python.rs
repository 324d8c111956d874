//! The Python that has the packages of `tests/python-requirements.txt`.

use std::path::{Path, PathBuf};

/// From `GUARD_TEST_PYTHON`, or where `make tools` puts it.
pub(crate) fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("GUARD_TEST_PYTHON")
        .map_or_else(|| root.join(".venv/bin/python"), |given| root.join(PathBuf::from(given)));
    assert!(python.exists(), "no Python at `{}`: run `make tools`", python.display());
    python
}
