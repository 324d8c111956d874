//! The committed snapshots.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::expression::{Word, object_of};

/// An environment's resources, as Bicep predicts them.
pub(crate) struct Shape {
    pub(crate) name: String,
    resources: Vec<Value>,
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The parameter files of all shapes.
pub(crate) fn parameter_files() -> Vec<PathBuf> {
    let folder = root().join("infra/shapes");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|kind| kind == "bicepparam")).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

/// All shapes.
pub(crate) fn shapes() -> Vec<Shape> {
    parameter_files().iter().map(|file| Shape::read(&file.with_extension("snapshot.json"))).collect()
}

/// All shapes that deploy a guard.
pub(crate) fn guards() -> Vec<Shape> {
    let guards: Vec<_> =
        shapes().into_iter().filter(|shape| !shape.of("Microsoft.Web/sites").is_empty()).collect();
    assert!(guards.len() >= 4, "shapes with a guard are missing");
    guards
}

/// The shape of this name.
pub(crate) fn shape(name: &str) -> Shape {
    Shape::read(&root().join(format!("infra/shapes/{name}.snapshot.json")))
}

impl Shape {
    fn read(path: &Path) -> Self {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let snapshot: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(snapshot["diagnostics"], serde_json::json!([]), "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap().trim_end_matches(".snapshot.json").to_owned();
        Self { name, resources: snapshot["predictedResources"].as_array().unwrap().clone() }
    }

    /// The resources of a type, which is compared without case.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.resources.iter().filter(|resource| text(&resource["type"]).eq_ignore_ascii_case(kind)).collect()
    }

    /// The only resource of a type.
    pub(crate) fn only(&self, kind: &str) -> &Value {
        let found = self.of(kind);
        assert_eq!(found.len(), 1, "{}: {kind}", self.name);
        found[0]
    }

    /// The app's settings. What is known only when the app exists is a [`Word::Later`].
    pub(crate) fn app_settings(&self) -> BTreeMap<String, Word> {
        let settings = self.only("Microsoft.Web/sites/config");
        assert!(text(&settings["name"]).ends_with("/appsettings"));
        object_of(text(&settings["properties"]))
    }

    /// An app setting that is known beforehand.
    pub(crate) fn app_setting(&self, name: &str) -> String {
        match self.app_settings().remove(name) {
            Some(Word::Text(value)) => value,
            other => panic!("{}: {name} is {other:?}", self.name),
        }
    }

    /// Whether the app is reachable from its network only.
    pub(crate) fn is_private(&self) -> bool {
        self.only("Microsoft.Web/sites")["properties"]["publicNetworkAccess"] == "Disabled"
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
