//! TOML files beside the policies: rows of an allow-list, and the tree of management groups.
//!
//! Read without serde, member by member, so that all faults of a file are told at once, each with its place.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use miette::SourceSpan;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::fault::{Place, PolicyFault};
use super::hierarchy::{self, Hierarchy};
use super::{annotation, literal};
use crate::domain::SubscriptionId;
use crate::domain::text::clean;

/// Longest `reason`, in characters: a sentence and a ticket's number.
const REASON_CHARS_MAX: usize = 300;
/// How much of a value a fault repeats, in characters.
const SHOWN_CHARS_MAX: usize = 120;

const ROW_KEYS: [&str; 7] = ["id", "caller", "group", "scope", "hours", "until", "reason"];
const GROUP_KEYS: [&str; 2] = ["parent", "subscriptions"];
const TOP_KEYS: [&str; 2] = ["allow", "management-groups"];

/// A row of an allow-list: who may stop what, when, until when.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: String,
    /// Who: the type and the id of the entity.
    pub(super) who: (&'static str, String),
    /// What: the type and the id of the entity.
    pub(super) scope: (&'static str, String),
    hours: Option<Hours>,
    until: Option<Timestamp>,
    /// Where the row stands: from its header to its last member.
    pub(super) span: SourceSpan,
}

/// From one time of day to another, as minutes of the day; past midnight if the end is not after the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hours {
    from: u16,
    to: u16,
}

impl Row {
    /// The template that the row fills: only numbers and a time go into its text, all from parsed values.
    pub(super) fn template(&self) -> String {
        let who = if self.who.0 == "Group" { "principal in ?principal" } else { "principal == ?principal" };
        let mut text = format!("permit ({who}, action == Action::\"stop\", resource in ?resource)");
        let mut conditions = Vec::new();
        if let Some(Hours { from, to }) = self.hours {
            let both = if from < to { "&&" } else { "||" };
            conditions.push(format!(
                "(context.local.minuteOfDay >= {from} {both} context.local.minuteOfDay < {to})"
            ));
        }
        if let Some(until) = self.until {
            conditions.push(format!("context.at < datetime(\"{until:.3}\")"));
        }
        if !conditions.is_empty() {
            // Writing to a String can't fail.
            let _ = write!(text, " when {{ {} }}", conditions.join(" && "));
        }
        text.push(';');
        text
    }
}

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) rows: Vec<Row>,
    pub(super) faults: Vec<PolicyFault>,
}

/// Reads one file: its rows, and its management groups into `hierarchy`.
pub(super) fn read(text: &str, place: &Place, hierarchy: &mut Hierarchy) -> Tables {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { place, faults: Vec::new() };
    for error in errors {
        let span = error.span().map_or(SourceSpan::from(0..0), SourceSpan::from);
        reader.fault(span, error.message(), Some("this is TOML: texts stand in quotes, times don't"));
    }
    if !reader.faults.is_empty() {
        return Tables { rows: Vec::new(), faults: reader.faults };
    }
    let table = table.get_ref();
    reader.unknown_keys(table, &TOP_KEYS, "write rows as [[allow]], groups as [management-groups.<name>]");
    let rows = table.get("allow").map(|rows| reader.rows(rows)).unwrap_or_default();
    if let Some(groups) = table.get("management-groups") {
        reader.groups(groups, hierarchy);
    }
    Tables { rows, faults: reader.faults }
}

