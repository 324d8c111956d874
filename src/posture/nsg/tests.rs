use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ID: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/MC_rg_aks_westeurope/providers/Microsoft.Network/networkSecurityGroups/aks-agentpool-1-nsg";

/// An inbound rule as Azure writes it: unused members are `""` or `[]`.
fn rule(name: &str, priority: u32, access: &str, source: &str, port: &str) -> Value {
    json!({ "name": name, "properties": {
        "protocol": "Tcp", "access": access, "priority": priority, "direction": "Inbound",
        "sourcePortRange": "*", "sourcePortRanges": [],
        "sourceAddressPrefix": source, "sourceAddressPrefixes": [],
        "destinationPortRange": port, "destinationPortRanges": [],
        "destinationAddressPrefix": "*", "destinationAddressPrefixes": [],
    }})
}

fn with(mut rule: Value, member: &str, value: Value) -> Value {
    rule["properties"][member] = value;
    rule
}

fn findings(rules: &[Value]) -> Vec<Finding> {
    let body = json!({ "id": ID, "properties": { "securityRules": rules, "defaultSecurityRules": [] } });
    Nsg::read(&body).unwrap().findings()
}

fn seen(rules: &[Value]) -> Vec<String> {
    findings(rules).into_iter().map(|finding| finding.seen).collect()
}

#[test]
fn a_rule_is_open_however_it_writes_the_internet() {
    for source in ["*", "Internet", "internet", "Any", "0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1"] {
        let found = findings(&[rule("ssh", 100, "Allow", source, "22")]);
        assert_eq!(found.len(), 1, "{source}");
        assert_eq!(found[0].severity, Severity::High, "{source}");
        let many =
            with(rule("ssh", 100, "Allow", "", "22"), "sourceAddressPrefixes", json!(["10.0.0.0/8", source]));
        assert_eq!(findings(&[many]).len(), 1, "plural {source}");
    }
}

#[test]
fn what_is_not_the_internet_is_not_open() {
    for source in
        ["VirtualNetwork", "AzureLoadBalancer", "10.0.0.0/8", "203.0.113.0/24", "AzureFrontDoor.Backend", ""]
    {
        assert_eq!(seen(&[rule("x", 100, "Allow", source, "*")]), Vec::<String>::new(), "{source}");
    }
    assert!(seen(&[rule("x", 100, "Deny", "*", "*")]).is_empty());
    assert!(seen(&[with(rule("out", 100, "Allow", "*", "*"), "direction", json!("Outbound"))]).is_empty());
    // Sources that are application security groups name machines of one's own.
    let group =
        with(rule("asg", 100, "Allow", "", "22"), "sourceApplicationSecurityGroups", json!([{ "id": "x" }]));
    assert!(seen(&[group]).is_empty());
}

#[test]
fn an_earlier_deny_takes_its_ports_away_and_a_later_one_takes_nothing() {
    let allow = || rule("web", 200, "Allow", "Internet", "20-90");
    let deny = |priority| rule("no-ssh", priority, "Deny", "*", "22");
    insta::assert_snapshot!(seen(&[allow(), deny(100)])[0], @"inbound rule `web` of `aks-agentpool-1-nsg` lets Internet in: Tcp 20-21, 23-90 to *");
    insta::assert_snapshot!(seen(&[allow(), deny(300)])[0], @"inbound rule `web` of `aks-agentpool-1-nsg` lets Internet in: Tcp 20-90 to *");
    assert_eq!(
        findings(&[allow(), deny(100)])[0].severity,
        Severity::Medium,
        "no port to run machines by is left"
    );
    let parts =
        with(rule("both", 100, "Deny", "0.0.0.0/0", ""), "destinationPortRanges", json!(["20-50", "51-90"]));
    assert_eq!(
        seen(&[with(allow(), "sourceAddressPrefix", json!("0.0.0.0/0")), parts.clone()]),
        Vec::<String>::new()
    );
    assert_eq!(seen(&[allow(), parts]).len(), 1, "IPv6 is left");
}

#[test]
fn a_deny_that_does_not_cover_a_rule_for_sure_takes_nothing() {
    let allow = || rule("ssh", 200, "Allow", "*", "22");
    let deny = || rule("deny", 100, "Deny", "*", "22");
    assert!(seen(&[allow(), deny()]).is_empty());
    for (member, value) in [
        ("sourceAddressPrefix", json!("203.0.113.0/24")),
        ("sourceAddressPrefix", json!("AzureCloud")),
        ("sourcePortRange", json!("1000")),
        ("protocol", json!("Udp")),
        ("destinationAddressPrefix", json!("10.0.0.4")),
        ("destinationAddressPrefix", json!("VirtualNetwork")),
        ("destinationPortRange", json!("odd")),
        ("priority", json!(null)),
        ("direction", json!("Outbound")),
        ("access", json!("Audit")),
    ] {
        let open = findings(&[allow(), with(deny(), member, value.clone())]);
        assert!(open.iter().any(|found| found.check == Check::OpenRule), "{member} {value}");
    }
    let all = with(allow(), "protocol", json!("*"));
    assert_eq!(seen(&[all, deny()]).len(), 1, "the deny is about Tcp only");
}

#[test]
fn a_deny_covers_a_destination_within_its_own() {
    let allow =
        with(rule("one", 200, "Allow", "Internet", "443"), "destinationAddressPrefix", json!("10.1.2.3"));
    let deny =
        |to: &str| with(rule("deny", 100, "Deny", "Internet", "443"), "destinationAddressPrefix", json!(to));
    assert!(seen(&[allow.clone(), deny("10.0.0.0/8")]).is_empty());
    assert_eq!(seen(&[allow, deny("10.9.0.0/16")]).len(), 1);
}

