//! Network security groups: their rules, and how these are written.
//!
//! A write or a deletion of a rule is answered at once and goes on in an operation of the network provider, whose body has a status and
//! nothing else. The etag of a group is that of all of its rules, and changes with every write (azure-cli recording `test_network_nsg`).

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::World;
use super::amend::{changed, invalid};
use super::answer::Draft;
use super::arm::Call;
use super::estate::Estate;

/// An inbound rule of a network security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRule {
    /// Its name.
    pub name: String,
    /// Its place in the order, 100 to 4096.
    pub priority: u32,
    /// Whether it lets in; else it keeps out.
    pub allows: bool,
    /// `Tcp`, `Udp` or `*`.
    pub protocol: String,
    /// From where.
    pub sources: Vec<String>,
    /// To which ports.
    pub ports: Vec<String>,
}

/// A write or a deletion of a rule.
#[derive(Debug, Clone)]
pub(super) struct RuleWork {
    group: String,
    rule: String,
    is_deletion: bool,
    ends: Timestamp,
    fails: bool,
    is_over: bool,
}

impl NetworkRule {
    /// A rule for one source and one range of ports, by TCP.
    pub fn new(name: &str, priority: u32, allows: bool, source: &str, port: &str) -> Self {
        let (sources, ports) = (vec![source.to_owned()], vec![port.to_owned()]);
        Self { name: name.to_owned(), priority, allows, protocol: "Tcp".to_owned(), sources, ports }
    }

    /// Reads a request. Only inbound rules to anywhere are known here.
    fn read(name: &str, body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let of = |member: &str| body.pointer(&format!("/properties/{member}"));
        let text = |member: &str| of(member).and_then(Value::as_str);
        let all = |one: &str, many: &str| -> Option<Vec<String>> {
            let many = of(many).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let all: Vec<String> = text(one).into_iter().chain(many).map(str::to_owned).collect();
            (!all.is_empty()).then_some(all)
        };
        let allows = text("access")?.eq_ignore_ascii_case("Allow");
        let is_known = text("direction")? == "Inbound"
            && text("sourcePortRange")? == "*"
            && text("destinationAddressPrefix")? == "*"
            && (allows || text("access")?.eq_ignore_ascii_case("Deny"));
        let priority =
            of("priority")?.as_u64()?.try_into().ok().filter(|place| (100..=4_096).contains(place))?;
        is_known.then_some(Self {
            name: name.to_owned(),
            priority,
            allows,
            protocol: text("protocol")?.to_owned(),
            sources: all("sourceAddressPrefix", "sourceAddressPrefixes")?,
            ports: all("destinationPortRange", "destinationPortRanges")?,
        })
    }

    /// As Azure writes it: one value in the singular member, several in the plural one, and the other `""` or `[]`.
    fn body(&self, group: &str, etag: &str, state: &str) -> Value {
        let one = |values: &[String]| match values {
            [only] => only.clone(),
            _ => String::new(),
        };
        let many = |values: &[String]| if values.len() == 1 { json!([]) } else { json!(values) };
        json!({
            "name": self.name,
            "id": format!("{group}/securityRules/{}", self.name),
            "etag": etag,
            "type": "Microsoft.Network/networkSecurityGroups/securityRules",
            "properties": {
                "provisioningState": state, "protocol": self.protocol, "direction": "Inbound", "priority": self.priority,
                "access": if self.allows { "Allow" } else { "Deny" },
                "sourcePortRange": "*", "sourcePortRanges": [],
                "sourceAddressPrefix": one(&self.sources), "sourceAddressPrefixes": many(&self.sources),
                "destinationPortRange": one(&self.ports), "destinationPortRanges": many(&self.ports),
                "destinationAddressPrefix": "*", "destinationAddressPrefixes": [],
            },
        })
    }
}

impl RuleWork {
    fn is_on(&self, group: &str, rule: &str) -> bool {
        self.group.eq_ignore_ascii_case(group) && self.rule.eq_ignore_ascii_case(rule)
    }
}

