//! Network security groups: which inbound rules let the internet in.
//!
//! Rules are tried by priority, the lowest number first, and the first that fits decides (source: Azure docs, "Network security groups:
//! Security rules"). So what an earlier deny takes away from a rule is not open. Where it can't be told whether a deny covers a rule, it
//! is taken not to.

use serde_json::Value;

use super::cidr::Cidr;
use super::finding::{Check, Finding};
use super::ports::Ports;
use super::read::{rows, word, words};
use super::shell::command;
use crate::domain::{ResourceId, Severity};

/// How the rules begin that AKS's cloud controller writes for Services (source: kubernetes-sigs/cloud-provider-azure,
/// `k8s-azure-lb_allow_IPv4_<hash>`). Anybody may name a rule so.
const AKS_PREFIX: &str = "k8s-azure-lb_";
/// Ports through which a machine or a cluster is run: SSH, RDP, WinRM, etcd, the API server, the kubelet.
const RUNNING_PORTS: [u16; 9] = [22, 2_379, 2_380, 3_389, 5_985, 5_986, 6_443, 10_250, 10_255];
/// Most sources of one rule that are shown.
const SOURCES_SHOWN: usize = 3;

/// A network security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nsg {
    pub(super) id: ResourceId,
    inbound: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    Allow,
    Deny,
    Other(String),
}

/// What a rule is about; what it leaves out is in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
    Other,
}

impl Protocol {
    /// Those that a word of a rule stands for.
    fn all_of(word: &str) -> Vec<Self> {
        match word.to_ascii_lowercase().as_str() {
            "*" | "any" => vec![Self::Tcp, Self::Udp, Self::Other],
            "tcp" => vec![Self::Tcp],
            "udp" => vec![Self::Udp],
            _ => vec![Self::Other],
        }
    }
}

/// Whom a rule lets in to some ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Nobody.
    Nobody,
    /// Some, but not the internet as a whole.
    Some,
    /// The internet.
    Internet,
}

/// Whom a rule lets in by this protocol to any of these ports. What of it can't be read may be meant for them.
pub(crate) fn admission(rule: &Value, protocol: &str, ports: &Ports) -> Admission {
    let own = Rule::read(rule);
    let fits = Protocol::all_of(protocol).iter().any(|one| own.protocols.contains(one))
        && ports.meets(&own.all_ports());
    if !is_inbound(rule) || own.access != Access::Allow || !fits {
        Admission::Nobody
    } else if own.internet_sources().is_empty() {
        Admission::Some
    } else {
        Admission::Internet
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    name: String,
    priority: Option<i64>,
    access: Access,
    protocols: Vec<Protocol>,
    protocol: String,
    sources: Vec<String>,
    source_ports: Vec<String>,
    destinations: Vec<String>,
    ports: Vec<String>,
}

/// A rule that is open, as far as earlier denies leave it.
struct Open<'a> {
    rule: &'a Rule,
    ports: Ports,
    has_ports: bool,
    sources: Vec<&'a str>,
}

impl Nsg {
    /// Reads one; `None` if it has no id that can be asked for.
    pub(super) fn read(body: &Value) -> Option<Self> {
        let id = ResourceId::parse(body.get("id")?.as_str()?).ok()?;
        let own = rows(body, &["properties", "securityRules"]).iter();
        let inbound = own.filter(|rule| is_inbound(rule)).map(Rule::read).collect();
        Some(Self { id, inbound })
    }