struct Reader<'p> {
    place: &'p Place,
    faults: Vec<PolicyFault>,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn fault(&mut self, span: SourceSpan, message: &str, help: Option<&str>) {
        self.faults.push(self.place.fault(span, message, help));
    }

    fn unknown_keys(&mut self, table: &DeTable<'_>, known: &[&str], help: &str) {
        for (key, _) in table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let near = known.iter().find(|known| strsim::damerau_levenshtein(known, name) <= 2);
            let help = near.map_or_else(|| help.to_owned(), |near| format!("did you mean `{near}`?"));
            let told = format!("`{}` is not known here", clean(name, SHOWN_CHARS_MAX));
            self.fault(key.span().into(), &told, Some(&help));
        }
    }

    fn rows(&mut self, value: &Value<'_>) -> Vec<Row> {
        let Some(rows) = value.get_ref().as_array().filter(|rows| all_tables(rows)) else {
            self.fault(
                value.span().into(),
                "`allow` is no list of rows",
                Some("begin each row with a line [[allow]]"),
            );
            return Vec::new();
        };
        let rows = rows.iter().filter_map(|row| Some((row, row.get_ref().as_table()?)));
        rows.filter_map(|(row, table)| self.row(row.span(), table)).collect()
    }

    fn row(&mut self, header: std::ops::Range<usize>, table: &DeTable<'_>) -> Option<Row> {
        self.unknown_keys(table, &ROW_KEYS, "a row has id, caller or group, scope, hours, until and reason");
        let end = table.iter().map(|(_, value)| value.span().end).max().unwrap_or(header.end);
        let span = SourceSpan::from(header.start..end.max(header.end));
        let at = SourceSpan::from(header.clone());
        let id = self.required(
            table,
            "id",
            at,
            |text| annotation::is_name(text).then(|| text.to_owned()),
            "an id has 1 to 64 characters: lower-case letters, digits and dashes",
        );
        let who = self.who(table, at);
        let scope = self.required(
            table,
            "scope",
            at,
            scope,
            "write the resource id of a management group, a subscription, a resource group, a cluster or a container group",
        );
        let reason = self.required(
            table,
            "reason",
            at,
            |text| is_reason(text).then_some(()),
            "say in a line of 300 characters at most why it is allowed, with a ticket's number",
        );
        let hours = self.optional(
            table,
            "hours",
            |value| value.as_str().and_then(hours),
            "write from and to as hh:mm-hh:mm, \"20:00-06:00\", in the zone of STOP_GUARD_TIMEZONE",
        );
        let until = self.optional(
            table,
            "until",
            until,
            "write a time with its offset and without quotes: 2026-12-31T18:00:00+01:00",
        );
        Some(Row { id: id?, who: who?, scope: scope?, hours: hours?, until: until?, span })
            .filter(|_| reason.is_some())
    }

    /// Exactly one of `caller` and `group`.
    fn who(&mut self, table: &DeTable<'_>, at: SourceSpan) -> Option<(&'static str, String)> {
        let guid = |text: &str| literal::is_guid(text).then(|| text.to_ascii_lowercase());
        match (table.get("caller"), table.get("group")) {
            (Some(_), None) => {
                let help =
                    "write the object id (a GUID) of the caller, or the app id of an application without one";
                Some(("Caller", self.required(table, "caller", at, guid, help)?))
            }
            (None, Some(_)) => Some((
                "Group",
                self.required(table, "group", at, guid, "write the object id (a GUID) of the group")?,
            )),
            (Some(_), Some(_)) => {
                self.fault(at, "the row names a caller and a group", Some("make two rows of it"));
                None
            }
            (None, None) => {
                self.fault(
                    at,
                    "the row says for nobody",
                    Some("write caller = \"<object id>\" or group = \"<object id>\""),
                );
                None
            }
        }
    }

    fn required<T>(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
        row: SourceSpan,
        read: impl Fn(&str) -> Option<T>,
        help: &str,
    ) -> Option<T> {
        let Some(value) = table.get(key) else {
            self.fault(row, &format!("the row has no `{key}`"), Some(help));
            return None;
        };
        let found = value.get_ref().as_str().and_then(read);
        if found.is_none() {
            self.bad(key, value, help);
        }
        found
    }

    /// `Some(None)` if it is missing, `None` if it is broken.
    fn optional<T>(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
        help: &str,
    ) -> Option<Option<T>> {
        let Some(value) = table.get(key) else { return Some(None) };
        let found = read(value.get_ref());
        if found.is_none() {
            self.bad(key, value, help);
        }
        found.map(Some)
    }

    fn bad(&mut self, key: &str, value: &Value<'_>, help: &str) {
        let told = match value.get_ref().as_str() {
            Some(text) => format!("`{}` is no `{key}`", clean(text, SHOWN_CHARS_MAX)),
            None => format!("this {} is no `{key}`", value.get_ref().type_str()),
        };
        self.fault(value.span().into(), &told, Some(help));
    }

    fn groups(&mut self, value: &Value<'_>, hierarchy: &mut Hierarchy) {
        const HELP: &str = "describe a group as [management-groups.<name>], with its id as the name";
        let Some(groups) = value.get_ref().as_table() else {
            self.fault(value.span().into(), "`management-groups` holds no tables", Some(HELP));
            return;
        };
        let mut places: BTreeMap<String, SourceSpan> = BTreeMap::new();
        for (name, group) in groups {
            let (at, shown) = (SourceSpan::from(name.span()), clean(name.get_ref(), SHOWN_CHARS_MAX));
            match group.get_ref().as_table().filter(|_| hierarchy::is_name(name.get_ref())) {
                Some(table) => self.group(name, table, hierarchy),
                None => self.fault(at, &format!("`{shown}` is no management group"), Some(HELP)),
            }
            places.insert(name.get_ref().to_ascii_lowercase(), at);
        }
        for name in hierarchy.circles() {
            if let Some(at) = places.get(name) {
                let told = format!("the management group `{name}` has too many groups above it");
                self.fault(
                    *at,
                    &told,
                    Some("no group is above itself, and Azure has six levels below the root"),
                );
            }
        }
    }

    fn group(&mut self, name: &Spanned<DeString<'_>>, table: &DeTable<'_>, hierarchy: &mut Hierarchy) {
        self.unknown_keys(table, &GROUP_KEYS, "a group has a parent and subscriptions");
        let group = name.get_ref().to_ascii_lowercase();
        let parent = self.optional(
            table,
            "parent",
            |value| value.as_str().filter(|name| hierarchy::is_name(name)).map(str::to_ascii_lowercase),
            "write the id of the management group above it",
        );
        if let Err(error) = hierarchy.insert(&group, parent.flatten().as_deref()) {
            self.fault(name.span().into(), &error.to_string(), None);
        }
        let Some(value) = table.get("subscriptions") else { return };
        let Some(list) = value.get_ref().as_array() else {
            self.bad("subscriptions", value, "write a list: [\"<guid>\", \"<guid>\"]");
            return;
        };
        for entry in list {
            match entry.get_ref().as_str().and_then(|text| SubscriptionId::parse(text).ok()) {
                Some(id) => {
                    if let Err(error) = hierarchy.place(id, &group) {
                        self.fault(
                            entry.span().into(),
                            &error.to_string(),
                            Some("a subscription is in one group"),
                        );
                    }
                }
                None => self.bad("subscription", entry, "write its id, a GUID"),
            }
        }
    }
}