impl Estate {
    /// Adds an inbound rule to a network security group.
    pub fn add_rule(&mut self, group: &str, rule: NetworkRule) {
        self.rules.entry(group.to_ascii_lowercase()).or_default().push(rule);
    }

    /// Whether a group has a rule, by its name in any case.
    pub fn has_rule(&self, group: &str, rule: &str) -> bool {
        self.rule(group, rule).is_some()
    }

    /// A rule of a group, by its name in any case.
    pub fn rule(&self, group: &str, rule: &str) -> Option<&NetworkRule> {
        let rules = self.rules.get(&group.to_ascii_lowercase())?;
        rules.iter().find(|own| own.name.eq_ignore_ascii_case(rule))
    }

    /// A rule as it is answered, by its id.
    pub(super) fn shown_rule(&self, id: &str) -> Option<Value> {
        let segments: Vec<&str> = id.rsplitn(3, '/').collect();
        let [rule, _, group] = segments.as_slice() else { return None };
        let group = self.group(group);
        let rules = group.pointer("/properties/securityRules").and_then(Value::as_array)?;
        rules
            .iter()
            .find(|own| {
                own.get("name").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(rule))
            })
            .cloned()
    }

    /// Writes a rule. The answer is whether it is a new one; nothing if another one has its priority.
    fn put_rule(&mut self, group: &str, rule: NetworkRule) -> Option<bool> {
        let rules = self.rules.entry(group.to_ascii_lowercase()).or_default();
        let is_it = |own: &NetworkRule| own.name.eq_ignore_ascii_case(&rule.name);
        if rules.iter().any(|own| !is_it(own) && own.priority == rule.priority) {
            return None;
        }
        let place = rules.iter().position(is_it);
        match place.and_then(|place| rules.get_mut(place)) {
            Some(own) => *own = rule,
            None => rules.push(rule),
        }
        Some(place.is_none())
    }

    fn begin(&mut self, operation: &str, is_deletion: bool, group: &str, rule: &str, ends: Timestamp) {
        let (group, rule, fails) = (group.to_owned(), rule.to_owned(), self.rule_works_fail);
        let work = RuleWork { group, rule, is_deletion, ends, fails, is_over: false };
        self.rule_works.insert(operation.to_owned(), work);
    }

    /// Ends the writes of rules whose time has come. A new rule whose write fails stays, as `Failed`.
    pub(super) fn settle(&mut self, now: Timestamp) {
        let due = self.rule_works.values_mut().filter(|one| !one.is_over && one.ends <= now);
        for work in due {
            work.is_over = true;
            if let Some(rules) = self.rules.get_mut(&work.group.to_ascii_lowercase())
                && work.is_deletion
                && !work.fails
            {
                rules.retain(|rule| !rule.name.eq_ignore_ascii_case(&work.rule));
            }
        }
    }

    /// Whether a write is over, and then whether it succeeded.
    fn rule_work(&self, operation: &str) -> Option<Option<bool>> {
        self.rule_works.get(operation).map(|one| one.is_over.then_some(!one.fails))
    }

    fn etag(&self, group: &str) -> String {
        let writes = self.rule_works.values().filter(|one| one.group.eq_ignore_ascii_case(group)).count();
        format!("W/\"dae62ae7-96c6-4d10-839b-{writes:012x}\"")
    }

    /// A network security group with its rules and the six that all have.
    pub(super) fn group(&self, id: &str) -> Value {
        let rules = self.rules.get(&id.to_ascii_lowercase());
        let etag = self.etag(id);
        let shown = |rule: &NetworkRule| {
            let works = self.rule_works.values().filter(|one| one.is_on(id, &rule.name));
            let state = match works.max_by_key(|one| one.ends) {
                Some(RuleWork { is_over: false, is_deletion: true, .. }) => "Deleting",
                Some(RuleWork { is_over: false, is_deletion: false, .. }) => "Updating",
                Some(RuleWork { fails: true, is_deletion: false, .. }) => "Failed",
                Some(_) | None => "Succeeded",
            };
            rule.body(id, &etag, state)
        };
        let rules: Vec<Value> = rules.into_iter().flatten().map(shown).collect();
        json!({
            "name": id.rsplit('/').next(), "id": id, "type": "Microsoft.Network/networkSecurityGroups",
            "etag": etag, "location": "westeurope",
            "properties": { "provisioningState": "Succeeded", "securityRules": rules,
                            "defaultSecurityRules": default_rules(id) },
        })
    }
}

