//! What azd and the workflows do with the package.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::ROOT;

/// Versions of actions that no commit pins: whoever uses the workflow pins what they reviewed.
const BY_VERSION: [&str; 3] =
    ["actions/upload-artifact@v4", "actions/download-artifact@v4", "Azure/setup-azd@v2"];

fn yaml(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn workflows() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(Path::new(ROOT).join(".github/workflows")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let workflows: BTreeMap<_, _> =
        paths.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), yaml(&path))).collect();
    assert!(workflows.contains_key("ci.yml") && workflows.contains_key("deploy.yml"));
    workflows
}

fn jobs(workflow: &Value) -> impl Iterator<Item = (&String, &Value)> {
    workflow["jobs"].as_object().unwrap().iter()
}

fn steps(job: &Value) -> &[Value] {
    job["steps"].as_array().unwrap()
}

#[test]
fn azd_publishes_the_folder_that_the_package_is_staged_in_and_makes_it_on_every_system() {
    let azd = yaml(&Path::new(ROOT).join("azure.yaml"));
    let guard = &azd["services"]["guard"];
    let said = ["host", "language", "project", "dist"].map(|name| guard[name].as_str().unwrap());
    assert_eq!(said, ["function", "custom", ".", "dist"]);
    let hook = |system: &str| guard["hooks"]["prepackage"][system]["run"].as_str().unwrap().to_owned();
    assert_eq!(hook("posix"), "make package PORTABLE=1");
    assert!(hook("windows").contains("python tools/package --portable"));
    let makefile = std::fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    assert!(makefile.contains("\npackage: ") && makefile.contains("$(if $(PORTABLE),--portable)"));
    // Event Grid takes a function as a destination only once it is published: so the resources come twice.
    assert_eq!(
        azd["workflows"]["up"]["steps"],
        json!([{"azd": "package --all"}, {"azd": "provision"}, {"azd": "deploy --all"}, {"azd": "provision"}])
    );
    for system in ["posix", "windows"] {
        assert_eq!(azd["hooks"]["postdeploy"][system]["run"], "azd env set STOP_GUARD_SUBSCRIBE true");
    }
}

#[test]
fn no_job_may_do_more_than_it_needs() {
    for (file, workflow) in workflows() {
        assert_eq!(workflow["permissions"], json!({}), "{file}");
        for (name, job) in jobs(&workflow) {
            let signs_in = steps(job).iter().any(|step| step["run"].to_string().contains("azd auth login"));
            let needed = if signs_in {
                json!({"contents": "read", "id-token": "write"})
            } else {
                json!({"contents": "read"})
            };
            assert_eq!(job["permissions"], needed, "{file}: {name}");
            assert!(job["timeout-minutes"].is_u64(), "{file}: {name}");
        }
    }
}

#[test]
fn what_builds_the_package_can_not_sign_in_to_azure_and_what_publishes_it_waits_for_people() {
    let deploy = &workflows()["deploy.yml"];
    for (name, job) in jobs(deploy) {
        let runs: String = steps(job).iter().map(|step| step["run"].to_string()).collect();
        let builds = runs.contains("make ") || runs.contains("cargo ");
        let has_token = !job["permissions"]["id-token"].is_null();
        assert!(!(builds && has_token), "{name} runs build scripts of dependencies and gets a token");
        let changes = runs.contains("azd deploy") || runs.contains("azd provision --no-prompt");
        if changes {
            assert_eq!(job["environment"], "production", "{name}");
            assert_eq!(job["needs"], json!(["package", "what-if"]), "{name}");
            assert!(runs.contains("--from-package target/package/aks-stop-guard.zip"), "{name}");
        }
    }
    assert!(deploy["jobs"]["what-if"]["steps"].to_string().contains("azd provision --preview"));
    assert_eq!(deploy["on"].as_object().unwrap().keys().collect::<Vec<_>>(), ["workflow_dispatch"]);
}

#[test]
fn actions_are_pinned_to_commits_or_named_for_pinning_and_leave_no_credentials_behind() {
    let mut pinned = 0;
    for (file, workflow) in workflows() {
        for step in jobs(&workflow).flat_map(|(_, job)| steps(job)) {
            let Some(action) = step["uses"].as_str() else { continue };
            let commit = action.split_once('@').unwrap().1;
            let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit || BY_VERSION.contains(&action), "{file}: {action}");
            pinned += usize::from(is_commit);
            if action.starts_with("actions/checkout@") {
                assert_eq!(step["with"]["persist-credentials"], false, "{file}");
            }
        }
    }
    assert!(pinned >= 5, "{pinned}");
}