fn all_tables(rows: &DeArray<'_>) -> bool {
    rows.iter().all(|row| row.get_ref().is_table())
}

fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && clean(text, REASON_CHARS_MAX) == text
}

/// What the row is about. Azure shows ids in any case; entities have them in lower case.
fn scope(text: &str) -> Option<(&'static str, String)> {
    let id = text.strip_suffix('/').unwrap_or(text);
    let kinds = ["ManagementGroup", "Subscription", "ResourceGroup", "ManagedCluster", "ContainerGroup"];
    kinds.into_iter().find(|kind| literal::fits(kind, id)).map(|kind| (kind, id.to_lowercase()))
}

fn hours(text: &str) -> Option<Hours> {
    let (from, to) = text.split_once('-')?;
    let hours = Hours { from: minute_of_day(from)?, to: minute_of_day(to)? };
    (hours.from != hours.to && hours.from < MINUTES_A_DAY).then_some(hours)
}

const MINUTES_A_DAY: u16 = 24 * 60;

/// `hh:mm`; `24:00` is the end of the day.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= MINUTES_A_DAY).then_some(of_day)
}

fn until(value: &DeValue<'_>) -> Option<Timestamp> {
    let time = value.as_datetime().filter(|time| time.offset.is_some())?;
    time.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_go_past_midnight_and_are_never_empty() {
        assert_eq!(hours("20:00-06:30"), Some(Hours { from: 1_200, to: 390 }));
        assert_eq!(hours("00:00-24:00"), Some(Hours { from: 0, to: 1_440 }));
        for bad in [
            "",
            "20-6",
            "20:00",
            "24:00-06:00",
            "25:00-26:00",
            "08:60-09:00",
            "08:00-08:00",
            "8:00-9:00",
            "+1:00-02:00",
        ] {
            assert_eq!(hours(bad), None, "{bad}");
        }
    }
}