#[test]
fn rules_that_aks_owns_are_told_apart_and_have_no_command() {
    let today =
        rule("k8s-azure-lb_allow_IPv4_556f7044ec033071ec0dfcf7cd85bc93", 500, "Allow", "Internet", "22");
    let before = rule("a0123456789abcdef0123456789abcde-TCP-80-Internet", 501, "Allow", "Internet", "80");
    for found in [findings(&[today]), findings(&[before])].concat() {
        assert_eq!((found.check, found.severity), (Check::AksRule, Severity::Low));
        assert!(found.commands.is_empty());
    }
    assert_eq!(
        findings(&[rule("alpha-TCP-80-Internet", 501, "Allow", "Internet", "80")])[0].check,
        Check::OpenRule
    );
}

#[test]
fn the_commands_name_the_rule_and_nothing_in_a_name_gets_out_of_its_word() {
    let found = findings(&[rule("x; reboot", 100, "Allow", "*", "*")]);
    insta::assert_snapshot!(found[0].commands.join("\n"), @"
    aks-stop-guard harden nsg-rule remove 'x; reboot' --nsg /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/MC_rg_aks_westeurope/providers/Microsoft.Network/networkSecurityGroups/aks-agentpool-1-nsg
    az network nsg rule delete --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group MC_rg_aks_westeurope --nsg-name aks-agentpool-1-nsg --name 'x; reboot'
    az network nsg rule update --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group MC_rg_aks_westeurope --nsg-name aks-agentpool-1-nsg --name 'x; reboot' --source-address-prefixes YOUR_IP_RANGES
    ");
}

#[test]
fn an_access_that_is_not_known_is_shown_as_it_is() {
    let found = findings(&[rule("odd", 100, "Audit", "*", "*")]);
    assert_eq!(
        (found[0].check, found[0].seen.as_str()),
        (Check::UnknownValue, "inbound rule `odd` has the access `Audit`")
    );
}

#[test]
fn the_recorded_group_is_read_and_is_closed() {
    let recorded: Value =
        serde_json::from_str(include_str!("../../../tests/azure/posture/nsg.json")).unwrap();
    let body = recorded["exchanges"].as_array().unwrap().iter().find(|exchange| {
        exchange["method"] == "GET" && exchange["body"]["properties"]["securityRules"].is_array()
    });
    assert!(Nsg::read(&body.unwrap()["body"]).unwrap().findings().is_empty());
}

proptest! {
    /// The truth, packet by packet: the first rule that fits decides.
    #[test]
    fn what_is_said_to_be_closed_is_closed_for_every_packet(
        rules in proptest::collection::vec(
            (1u32..20, any::<bool>(), 0usize..4, 0usize..3, 0u16..30, 0u16..30), 0..6),
        port in 0u16..30, from in 0usize..3, by_udp in any::<bool>(),
    ) {
        const SOURCES: [&str; 4] = ["*", "0.0.0.0/0", "Internet", "203.0.113.0/24"];
        const PROTOCOLS: [&str; 3] = ["Tcp", "Udp", "*"];
        let bodies: Vec<Value> = rules.iter().enumerate().map(|(at, (priority, allow, source, protocol, a, b))| {
            let priority = priority * 10 + u32::try_from(at).unwrap();
            let access = if *allow { "Allow" } else { "Deny" };
            let ports = format!("{}-{}", a.min(b), a.max(b));
            let made = rule(&format!("r{at}"), priority, access, SOURCES[*source], &ports);
            with(made, "protocol", json!(PROTOCOLS[*protocol]))
        }).collect();
        // A packet from somewhere in the internet, from the documentation's range, and by IPv6.
        let fits = |rule: &Value| {
            let p = &rule["properties"];
            let source = p["sourceAddressPrefix"].as_str().unwrap();
            let from_there = match from {
                0 => source != "203.0.113.0/24",
                1 => true,
                _ => ["*", "Internet"].contains(&source),
            };
            let protocol = p["protocol"].as_str().unwrap();
            let (first, last) = p["destinationPortRange"].as_str().unwrap().split_once('-').unwrap();
            let in_range = (first.parse::<u16>().unwrap()..=last.parse().unwrap()).contains(&port);
            from_there && in_range && (protocol == "*" || (protocol == "Udp") == by_udp)
        };
        let mut by_priority = bodies.clone();
        by_priority.sort_by_key(|rule| rule["properties"]["priority"].as_u64());
        let first = by_priority.iter().find(|rule| fits(rule));
        let gets_in = first.is_some_and(|rule| rule["properties"]["access"] == "Allow");
        let by_wide_rule = first.is_some_and(|rule| rule["properties"]["sourceAddressPrefix"] != "203.0.113.0/24");
        if gets_in && by_wide_rule {
            let named = format!("`{}`", first.unwrap()["name"].as_str().unwrap());
            prop_assert!(seen(&bodies).iter().any(|seen| seen.contains(&named)), "{named}");
        }
    }

    #[test]
    fn no_body_makes_the_reader_panic(word in "\\PC{0,20}", number in any::<i64>()) {
        for value in [json!(word), json!(number), json!([word]), json!({ word.as_str(): number }), json!(null)] {
            for member in ["sourceAddressPrefix", "priority", "destinationPortRanges", "access", "protocol", "direction"] {
                let _ = seen(&[with(rule("r", 1, "Allow", "*", "*"), member, value.clone())]);
            }
        }
    }
}