    /// What is found in it.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.inbound.iter().filter_map(|rule| self.judge(rule)).collect()
    }

    fn judge(&self, rule: &Rule) -> Option<Finding> {
        match &rule.access {
            Access::Deny => None,
            Access::Other(word) => {
                let seen = format!("inbound rule `{}` has the access `{word}`", rule.name);
                Some(Finding::new(Check::UnknownValue, &self.id, &seen))
            }
            Access::Allow => self.open(rule).map(|open| self.finding(&open)),
        }
    }

    /// What of a rule the internet can use.
    fn open<'a>(&self, rule: &'a Rule) -> Option<Open<'a>> {
        let denies: Vec<&Rule> = self.inbound.iter().filter(|other| other.is_deny_before(rule)).collect();
        let mut open = Open { rule, ports: Ports::default(), has_ports: false, sources: Vec::new() };
        for (source, ranges) in rule.internet_sources() {
            let mut is_open = false;
            for range in ranges {
                for protocol in &rule.protocols {
                    for destination in rule.destinations() {
                        let takes = denies.iter().filter(|deny| deny.covers(range, *protocol, destination));
                        let left =
                            takes.fold(rule.all_ports(), |left, deny| left.without(&deny.certain_ports()));
                        is_open |= !left.is_empty();
                        if *protocol != Protocol::Other && !left.is_empty() {
                            open.has_ports = true;
                            open.ports = open.ports.with(&left);
                        }
                    }
                }
            }
            if is_open {
                open.sources.push(source);
            }
        }
        (!open.sources.is_empty()).then_some(open)
    }

    fn finding(&self, open: &Open<'_>) -> Finding {
        let rule = open.rule;
        let what = if open.has_ports { open.ports.to_string() } else { "no ports".to_owned() };
        let mut sources = open.sources.iter().take(SOURCES_SHOWN).copied().collect::<Vec<_>>().join(", ");
        if open.sources.len() > SOURCES_SHOWN {
            sources.push_str(&format!(" and {} more", open.sources.len() - SOURCES_SHOWN));
        }
        let seen = format!(
            "inbound rule `{}` of `{}` lets {sources} in: {} {what} to {}",
            rule.name,
            self.id.name(),
            rule.protocol,
            rule.destinations().first().copied().unwrap_or("*")
        );
        if is_rule_of_aks(&rule.name) {
            return Finding::new(Check::AksRule, &self.id, &seen);
        }
        let runs_machines = RUNNING_PORTS.iter().any(|port| open.ports.has(*port));
        let severity = match (open.has_ports, runs_machines) {
            (true, true) => Severity::High,
            (true, false) => Severity::Medium,
            (false, _) => Severity::Low,
        };
        let (group, name) = (self.id.resource_group(), self.id.name());
        let subscription = self.id.subscription().as_str();
        let place = [
            "--subscription",
            subscription,
            "--resource-group",
            group,
            "--nsg-name",
            name,
            "--name",
            &rule.name,
        ];
        Finding::new(Check::OpenRule, &self.id, &seen)
            .severity(severity)
            .command(command(
                "aks-stop-guard harden nsg-rule remove",
                &[&rule.name, "--nsg", &self.id.to_string()],
            ))
            .command(command("az network nsg rule delete", &place))
            .command(command(
                "az network nsg rule update",
                &[&place[..], &["--source-address-prefixes", "YOUR_IP_RANGES"]].concat(),
            ))
    }
}

fn is_inbound(rule: &Value) -> bool {
    word(rule, &["properties", "direction"]).is_some_and(|word| word.eq_ignore_ascii_case("Inbound"))
}

impl Rule {
    fn read(body: &Value) -> Self {
        let of = |name: &str| word(body, &["properties", name]);
        // Singular and plural are alternatives; the unused one is "" or [].
        let all = |one: &str, many: &str| -> Vec<String> {
            of(one).into_iter().chain(words(body, &["properties", many])).collect()
        };
        let access = of("access").unwrap_or_default();
        let protocol = of("protocol").unwrap_or_else(|| "*".to_owned());
        let groups = rows(body, &["properties", "destinationApplicationSecurityGroups"]).iter();
        let mut destinations = all("destinationAddressPrefix", "destinationAddressPrefixes");
        destinations.extend(groups.filter_map(|group| word(group, &["id"])));
        Self {
            name: word(body, &["name"]).unwrap_or_default(),
            priority: super::read::at(body, &["properties", "priority"]).and_then(Value::as_i64),
            access: match access.to_ascii_lowercase().as_str() {
                "allow" => Access::Allow,
                "deny" => Access::Deny,
                _ => Access::Other(access),
            },
            protocols: Protocol::all_of(&protocol),
            protocol,
            sources: all("sourceAddressPrefix", "sourceAddressPrefixes"),
            source_ports: all("sourcePortRange", "sourcePortRanges"),
            destinations,
            ports: all("destinationPortRange", "destinationPortRanges"),
        }
    }

