//! A rule of a network security group that keeps the internet out of some ports.

use serde_json::{Map, Value, json};

use super::item::ItemError;
use super::judged::{Change, Judged, Verb};
use super::nsg_rule::{NsgRule, in_words};
use crate::domain::text;
use crate::posture::read::{at, rows, word, words};
use crate::posture::{Admission, Ports, admission};

/// Priorities that a rule can have (source: Azure docs, "Network security groups: Security rules"). The lowest number is tried first.
const PRIORITIES: std::ops::RangeInclusive<u32> = 100..=4096;
/// Most ranges of ports in one rule here; Azure takes more.
const RANGES_MAX: usize = 100;
/// Longest part of an argument that an error quotes, in characters.
const QUOTED_CHARS_MAX: usize = 60;
/// Most rules that are named.
const NAMED_MAX: usize = 5;
const COST: &str = "Free. The internet is cut off from these ports at once, connections that are open now included or not. AKS's support policy \
                    asks to leave the groups in a node resource group alone: better is the group of a subnet of your own.";

/// Which packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// All.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A rule that denies what comes in from the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyRule {
    rule: NsgRule,
    protocol: Protocol,
    /// As they are written, in order.
    ranges: Vec<String>,
    ports: Ports,
    priority: Option<u32>,
}

impl Protocol {
    /// As a rule writes it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Any => "*",
            Self::Tcp => "Tcp",
            Self::Udp => "Udp",
        }
    }
}

impl DenyRule {
    /// Says which ports, by which protocol; without a priority, it gets the last free one that is before all rules that let the internet in there.
    ///
    /// # Errors
    /// In words: something else than `*`, a port or a range of them, too many, or a priority that Azure doesn't take.
    pub fn new(
        rule: NsgRule,
        ports: &[String],
        protocol: Protocol,
        priority: Option<u32>,
    ) -> Result<Self, String> {
        if ports.is_empty() || ports.len() > RANGES_MAX {
            return Err(format!("give 1 to {RANGES_MAX} ports or ranges of ports"));
        }
        let parsed = |text: &String| {
            let quoted = text::clean(text, QUOTED_CHARS_MAX);
            Ports::parse(text)
                .ok_or_else(|| format!("`{quoted}` is no port: give one like `22`, `8000-8080` or `*`"))
        };
        let parsed: Vec<Ports> = ports.iter().map(parsed).collect::<Result<_, String>>()?;
        if let Some(wrong) = priority.filter(|priority| !PRIORITIES.contains(priority)) {
            let (first, last) = (PRIORITIES.start(), PRIORITIES.end());
            return Err(format!("a priority is between {first} and {last}, not `{wrong}`"));
        }
        let all = parsed.iter().fold(Ports::default(), |all, one| all.with(one));
        let ranges = ports.iter().map(|text| text.split_whitespace().collect()).collect();
        Ok(Self { rule, protocol, ranges, ports: all, priority })
    }

    /// Which rule of which group it is.
    pub fn rule(&self) -> &NsgRule {
        &self.rule
    }

    pub(super) fn judge(&self, read: Option<&[u8]>) -> Result<Judged, ItemError> {
        let Some(read) = read else { return Ok(self.rule.no_group()) };
        let group: Value = serde_json::from_slice(read)?;
        at(&group, &["properties"]).ok_or(ItemError::OtherShape)?;
        let own = match self.rule.find(&group) {
            Ok(own) => own,
            Err(hindered) => return Ok(hindered),
        };
        let neighbours = Neighbours::of(self, &group);
        if let Some(own) = own.filter(|own| self.is(own))
            && let Some(priority) = priority_of(own)
            && self.priority.map_or(neighbours.none_is_before(priority), |wanted| wanted == priority)
        {
            return Ok(Judged::Already(self.in_words(priority) + &neighbours.in_words(priority)));
        }
        let priority =
            match self.priority.map_or_else(|| neighbours.free(), |given| neighbours.checked(given)) {
                Ok(priority) => priority,
                Err(why) => return Ok(Judged::Refused(why)),
            };
        Ok(Judged::Change(Change {
            now: own.map_or_else(|| format!("there is no rule `{}`", self.rule.name()), in_words),
            then: self.in_words(priority) + &neighbours.in_words(priority),
            cost: COST,
            verb: Verb::Put,
            body: Some(self.body(priority).to_string()),
            if_match: own.and_then(|own| at(own, &["etag"])?.as_str()).map(str::to_owned),
        }))
    }

    /// Whether a rule is this one, its priority apart.
    fn is(&self, rule: &Value) -> bool {
        let is = |name: &str, wanted: &str| {
            word(rule, &["properties", name]).is_some_and(|own| own.eq_ignore_ascii_case(wanted))
        };
        // Singular and plural are alternatives; the unused one is "" or [].
        let all = |one: &str, many: &str| -> Vec<String> {
            let one = word(rule, &["properties", one]).into_iter();
            one.chain(words(rule, &["properties", many])).collect()
        };
        let only = |one: &str, many: &str, wanted: &str| matches!(all(one, many).as_slice(), [own] if own.eq_ignore_ascii_case(wanted));
        let ports: Option<Vec<Ports>> = all("destinationPortRange", "destinationPortRanges")
            .iter()
            .map(|text| Ports::parse(text))
            .collect();
        let ports = ports.map(|all| all.iter().fold(Ports::default(), |all, one| all.with(one)));
        is("direction", "Inbound")
            && is("access", "Deny")
            && is("protocol", self.protocol.as_str())
            && only("sourceAddressPrefix", "sourceAddressPrefixes", "Internet")
            && only("sourcePortRange", "sourcePortRanges", "*")
            && only("destinationAddressPrefix", "destinationAddressPrefixes", "*")
            && rows(rule, &["properties", "destinationApplicationSecurityGroups"]).is_empty()
            && ports.as_ref() == Some(&self.ports)
    }

