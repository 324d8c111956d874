//! Any record that can be.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::super::CaseId;
use super::super::super::evidence::{Attempt, EventKept, Evidence, Exhibit};
use super::super::super::model::{RestartAnswer, Told, Verdict};
use super::super::super::outbox::{Message, Pending, Receipt};
use super::super::super::record::{AuthorisedStop, Closing, History};
use super::super::super::routes::Audience;
use super::super::*;
use crate::domain::incident::{Affected, Link, TimelineEntry};
use crate::domain::verbatim::Whole;
use crate::domain::{Feature, HolderKind, RequestIds, Role, Scope, Setup, Severity, Situation, TenantId};

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn time() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(), 0..1_000_000_000)
        .prop_map(|(second, nano)| Timestamp::new(second, nano).unwrap_or(Timestamp::MAX))
}

fn severity() -> impl Strategy<Value = Severity> {
    proptest::sample::select(Severity::ALL.to_vec())
}

fn situation() -> impl Strategy<Value = Situation> {
    proptest::sample::select(vec![
        Situation::Running,
        Situation::Startable,
        Situation::Stopping,
        Situation::Starting,
        Situation::FailedStopped,
        Situation::FailedRunning,
        Situation::Busy,
        Situation::Deleting,
        Situation::Unknown,
    ])
}

fn scope() -> impl Strategy<Value = Scope> {
    proptest::sample::select(Scope::around(&cluster_id()).to_vec())
}

fn setup() -> impl Strategy<Value = Setup> {
    let features = vec![Feature::PrivateApiServer, Feature::Autoscaler, Feature::Gpu, Feature::Other];
    let tenant = option::of(Just("11112222-bb1b-cc2c-dd3d-eeeeee4e4e4e"));
    (proptest::sample::subsequence(features, 0..=4), option::of(text()), tenant).prop_map(
        |(features, region, tenant)| Setup {
            features: features.into_iter().collect(),
            region,
            tenant: tenant.and_then(TenantId::parse),
        },
    )
}

fn mode() -> impl Strategy<Value = Mode> {
    proptest::sample::select(vec![Mode::DryRun, Mode::Notify, Mode::Act])
}

fn outcome() -> impl Strategy<Value = Outcome> {
    proptest::sample::select(vec![
        Outcome::Authorised,
        Outcome::AlreadyRunning,
        Outcome::Restored,
        Outcome::Gone,
    ])
}

