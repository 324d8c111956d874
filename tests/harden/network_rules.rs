//! Rules of network security groups.

use simulator::world::{Fault, RequestKind};

use crate::theatre::{AKS_RULE, Theatre};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_is_removed_and_done_means_that_it_is_gone() {
    let theatre = Theatre::new().await;
    let done = theatre.apply(&theatre.remove_ssh()).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    assert!(done.out.contains(": done: `aks-agentpool-12345678-nsg` has no rule `ssh`"), "{}", done.out);
    assert!(!theatre.has_ssh());
    let again = theatre.apply(&theatre.remove_ssh()).await;
    assert!(again.code == 0 && again.out.contains(": already so: "), "{}", again.out);
    assert_eq!(theatre.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_of_aks_and_of_azure_are_never_removed() {
    let theatre = Theatre::new().await;
    for (rule, why) in [
        (AKS_RULE.to_owned(), "AKS owns the rule"),
        (AKS_RULE.to_uppercase(), "AKS owns the rule"),
        ("a0123456789abcdef0123456789abcde-TCP-80-Internet".to_owned(), "AKS owns the rule"),
        ("DenyAllInBound".to_owned(), "one of Azure's default rules"),
    ] {
        let done = theatre.apply(&["nsg-rule", "remove", &rule, "--nsg", &theatre.nsg]).await;
        assert_eq!(done.code, 1, "{rule}");
        assert!(done.out.contains(": refused: ") && done.out.contains(why), "{}", done.out);
    }
    let gone = theatre.apply(&["nsg-rule", "remove", "ssh", "--nsg", &format!("{}x", theatre.nsg)]).await;
    assert!(gone.code == 1 && gone.out.contains("there is no network security group"), "{}", gone.out);
    assert_eq!(theatre.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_keeps_the_internet_out_is_put_before_what_lets_it_in() {
    let theatre = Theatre::new().await;
    let add = ["nsg-rule", "add", "no-ssh", "--nsg", &theatre.nsg, "--port", "22"];
    let done = theatre.plan(&add).await;
    insta::assert_snapshot!(theatre.told(&done.out), @r#"
    nsg-rule, no-ssh in aks-agentpool-12345678-nsg (MC_rg-prod_aks-1_westeurope): would be changed
      now   there is no rule `no-ssh`
      then  Inbound Deny * from Internet to * port 22, priority 199; it goes before these, which let in: `ssh` (200)
      cost  Free. The internet is cut off from these ports at once, connections that are open now included or not. AKS's support policy asks to leave the groups in a node resource group alone: better is the group of a subnet of your own.
      send  PUT <azure>/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/MC_rg-prod_aks-1_westeurope/providers/Microsoft.Network/networkSecurityGroups/aks-agentpool-12345678-nsg/securityRules/no-ssh?api-version=2024-05-01
            {"properties":{"direction":"Inbound","access":"Deny","priority":199,"protocol":"*","sourceAddressPrefix":"Internet","sourcePortRange":"*","destinationAddressPrefix":"*","destinationPortRange":"22"}}
    Nothing was sent. --apply sends it.
    "#);
    let done = theatre.apply(&add).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    assert!(
        done.out.contains(": done: Inbound Deny * from Internet to * port 22, priority 199"),
        "{}",
        done.out
    );
    let again = theatre.apply(&add).await;
    assert!(again.code == 0 && again.out.contains(": already so: "), "{}", again.out);
    assert_eq!(theatre.writes(), 1);

    // Another place and more ports: the rule is replaced, and what it was is shown.
    let wider = [&add[..], &["3389", "--protocol", "tcp", "--priority", "300"]].concat();
    let done = theatre.plan(&[&wider[..], &["-o", "json"]].concat()).await.json();
    let plan = &done[0]["plan"];
    assert_eq!(plan["now"], "Inbound Deny * from Internet to * port 22, priority 199");
    assert_eq!(
        plan["then"],
        "Inbound Deny Tcp from Internet to * port 22, 3389, priority 300; in vain, since this lets the internet in before it: `ssh` (200)"
    );
    assert!(plan["if_match"].as_str().unwrap().starts_with("W/"), "{plan}");
    let done = theatre.apply(&wider).await;
    assert!(done.code == 0 && done.out.contains(": done: Inbound Deny Tcp"), "{}", done.out);
    let rule = theatre.azure.world().estate_mut().rule(&theatre.nsg, "no-ssh").unwrap().clone();
    assert_eq!((rule.priority, rule.ports), (300, vec!["22".to_owned(), "3389".to_owned()]));

    theatre.fault(Fault::Changed, RequestKind::PutRule);
    let done = theatre.apply(&add).await;
    assert!(
        done.code == 1 && done.out.contains("it was changed meanwhile, nothing was written"),
        "{}",
        done.out
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_is_not_added_under_a_name_or_a_priority_that_is_anothers() {
    let theatre = Theatre::new().await;
    for (name, priority, why) in [
        (AKS_RULE, "300", "AKS owns the rule"),
        ("denyallinbound", "300", "one of Azure's default rules"),
        ("no-ssh", "200", "the priority 200 is that of the rule `ssh`"),
    ] {
        let add = ["nsg-rule", "add", name, "--nsg", &theatre.nsg, "--port", "22", "--priority", priority];
        let done = theatre.apply(&add).await;
        assert!(done.code == 1 && done.out.contains(why), "{}", done.out);
    }
    for (port, priority) in [("22-1", "300"), ("ssh", "300"), ("65536", "300"), ("22", "99"), ("22", "4097")]
    {
        let add = ["nsg-rule", "add", "x", "--nsg", &theatre.nsg, "--port", port, "--priority", priority];
        assert_eq!(theatre.plan(&add).await.code, 2, "{port} {priority}");
    }
    assert_eq!(theatre.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_azure_began_and_failed_is_told() {
    let theatre = Theatre::new().await;
    theatre.azure.world().estate_mut().rule_works_fail = true;
    let done = theatre.apply(&theatre.remove_ssh()).await;
    assert_eq!(done.code, 1);
    assert!(
        done.out.contains(": failed: azure began and failed: ") && done.out.contains("InternalServerError"),
        "{}",
        done.out
    );
    assert!(theatre.has_ssh());
}