    fn in_words(&self, priority: u32) -> String {
        let (protocol, ports) = (self.protocol.as_str(), self.ranges.join(", "));
        format!("Inbound Deny {protocol} from Internet to * port {ports}, priority {priority}")
    }

    fn body(&self, priority: u32) -> Value {
        let mut properties = Map::new();
        let mut set = |name: &str, value: Value| drop(properties.insert(name.to_owned(), value));
        set("direction", json!("Inbound"));
        set("access", json!("Deny"));
        set("priority", json!(priority));
        set("protocol", json!(self.protocol.as_str()));
        set("sourceAddressPrefix", json!("Internet"));
        set("sourcePortRange", json!("*"));
        set("destinationAddressPrefix", json!("*"));
        match self.ranges.as_slice() {
            [only] => set("destinationPortRange", json!(only)),
            several => set("destinationPortRanges", json!(several)),
        }
        json!({ "properties": properties })
    }
}

/// The other inbound rules of the group, as far as they matter here.
struct Neighbours {
    /// All priorities that are taken, with whose they are.
    taken: Vec<(u32, String)>,
    /// Rules that let somebody in to these ports, the internet or others, in the order in which they are tried.
    admitting: Vec<(u32, String, Admission)>,
}

impl Neighbours {
    fn of(deny: &DenyRule, group: &Value) -> Self {
        let (mut taken, mut admitting) = (Vec::new(), Vec::new());
        for rule in
            rows(group, &["properties", "securityRules"]).iter().filter(|rule| !deny.rule.is_named(rule))
        {
            let inbound = word(rule, &["properties", "direction"]);
            if !inbound.is_some_and(|direction| direction.eq_ignore_ascii_case("Inbound")) {
                continue;
            }
            let Some(priority) = priority_of(rule) else { continue };
            let name = word(rule, &["name"]).unwrap_or_else(|| "?".to_owned());
            taken.push((priority, name.clone()));
            match admission(rule, deny.protocol.as_str(), &deny.ports) {
                Admission::Nobody => {}
                whom @ (Admission::Some | Admission::Internet) => admitting.push((priority, name, whom)),
            }
        }
        admitting.sort_by_key(|(priority, ..)| *priority);
        Self { taken, admitting }
    }

    /// The first rule that lets the internet in.
    fn open(&self) -> Option<&(u32, String, Admission)> {
        self.admitting.iter().find(|(.., whom)| *whom == Admission::Internet)
    }

    fn none_is_before(&self, priority: u32) -> bool {
        self.open().is_none_or(|(open, ..)| priority < *open)
    }

    /// A priority that was given, unless another rule has it.
    fn checked(&self, given: u32) -> Result<u32, String> {
        match self.taken.iter().find(|(taken, _)| *taken == given) {
            Some((_, name)) => {
                Err(format!("the priority {given} is that of the rule `{name}`: give another one, or none"))
            }
            None => Ok(given),
        }
    }

    /// The last free priority before the rules that let the internet in: those that let only some in stay before it where they are.
    fn free(&self) -> Result<u32, String> {
        let is_free = |priority: &u32| !self.taken.iter().any(|(taken, _)| taken == priority);
        let before = |priority: &u32| self.none_is_before(*priority);
        PRIORITIES.rev().filter(before).find(is_free).ok_or_else(|| match self.open() {
            Some((open, name, _)) => format!(
                "no priority is free before the rule `{name}` ({open}), which lets the internet in: remove that one, or give --priority"
            ),
            None => "no priority is free".to_owned(),
        })
    }

    /// What is tried before a rule of that priority and makes it worth nothing, and what is tried after it and may be cut off.
    fn in_words(&self, priority: u32) -> String {
        let named = |of: &dyn Fn(&(u32, String, Admission)) -> bool| {
            let names = self.admitting.iter().filter(|one| of(one));
            let mut names: Vec<String> = names.map(|(at, name, _)| format!("`{name}` ({at})")).collect();
            let more = names.len().saturating_sub(NAMED_MAX);
            names.truncate(NAMED_MAX);
            let names = names.join(", ");
            if more > 0 { format!("{names} and {more} more") } else { names }
        };
        let before = named(&|(at, _, whom)| *at < priority && *whom == Admission::Internet);
        let after = named(&|(at, ..)| *at > priority);
        let mut told = String::new();
        if !before.is_empty() {
            told.push_str(&format!("; in vain, since this lets the internet in before it: {before}"));
        }
        if !after.is_empty() {
            told.push_str(&format!("; it goes before these, which let in: {after}"));
        }
        told
    }
}

fn priority_of(rule: &Value) -> Option<u32> {
    at(rule, &["properties", "priority"]).and_then(Value::as_u64)?.try_into().ok()
}
