//! Is the engine asked what the documents say? A second evaluator, small and written from docs/POLICY.md and
//! policies/stop.cedarschema, judges generated facts with its own calendar and its own sets, and must agree with Cedar behind the
//! mapping of facts to requests, policy by policy.
//!
//! `make test` runs 100,000 requests, optimised; a plain `cargo test` runs fewer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use aks_stop_guard::domain::{
    Caller, CallerKind, Cluster, ClusterId, HolderKind, Power, Provisioning, Role, Setup,
};
use aks_stop_guard::policy::{Counts, GrantFacts, Policies, PolicyFile, RestartQuestion, StopQuestion};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Requests of a run that nobody gave a number for: what an unoptimised build does in some seconds.
const REQUESTS_DEFAULT: u64 = 2_000;

const IDS: [&str; 4] = [
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
    "33333333-3333-4333-8333-333333333333",
    "44444444-4444-4444-8444-444444444444",
];
const SUBSCRIPTIONS: [&str; 2] =
    ["aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e", "bbbb0b0b-cc1c-dd2d-ee3e-ffffff5f5f5f"];
const GROUPS_TOML: &str = r#"
[management-groups.platform]
parent = "Contoso"
subscriptions = ["aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"]
"#;

/// Numbers that look random and are the same in each run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn chance(&mut self) -> bool {
        self.roll(2) == 0
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.roll(3) == 0 { None } else { Some(value(self)) }
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()].clone()
    }
}

/// One question's facts.
struct Facts {
    caller: Caller,
    cluster: ClusterId,
    looked: Option<Cluster>,
    at: Timestamp,
    counts: Counts,
    confirmed: bool,
    grant: Option<GrantFacts>,
}

fn facts(dice: &mut Dice) -> Facts {
    let group = dice.pick(&["rg-a", "RG-A", "rg-b"]);
    let provider = "providers/Microsoft.ContainerService/managedClusters";
    let path = format!(
        "/subscriptions/{}/resourceGroups/{group}/{provider}/{}",
        dice.pick(&SUBSCRIPTIONS),
        dice.pick(&["aks-1", "AKS-1", "aks-2"])
    );
    let cluster = ClusterId::parse(&path).unwrap();
    let count = |dice: &mut Dice| u32::try_from(dice.roll(12)).unwrap();
    Facts {
        caller: caller(dice),
        looked: dice.maybe(|dice| looked(dice, &cluster)),
        cluster,
        // Between 2026 and 2028, in every hour of the clock, with milliseconds.
        at: Timestamp::from_millisecond(
            1_767_225_600_000 + i64::try_from(dice.roll(63_072_000_000)).unwrap(),
        )
        .unwrap(),
        counts: Counts {
            unauthorised_stops_by_caller_last_hour: count(dice),
            unauthorised_stops_in_subscription_last_hour: count(dice),
            restarts_last_24h: count(dice),
        },
        confirmed: dice.chance(),
        grant: dice.maybe(|dice| GrantFacts {
            id: "g".to_owned(),
            granted_by: dice.pick(&["ops", "dev"]).to_owned(),
            until: Timestamp::from_second(1_800_000_000).unwrap(),
            reason: "r".to_owned(),
            ticket: None,
        }),
    }
}

fn caller(dice: &mut Dice) -> Caller {
    let kinds = [
        CallerKind::User,
        CallerKind::Guest,
        CallerKind::ServicePrincipal,
        CallerKind::ManagedIdentity,
        CallerKind::Azure,
        CallerKind::Unknown,
    ];
    let id = |dice: &mut Dice| {
        let id = dice.pick(&IDS);
        if dice.chance() { id.to_owned() } else { id.to_uppercase() }
    };
    Caller {
        kind: dice.pick(&kinds),
        object_id: dice.maybe(id),
        app_id: dice.maybe(id),
        upn: dice.maybe(|dice| dice.pick(&["alice@contoso.com", "a\"b*"]).to_owned()),
        name: None,
        tenant: dice.maybe(id),
        identity_resource: None,
        groups: (0..dice.roll(3)).map(|_| id(dice)).collect(),
        groups_known: dice.chance(),
        mfa: dice.maybe(Dice::chance),
        ip: dice.maybe(|dice| IpAddr::V4(Ipv4Addr::new(192, 0, 2, u8::try_from(dice.roll(256)).unwrap()))),
        role: dice.maybe(|dice| Role {
            name: dice.maybe(|_| "Contributor".to_owned()),
            holder: dice.maybe(id),
            holder_kind: dice.maybe(|dice| dice.pick(&[HolderKind::User, HolderKind::Group])),
            ..Role::default()
        }),
    }
}

