//! The simulator's ARM, checked by a client that nobody here wrote: `azure-mgmt-containerservice` from PyPI.
//!
//! What this cannot show: that Azure itself behaves so. It shows that a client made for Azure understands the simulator,
//! polling, error shapes and models included.

use std::path::{Path, PathBuf};
use std::time::Duration;

use simulator::http::Azure;
use simulator::sink::Receiver;
use simulator::world::{AssignedIdentity, Caller, ClusterId, Deed, NewCluster, Settings};
use tokio::process::Command;

/// Far more than the check needs, so that only a hang runs into it.
const CHECK_TIMEOUT: Duration = Duration::from_secs(120);

/// The interpreter with the packages of `tests/python-requirements.txt`.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("STOP_GUARD_TEST_PYTHON")
        .map_or_else(|| root.join(".venv/bin/python"), |given| root.join(PathBuf::from(given)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_azure_sdk_for_python_stops_starts_and_deletes_a_cluster() {
    let python = python();
    assert!(python.exists(), "no Python with the Azure SDK at `{}`: run make tools", python.display());
    // Azure's own durations: nothing ends before the check says so, however slow the machine is.
    let settings = Settings::default();
    let header = settings.identity_secret.clone();
    let azure = Azure::serve(settings, Receiver::default(), 0).await.unwrap();
    let id = ClusterId::new("aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e", "rg-prod-weu", "aks-prod-01");
    azure.world().create_cluster(NewCluster::new(id.clone()), simulator::http::now()).unwrap();
    let caller = Caller::system_identity("sdk", "/subscriptions/s/resourceGroups/g/providers/P/sites/sdk");
    azure.world().assign_identity(AssignedIdentity { caller, user_assigned: false });

    let check = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arm_sdk/check.py"))
        .args([azure.url(), &header, &id.to_string()])
        // A proxy of the machine must not come between loopback and loopback.
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(CHECK_TIMEOUT, check).await.expect("the check hangs").unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the SDK disagrees after\n{said}\n{complained}");

    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 9, "{said}");
    assert_eq!(azure.world().violations(), [], "the SDK is not a rude client");
    assert_eq!(azure.world().journal().accepted(Deed::Start, &id), 3);
    assert_eq!(azure.world().journal().accepted(Deed::Stop, &id), 2);
}
