//! A simulated Azure, and `harden` run against it as people run it.

use std::path::Path;
use std::process::Stdio;

use jiff::SignedDuration;
use serde_json::Value;
use simulator::http::{Azure, now};
use simulator::sink::Receiver;
use simulator::world::{
    AssignedIdentity, Caller, ClusterId, Fault, FaultRule, NetworkRule, NewCluster, RequestKind, Settings,
};
use tokio::process::Command;

use crate::done::Done;

pub(crate) const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
pub(crate) const WORKSPACE: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main";
pub(crate) const AKS_RULE: &str = "k8s-azure-lb_allow_IPv4_556f7044ec033071ec4dcb12345678ab";
pub(crate) const ACT: (&str, &str) = ("STOP_GUARD_MODE", "act");
/// As fast as the command can be: its Azure is faster still.
const SPEED_UP: &str = "100";
const WRITES: [RequestKind; 7] = [
    RequestKind::PutPlan,
    RequestKind::PutWorkspace,
    RequestKind::PutCollectionRule,
    RequestKind::PutAssociation,
    RequestKind::DeleteRule,
    RequestKind::PutRule,
    RequestKind::PutCluster,
];

impl Done {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect("it is JSON")
    }
}

/// One cluster whose network lets SSH in, in a subscription without the Defender plan. Its Azure is 600 times as fast as the real one.
pub(crate) struct Theatre {
    pub(crate) azure: Azure,
    pub(crate) cluster: ClusterId,
    pub(crate) nsg: String,
}

impl Theatre {
    pub(crate) async fn new() -> Self {
        let settings = Settings { speed_up: 600, ..Settings::default() };
        let azure = Azure::serve(settings, Receiver::default(), 0).await.unwrap();
        let cluster = ClusterId::new(SUBSCRIPTION, "rg-prod", "aks-1");
        let nsg = {
            let mut world = azure.world();
            world.assign_identity(AssignedIdentity { caller: operator(), user_assigned: false });
            world.create_cluster(NewCluster::new(cluster.clone()), now()).unwrap();
            let nsg = world.cluster(&cluster).unwrap().network_group();
            let estate = world.estate_mut();
            estate.rule_works_last = SignedDuration::from_secs(10);
            estate.add_rule(&nsg, NetworkRule::new("ssh", 200, true, "Internet", "22"));
            estate.add_rule(&nsg, NetworkRule::new(AKS_RULE, 500, true, "Internet", "443"));
            estate.set_plan(
                &format!("/subscriptions/{SUBSCRIPTION}"),
                "Free",
                &[("ContainerSensor", false), ("AgentlessDiscoveryForKubernetes", false)],
            );
            nsg
        };
        Self { azure, cluster, nsg }
    }

    pub(crate) async fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Done {
        let output = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .arg("harden")
            .args(arguments)
            .env_clear()
            .envs(self.azure.asked_by())
            .env("STOP_GUARD_SPEED_UP", SPEED_UP)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("the binary runs");
        Done::of(output)
    }

    pub(crate) async fn plan(&self, arguments: &[&str]) -> Done {
        self.run(arguments, &[]).await
    }

    pub(crate) async fn apply(&self, arguments: &[&str]) -> Done {
        self.run(&[arguments, &["--apply", "--yes"]].concat(), &[ACT]).await
    }

    /// A text of the command, with the port of this Azure left out.
    pub(crate) fn told(&self, text: &str) -> String {
        text.replace(self.azure.url(), "<azure>")
    }

    pub(crate) fn writes(&self) -> usize {
        let world = self.azure.world();
        WRITES.iter().map(|kind| world.journal().requests(*kind, None)).sum()
    }

    pub(crate) fn fault(&self, fault: Fault, on: RequestKind) {
        self.azure.world().add_fault(FaultRule { fault, on: Some(on), cluster: None, times: Some(1) });
    }

    pub(crate) fn remove_ssh(&self) -> [&str; 5] {
        ["nsg-rule", "remove", "ssh", "--nsg", &self.nsg]
    }

    pub(crate) fn has_ssh(&self) -> bool {
        self.azure.world().estate_mut().has_rule(&self.nsg, "ssh")
    }
}

pub(crate) fn operator() -> Caller {
    Caller::system_identity("operator", "/subscriptions/x/operator")
}

pub(crate) const DEFENDER: [&str; 3] = ["defender-plan", "--subscription", SUBSCRIPTION];