fn looked(dice: &mut Dice, id: &ClusterId) -> Cluster {
    let mut tags = BTreeMap::new();
    for name in ["Env", "env", "owner"] {
        if dice.chance() {
            tags.insert(name.to_owned(), dice.pick(&["prod", "dev"]).to_owned());
        }
    }
    Cluster {
        id: id.clone(),
        resource_uid: None,
        provisioning: Provisioning::Succeeded,
        power: Power::Stopped,
        location: dice.maybe(|dice| dice.pick(&["WestEurope", "northeurope"]).to_owned()),
        tags,
        sku_tier: dice.maybe(|dice| dice.pick(&["Free", "Standard"]).to_owned()),
        private: dice.maybe(Dice::chance),
        kubernetes_version: dice.maybe(|_| "1.33.2".to_owned()),
        setup: Setup::default(),
        fault: None,
    }
}

/// A moment in Berlin by arithmetic: month, weekday (Monday is 1), hour, minute of the day. Summer time is from the last Sunday
/// of March to the last of October, both at 01:00 UTC.
fn berlin(at: Timestamp) -> (i64, i64, i64, i64) {
    let seconds = at.as_second();
    let (year, _, _) = civil(seconds.div_euclid(86_400));
    let last_sunday = |month: i64| 31 - weekday(days(year, month, 31)) % 7;
    let since_change = |month_of_change: i64| {
        let change = days(year, month_of_change, last_sunday(month_of_change)) * 86_400 + 3_600;
        seconds >= change
    };
    let is_summer = since_change(3) && !since_change(10);
    let local = seconds + if is_summer { 7_200 } else { 3_600 };
    let (_, month, _) = civil(local.div_euclid(86_400));
    let of_day = local.rem_euclid(86_400);
    (month, weekday(local.div_euclid(86_400)), of_day / 3_600, of_day / 60)
}

/// 1 January 1970 was a Thursday.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7) + 1
}

/// Days since 1970 of a date, and back, by counting years and months.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let of_years: i64 = (1970..year).map(|year| 365 + i64::from(is_leap(year))).sum();
    let of_months: i64 = (1..month).map(|month| length(year, month)).sum();
    of_years + of_months + day - 1
}