fn caller() -> impl Strategy<Value = Caller> {
    let kind = proptest::sample::select(vec![
        CallerKind::User,
        CallerKind::Guest,
        CallerKind::ServicePrincipal,
        CallerKind::ManagedIdentity,
        CallerKind::Azure,
        CallerKind::Unknown,
    ]);
    let texts = (option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    let more =
        (vec(text(), 0..3), any::<bool>(), option::of(any::<bool>()), option::of(any::<std::net::IpAddr>()));
    (kind, texts, more, option::of(role())).prop_map(
        |(kind, (object_id, app_id, upn, name), (groups, groups_known, mfa, ip), role)| Caller {
            kind,
            object_id,
            app_id,
            upn,
            name,
            groups,
            groups_known,
            mfa,
            ip,
            role,
            ..Caller::unknown()
        },
    )
}

fn role() -> impl Strategy<Value = Role> {
    let kind =
        proptest::sample::select(vec![HolderKind::User, HolderKind::Group, HolderKind::ServicePrincipal]);
    (option::of(text()), option::of(text()), option::of(kind)).prop_map(|(name, holder, holder_kind)| Role {
        name,
        holder,
        holder_kind,
        ..Role::default()
    })
}

fn any_stop() -> impl Strategy<Value = Stop> {
    let source = proptest::sample::select(vec![
        StopSource::Event,
        StopSource::Log,
        StopSource::Discovery,
        StopSource::DamagedRecord,
    ]);
    let facts = (time(), any::<bool>(), caller().boxed(), option::of(text()), text(), source);
    let later =
        (any::<bool>(), option::of(caller().boxed()), option::of(vec(text(), 0..3)), option::of(text()));
    (facts, later).prop_map(
        |(
            (time, time_known, caller, correlation_id, event_id, source),
            (confirmed, claimed, allowed_by, granted),
        )| {
            Stop {
                time,
                time_known,
                caller,
                correlation_id,
                event_id,
                source,
                confirmed,
                claimed: claimed.map(Box::new),
                allowed_by,
                granted,
            }
        },
    )
}

fn intent() -> impl Strategy<Value = Intent> {
    let state = prop_oneof![
        Just(IntentState::Planned),
        Just(IntentState::Unanswered),
        option::of(text()).prop_map(|request_id| IntentState::Sent { request_id }),
        (text(), text(), option::of(scope())).prop_map(|(code, advice, lock)| IntentState::Refused {
            code,
            advice,
            lock
        }),
        (text(), option::of(time())).prop_map(|(code, until)| IntentState::PutOff { code, until }),
        text().prop_map(|why| IntentState::NotSent { why }),
    ];
    (any::<u32>(), text(), time(), time(), state).prop_map(|(n, nonce, look_at, expires_at, state)| Intent {
        n,
        nonce,
        look_at,
        expires_at,
        state,
    })
}

fn why_held() -> impl Strategy<Value = Held> {
    prop_oneof![
        mode().prop_map(|mode| Held::Mode { mode }),
        vec(text(), 0..3).prop_map(|policies| Held::NotPermitted { policies }),
        Just(Held::PolicyError),
        text().prop_map(|reason| Held::Hold { reason }),
        Just(Held::AttemptsUsed),
        (text(), text(), option::of(scope())).prop_map(|(code, advice, lock)| Held::Refused {
            code,
            advice,
            lock
        }),
        Just(Held::FailedState),
        option::of(situation()).prop_map(|situation| Held::TooLong { situation }),
        Just(Held::UnknownCaller),
        Just(Held::Unconfirmed),
        Just(Held::DamagedRecord),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    (time(), any::<bool>(), vec(text(), 0..3), vec(text(), 0..3), option::of(severity()), text()).prop_map(
        |(stop_time, authorised, policies, errors, severity, policy_hash)| Verdict {
            stop_time,
            authorised,
            policies,
            errors,
            severity,
            notify: Vec::new(),
            policy_hash,
            asked: None,
        },
    )
}

fn restart_answer() -> impl Strategy<Value = RestartAnswer> {
    (any::<bool>(), vec(text(), 0..3), option::of(severity()), any::<bool>()).prop_map(
        |(permitted, policies, severity, in_storm)| RestartAnswer {
            permitted,
            policies,
            severity,
            notify: Vec::new(),
            in_storm,
        },
    )
}

fn was_told() -> impl Strategy<Value = Told> {
    (time(), severity(), any::<u32>(), any::<bool>(), audience()).prop_map(
        |(opened_at, severity, next_sequence, in_storm, audience)| Told {
            opened_at,
            severity,
            next_sequence,
            in_storm,
            audience,
        },
    )
}

fn timeline() -> impl Strategy<Value = Vec<TimelineEntry>> {
    vec((time(), text()).prop_map(|(at, text)| TimelineEntry { at, text }), 0..3)
}

fn exhibit() -> impl Strategy<Value = Exhibit> {
    let whole = option::of((text(), any::<u64>()).prop_map(|(sha256, bytes)| Whole { sha256, bytes }));
    (text(), any::<u64>(), whole, any::<u32>()).prop_map(|(sha256, bytes, whole, struck)| Exhibit {
        sha256,
        bytes,
        whole,
        struck,
    })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let event = (text(), exhibit(), option::of(text())).prop_map(|(event_id, exhibit, token_id)| EventKept {
        event_id,
        exhibit,
        token_id,
    });
    let ids = (option::of(text()), option::of(text()))
        .prop_map(|(request_id, correlation_id)| RequestIds { request_id, correlation_id });
    let attempt = (any::<u32>(), time(), text(), option::of(exhibit()), ids)
        .prop_map(|(n, at, nonce, look, ids)| Attempt { n, at, nonce, look, ids });
    let exhibits = (option::of(exhibit()), option::of(exhibit()));
    (vec(event, 0..2), vec(attempt, 0..2), exhibits, vec(text(), 0..2), vec(text(), 0..2)).prop_map(
        |(events, attempts, (log, last_look), policies, programs)| Evidence {
            events,
            attempts,
            log,
            last_look,
            policies,
            programs,
            ..Evidence::default()
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let new = (any::<u64>(), mode(), any_stop().boxed(), time());
    let decided = (
        option::of(verdict().boxed()),
        option::of(restart_answer().boxed()),
        option::of(intent().boxed()),
        any::<u32>(),
    );
    let watched = (option::of(time()), option::of(time()), option::of(situation()), option::of(time()));
    let told = (
        option::of(why_held().boxed()),
        option::of(was_told().boxed()),
        option::of(was_told().boxed()),
        timeline().boxed(),
    );
    let rest = (
        vec(any_stop().boxed(), 0..3),
        option::of(text()),
        any::<bool>(),
        time(),
        option::of(text()),
        setup(),
        evidence().boxed(),
    );
    (new, decided, watched, told, rest).prop_map(|(new, decided, watched, told, rest)| {
        let (generation, mode, stop, now) = new;
        let mut case = Case::new(CaseId::new(&cluster_id().key(), generation), mode, stop, now);
        (case.verdict, case.restart, case.intent, case.episode_attempts) = decided;
        (case.watched_since, case.last_look_at, case.last_situation, case.log_asked_at) = watched;
        (case.held, case.told, case.forgery_told, case.timeline) = told;
        let (stops, resource_uid, earlier_start, next_at, fault, setup, evidence) = rest;
        case.stops.extend(stops);
        case.up_since = case.last_look_at.filter(|_| earlier_start);
        let resumed_at = earlier_start.then_some(next_at);
        Case { resource_uid, earlier_start, resumed_at, next_at, fault, setup, evidence, ..case }
    })
}

fn history() -> impl Strategy<Value = History> {
    let authorised = (time(), caller().boxed(), option::of(text()))
        .prop_map(|(stop_time, caller, correlation_id)| AuthorisedStop { stop_time, caller, correlation_id });
    let seen = (option::of(time()), option::of(time()));
    (seen, option::of(authorised), vec(time(), 0..5), option::of(time())).prop_map(
        |((running_seen_at, gone_seen_at), authorised, starts, start_expires_at)| History {
            running_seen_at,
            gone_seen_at,
            authorised,
            starts,
            start_expires_at,
            ..History::default()
        },
    )
}

fn group_row() -> impl Strategy<Value = GroupRow> {
    (text(), vec(text(), 0..3), text(), severity(), any::<bool>()).prop_map(
        |(incident, sinks, status, severity, ended)| GroupRow { incident, sinks, status, severity, ended },
    )
}

fn receipt() -> impl Strategy<Value = Receipt> {
    let states = vec![IncidentState::Opened, IncidentState::Updated, IncidentState::Resolved];
    let state = proptest::sample::select(states);
    (text(), text(), state, any::<u32>(), time(), option::of(text())).prop_map(
        |(incident, sink, state, sequence, at, reference)| Receipt {
            incident,
            sink,
            state,
            sequence,
            at,
            reference,
        },
    )
}

/// Unknown, or with some sinks in it.
fn audience() -> impl Strategy<Value = Audience> {
    option::of(vec(text(), 0..3)).prop_map(|sinks| {
        let mut audience = if sinks.is_some() { Audience::nobody() } else { Audience::default() };
        sinks.into_iter().flatten().for_each(|sink| audience.add(&sink));
        audience
    })
}

fn episode() -> impl Strategy<Value = Episode> {
    let storm = (text(), any::<bool>()).prop_map(|(status, ended)| StormRow { status, ended });
    let closing = (any::<u64>(), time(), outcome(), text(), option::of(storm), vec(group_row(), 0..3))
        .prop_map(|(generation, closed_at, outcome, body, storm, groups)| Closing {
            id: CaseId::new(&cluster_id().key(), generation),
            closed_at,
            outcome,
            body,
            storm,
            groups,
        });
    prop_oneof![
        Just(Episode::None),
        case().boxed().prop_map(|case| Episode::Open(Box::new(case))),
        case().boxed().prop_map(|case| Episode::Held(Box::new(case))),
        closing.prop_map(Episode::Closing),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let states = vec![IncidentState::Opened, IncidentState::Updated, IncidentState::Resolved];
    let what = (text(), proptest::sample::select(states), any::<u32>(), severity(), text(), time(), time());
    let who = (option::of(caller().boxed()), option::of(time()), option::of(text()), option::of(text()));
    let left = (vec(text(), 0..3), text(), vec(text(), 0..3), vec(text(), 0..3), timeline().boxed());
    let link = (text(), text()).prop_map(|(label, url)| Link { label, url });
    let around = (vec(text(), 0..3), vec(link, 0..3));
    let pending = vec((text(), any::<u32>(), time(), option::of(text())), 0..3);
    let queued = (time(), any::<bool>());
    (what, who, left, around, pending, queued).prop_map(|(what, who, left, around, pending, queued)| {
        let (id, state, sequence, severity, title, opened_at, at) = what;
        let (caller, stopped_at, correlation_id, verdict) = who;
        let (policies, mode, done, next, timeline) = left;
        let (warnings, links) = around;
        let clusters = vec![Affected { id: cluster_id(), status: title.clone() }];
        let incident = Incident {
            id,
            state,
            sequence,
            severity,
            title,
            opened_at,
            at,
            clusters,
            cluster_count: 1,
            caller,
            stopped_at,
            correlation_id,
            verdict,
            policies,
            mode,
            done,
            next,
            warnings,
            links,
            timeline,
        };
        let pending = pending
            .into_iter()
            .map(|(sink, tries, next_at, failure)| Pending { sink, tries, next_at, failure })
            .collect();
        let (queued_at, fallen_back) = queued;
        Message { incident, queued_at, pending, fallen_back }
    })
}

pub(super) fn record() -> impl Strategy<Value = Record> {
    (
        option::of(text()),
        any::<u64>(),
        text(),
        episode().boxed(),
        history().boxed(),
        vec(message().boxed(), 0..3),
        vec(receipt(), 0..3),
    )
        .prop_map(|(resource_uid, generation, writer, episode, history, outbox, receipts)| {
            let mut record = Record::new(cluster_id());
            record.resource_uid = resource_uid;
            record.generation = generation;
            record.writer = writer;
            record.episode = episode;
            record.history = history;
            record.outbox = outbox;
            record.receipts = receipts;
            record
        })
}