    fn is_deny_before(&self, other: &Self) -> bool {
        let is_before = match (self.priority, other.priority) {
            (Some(own), Some(other)) => own < other,
            (Some(_), None) => true,
            (None, _) => false,
        };
        self.access == Access::Deny && is_before
    }

    /// The sources that are the internet, with the ranges of addresses that they stand for.
    fn internet_sources(&self) -> Vec<(&str, Vec<Cidr>)> {
        let ranges = |source: &str| match Cidr::parse(source) {
            Some(range) if range.is_internet() => vec![range],
            Some(_) => Vec::new(),
            None if is_anybody(source) || source.eq_ignore_ascii_case("Internet") => vec![Cidr::V4, Cidr::V6],
            None => Vec::new(),
        };
        let all = self.sources.iter().map(|source| (source.as_str(), ranges(source)));
        all.filter(|(_, ranges)| !ranges.is_empty()).collect()
    }

    /// Where it leads; one that says nothing leads everywhere.
    fn destinations(&self) -> Vec<&str> {
        if self.destinations.is_empty() {
            vec!["*"]
        } else {
            self.destinations.iter().map(String::as_str).collect()
        }
    }

    /// Whether a deny takes everything from this source, by this protocol, to this destination, on its ports.
    fn covers(&self, source: Cidr, protocol: Protocol, destination: &str) -> bool {
        // Any of several other protocols may be meant, so only a rule about all of them covers them.
        let by_protocol = match protocol {
            Protocol::Tcp | Protocol::Udp => self.protocols.contains(&protocol),
            Protocol::Other => self.protocols.len() > 1,
        };
        let is_from = |own: &String| {
            is_anybody(own)
                || own.eq_ignore_ascii_case("Internet")
                || Cidr::parse(own).is_some_and(|own| own.contains(source))
        };
        let is_to = |own: &String| {
            let inside = Cidr::parse(own).zip(Cidr::parse(destination));
            is_anybody(own)
                || own.eq_ignore_ascii_case(destination)
                || inside.is_some_and(|(own, destination)| own.contains(destination))
        };
        by_protocol
            && self.source_ports.iter().any(|ports| ports == "*")
            && self.sources.iter().any(is_from)
            && self.destinations.iter().any(is_to)
    }

    /// The ports that it may be about: what can't be read may be any.
    fn all_ports(&self) -> Ports {
        let ports = self.ports.iter().map(|text| Ports::parse(text).unwrap_or_else(Ports::all));
        ports.reduce(|all, one| all.with(&one)).unwrap_or_else(Ports::all)
    }

    /// The ports that it is about for sure.
    fn certain_ports(&self) -> Ports {
        self.ports
            .iter()
            .filter_map(|text| Ports::parse(text))
            .fold(Ports::default(), |all, one| all.with(&one))
    }
}

/// Whether AKS wrote a rule, by its name in any case: today's form, or that of older versions, which begins with the Service's id
/// (`a<31 hexadecimal digits>-TCP-80-Internet`).
pub(crate) fn is_rule_of_aks(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let old = name.split_once('-').is_some_and(|(id, _)| {
        id.len() == 32 && id.starts_with('a') && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    old || name.starts_with(AKS_PREFIX)
}

fn is_anybody(prefix: &str) -> bool {
    prefix == "*" || prefix.eq_ignore_ascii_case("Any")
}

#[cfg(test)]
mod tests;