fn civil(mut day: i64) -> (i64, i64, i64) {
    let mut year = 1970;
    while day >= 365 + i64::from(is_leap(year)) {
        day -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    while day >= length(year, month) {
        day -= length(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is(id: Option<&String>, wanted: &str) -> bool {
    id.is_some_and(|id| id.eq_ignore_ascii_case(wanted))
}

fn identity(caller: &Caller) -> String {
    let id = caller.object_id.as_ref().or(caller.app_id.as_ref()).map(|id| id.to_lowercase());
    id.filter(|_| caller.kind != CallerKind::Unknown).unwrap_or_else(|| "unknown".to_owned())
}

fn in_group(caller: &Caller, group: &str) -> bool {
    let through = caller.role.as_ref().filter(|role| role.holder_kind == Some(HolderKind::Group));
    caller.groups.iter().any(|id| is(Some(id), group))
        || through.is_some_and(|role| is(role.holder.as_ref(), group))
}

/// As written, else any spelling; where spellings collide the one that is written so counts.
fn tag<'a>(facts: &'a Facts, name: &str) -> Option<&'a str> {
    let tags = &facts.looked.as_ref()?.tags;
    let any = tags.iter().rev().find(|(known, _)| known.to_lowercase() == name);
    tags.get(name).or(any.map(|(_, value)| value)).map(String::as_str)
}

type Condition = (&'static str, fn(&Facts) -> bool);

/// Conditions that both questions can ask about.
const COMMON: [Condition; 16] = [
    (
        r#"resource in ResourceGroup::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-a""#,
        |f| {
            f.cluster
                .to_string()
                .to_lowercase()
                .contains("aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-a/")
        },
    ),
    (r#"resource in Subscription::"/subscriptions/bbbb0b0b-cc1c-dd2d-ee3e-ffffff5f5f5f""#, |f| {
        f.cluster.subscription().as_str().starts_with("bbbb")
    }),
    (r#"resource in ManagementGroup::"/providers/microsoft.management/managementgroups/contoso""#, |f| {
        f.cluster.subscription().as_str().starts_with("aaaa")
    }),
    (r#"resource.name == "aks-1""#, |f| f.cluster.name().eq_ignore_ascii_case("aks-1")),
    (r#"resource.hasTag("env") && resource.getTag("env") == "prod""#, |f| tag(f, "env") == Some("prod")),
    (r#"resource.hasTag("Env")"#, |f| f.looked.as_ref().is_some_and(|l| l.tags.contains_key("Env"))),
    (r#"resource has location && resource.location == "westeurope""#, |f| {
        f.looked.as_ref().is_some_and(|l| l.location.as_deref() == Some("WestEurope"))
    }),
    (r#"resource has skuTier && resource.skuTier == "Free""#, |f| {
        f.looked.as_ref().and_then(|l| l.sku_tier.as_deref()).is_some_and(|tier| tier == "Free")
    }),
    ("resource has private && !resource.private", |f| {
        f.looked.as_ref().is_some_and(|l| l.private == Some(false))
    }),
    ("context.callerKnown", |f| identity(&f.caller) != "unknown"),
    ("context.restartsLast24h >= 3", |f| f.counts.restarts_last_24h >= 3),
    ("context.unauthorisedStopsByCallerLastHour < 5", |f| {
        f.counts.unauthorised_stops_by_caller_last_hour < 5
    }),
    ("context.unauthorisedStopsInSubscriptionLastHour == 10", |f| {
        f.counts.unauthorised_stops_in_subscription_last_hour == 10
    }),
    (r#"context has role && context.role has name && context.role.name == "Contributor""#, |f| {
        f.caller.role.as_ref().is_some_and(|role| role.name.is_some())
    }),
    (
        r#"context has role && context.role has holderKind && context.role.holderKind == HolderKind::"group""#,
        |f| f.caller.role.as_ref().is_some_and(|role| role.holder_kind == Some(HolderKind::Group)),
    ),
    ("context.utc.minuteOfDay < 720", |f| f.at.as_second().rem_euclid(86_400) < 43_200),
];

/// Conditions of the stop question.
const STOP: [Condition; 16] = [
    (r#"principal == Caller::"11111111-1111-4111-8111-111111111111""#, |f| identity(&f.caller) == IDS[0]),
    (r#"principal == Caller::"unknown""#, |f| identity(&f.caller) == "unknown"),
    (r#"principal in Group::"33333333-3333-4333-8333-333333333333""#, |f| in_group(&f.caller, IDS[2])),
    (r#"principal.kind == CallerKind::"managed-identity""#, |f| f.caller.kind == CallerKind::ManagedIdentity),
    (r#"principal has objectId && principal.objectId == "22222222-2222-4222-8222-222222222222""#, |f| {
        is(f.caller.object_id.as_ref(), IDS[1])
    }),
    (r#"principal has appId && principal.appId == "44444444-4444-4444-8444-444444444444""#, |f| {
        is(f.caller.app_id.as_ref(), IDS[3])
    }),
    (r#"principal has upn && principal.upn like "*@contoso.com""#, |f| {
        f.caller.upn.as_ref().is_some_and(|upn| upn.ends_with("@contoso.com"))
    }),
    ("principal has mfa && principal.mfa", |f| f.caller.mfa == Some(true)),
    ("!context.groupsKnown", |f| !f.caller.groups_known),
    ("context.confirmed", |f| f.confirmed),
    (
        r#"context has ip && context.ip.isInRange(ip("192.0.2.128/25"))"#,
        |f| matches!(f.caller.ip, Some(IpAddr::V4(ip)) if ip.octets()[3] >= 128),
    ),
    (r#"context has grant && context.grant.grantedBy == "ops" && context.at < context.grant.until"#, |f| {
        f.grant.as_ref().is_some_and(|grant| grant.granted_by == "ops" && f.at < grant.until)
    }),
    ("context.local.hour >= 20 || context.local.hour < 6", |f| !(6..20).contains(&berlin(f.at).2)),
    ("context.local.weekday >= 6", |f| berlin(f.at).1 >= 6),
    ("context.local.month == 3 && context.local.minuteOfDay < 240", |f| {
        let (month, _, _, minute) = berlin(f.at);
        month == 3 && minute < 240
    }),
    (r#"context.at >= datetime("2027-03-28T01:00:00Z")"#, |f| f.at.as_second() >= 1_806_195_600),
];

/// Conditions of the restart question.
const RESTART: [Condition; 3] = [
    (r#"context.caller == Caller::"11111111-1111-4111-8111-111111111111""#, |f| {
        identity(&f.caller) == IDS[0]
    }),
    (r#"context.caller in Group::"33333333-3333-4333-8333-333333333333""#, |f| in_group(&f.caller, IDS[2])),
    (r#"context.callerKind == CallerKind::"guest""#, |f| f.caller.kind == CallerKind::Guest),
];

/// A policy for each condition; each third of them forbids.
fn set(action: &str, conditions: &[&Condition]) -> Policies {
    let policies = conditions.iter().enumerate().map(|(index, (text, _))| {
        let effect = if forbids(index) { "forbid" } else { "permit" };
        format!("@id(\"p{index:02}\") {effect} (principal, action == Action::\"{action}\", resource) when {{ {text} }};\n")
    });
    let text: String = policies.collect();
    let files =
        [PolicyFile { name: "a.cedar", text: &text }, PolicyFile { name: "b.toml", text: GROUPS_TOML }];
    Policies::load(&files).unwrap_or_else(|faults| panic!("{}\n{text}", faults[0]))
}

fn forbids(index: usize) -> bool {
    index % 3 == 2
}

/// What the documents say: a forbid that holds beats all permits, and a permit must hold.
fn expected(conditions: &[&Condition], facts: &Facts) -> (bool, Vec<String>) {
    let holding = |forbidding: bool| -> Vec<String> {
        let of_kind = conditions.iter().enumerate().filter(|(index, _)| forbids(*index) == forbidding);
        of_kind.filter(|(_, (_, holds))| holds(facts)).map(|(index, _)| format!("p{index:02}")).collect()
    };
    let (permits, forbids) = (holding(false), holding(true));
    if forbids.is_empty() { (!permits.is_empty(), permits) } else { (false, forbids) }
}

#[test]
fn the_engine_answers_what_a_second_evaluator_does() {
    let given =
        std::env::var_os("POLICY_REFERENCE_REQUESTS").and_then(|n| n.to_str().and_then(|n| n.parse().ok()));
    let requests: u64 = given.unwrap_or(REQUESTS_DEFAULT);
    let stop: Vec<&Condition> = STOP.iter().chain(&COMMON).collect();
    let restart: Vec<&Condition> = RESTART.iter().chain(&COMMON).collect();
    // One condition at a time too: in a full set a forbid nearly always holds.
    let single_stop: Vec<(Policies, [&Condition; 1])> =
        stop.iter().map(|c| (set("stop", &[c]), [*c])).collect();
    let (stop_set, restart_set) = (set("stop", &stop), set("restart", &restart));
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let mut dice = Dice(2026);
    let (mut yes, mut no) = (0_u64, 0_u64);
    for request in 0..requests {
        let facts = facts(&mut dice);
        let question = StopQuestion {
            caller: &facts.caller,
            cluster: &facts.cluster,
            facts: facts.looked.as_ref(),
            at: facts.at,
            zone: &zone,
            counts: facts.counts,
            confirmed: facts.confirmed,
            grant: facts.grant.as_ref(),
        };
        let asked_restart = RestartQuestion {
            caller: &facts.caller,
            caller_known: true,
            cluster: &facts.cluster,
            facts: facts.looked.as_ref(),
            at: facts.at,
            stopped_at: facts.at,
            zone: &zone,
            counts: facts.counts,
        };
        let (alone, condition) = &single_stop[usize::try_from(dice.roll(single_stop.len() as u64)).unwrap()];
        let asked = match request % 3 {
            0 => (stop_set.may_stop(&question), expected(&stop, &facts)),
            1 => (restart_set.may_restart(&asked_restart), expected(&restart, &facts)),
            _ => (alone.may_stop(&question), expected(condition, &facts)),
        };
        let (answer, expected) = asked;
        assert_eq!(answer.errors, [], "request {request}");
        assert_eq!((answer.allowed, answer.ids()), expected, "request {request}: {:?}", facts.caller);
        if answer.allowed { yes += 1 } else { no += 1 }
    }
    assert!(yes > requests / 20 && no > requests / 20, "both answers are tried: {yes} yes, {no} no");
}