impl World {
    pub(super) fn delete_rule(
        &mut self,
        subscription: &str,
        group: &str,
        rule: &str,
        call: &Call<'_>,
    ) -> Draft {
        if !self.estate.has_rule(group, rule) {
            return Draft::empty(StatusCode::NO_CONTENT);
        }
        let url = self.begin_rule_work(subscription, true, group, rule, call);
        Draft::empty(StatusCode::ACCEPTED).with("azure-asyncoperation", &url)
    }

    pub(super) fn put_rule(&mut self, subscription: &str, group: &str, rule: &str, call: &Call<'_>) -> Draft {
        let Some(new) = NetworkRule::read(rule, call.request.body()) else { return invalid("rule") };
        let wanted = call.request.headers().get("if-match");
        if wanted.is_some_and(|wanted| wanted.as_bytes() != self.estate.etag(group).as_bytes()) {
            return changed();
        }
        let priority = new.priority;
        let Some(is_new) = self.estate.put_rule(group, new) else {
            let message = format!(
                "Security rule {rule} conflicts with another rule. Rules cannot have the same Priority {priority} and Direction."
            );
            return Draft::gateway_error(StatusCode::BAD_REQUEST, "SecurityRuleConflict", &message);
        };
        let url = self.begin_rule_work(subscription, false, group, rule, call);
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        let etag = self.estate.etag(group);
        let shown = self.estate.rule(group, rule).map(|rule| rule.body(group, &etag, "Updating"));
        Draft::gateway(status, &shown.unwrap_or_default()).with("azure-asyncoperation", &url)
    }

    fn begin_rule_work(
        &mut self,
        subscription: &str,
        is_deletion: bool,
        group: &str,
        rule: &str,
        call: &Call<'_>,
    ) -> String {
        let operation = self.guids.next_guid();
        let ends = call.now + self.scaled(self.estate.rule_works_last);
        self.estate.begin(&operation, is_deletion, group, rule, ends);
        format!(
            "{}/subscriptions/{subscription}/providers/Microsoft.Network/locations/westeurope/operations/{operation}?api-version=2024-05-01",
            self.settings.endpoint
        )
    }

    pub(super) fn network_operation(&self, operation: &str) -> Draft {
        let status = match self.estate.rule_work(operation) {
            None => return Draft::empty(StatusCode::NOT_FOUND),
            Some(None) => json!({ "status": "InProgress" }),
            Some(Some(true)) => json!({ "status": "Succeeded" }),
            Some(Some(false)) => json!({ "status": "Failed", "error": {
                "code": "InternalServerError", "message": "An error occurred." } }),
        };
        Draft::gateway(StatusCode::OK, &status)
    }
}

/// The three inbound rules that every group has; the outbound ones are left out.
fn default_rules(group: &str) -> Vec<Value> {
    let rule = |(name, priority, access, source, destination): (&str, u32, &str, &str, &str)| {
        json!({
            "name": name, "id": format!("{group}/defaultSecurityRules/{name}"),
            "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
            "properties": {
                "provisioningState": "Succeeded", "protocol": "*", "direction": "Inbound", "priority": priority,
                "access": access, "sourcePortRange": "*", "destinationPortRange": "*",
                "sourceAddressPrefix": source, "destinationAddressPrefix": destination,
                "sourcePortRanges": [], "destinationPortRanges": [],
                "sourceAddressPrefixes": [], "destinationAddressPrefixes": [],
            },
        })
    };
    [
        ("AllowVnetInBound", 65_000, "Allow", "VirtualNetwork", "VirtualNetwork"),
        ("AllowAzureLoadBalancerInBound", 65_001, "Allow", "AzureLoadBalancer", "*"),
        ("DenyAllInBound", 65_500, "Deny", "*", "*"),
    ]
    .map(rule)
    .to_vec()
}
