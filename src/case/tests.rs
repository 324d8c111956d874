//! Promises of the pure case machine, by theme. What they share is here: people, a cluster, and a world that answers what
//! a step asks for.

mod bulletin;
mod closing;
mod discovery;
mod evidence;
mod explain;
mod fallback;
mod grants;
mod groups;
mod held;
mod intake;
mod model;
mod modes;
mod outbox;
mod proof;
mod property;
mod record;
mod remade;
mod report;
mod restart;
mod routes;
mod start_result;
mod verdict;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::bulletin::Teller;
use super::mode::Mode;
use super::model::{Case, Held, Intent, IntentState, Outcome, Stop, StopSource};
use super::record::{Episode, Record};
use super::routes::Routes;
use super::step::{
    Advance, Context, Facts, GrantsRead, GroupRow, LookProblem, RecentStops, StormRow, Transition, advance,
};
use super::{Confirm, Piece, Taken, Times, take_in};
use crate::domain::{
    Caller, CallerKind, Cloud, Cluster, ClusterId, Found, Grant, Incident, IncidentState, LogReading, Look,
    Portal, Power, PowerOperation, PowerVerb, Provisioning, Setup,
};
use crate::policy::{DEFAULT_POLICIES, Policies, PolicyFile};

const MALLORY: &str = "11111111-1111-4111-8111-111111111111";
const TRUDY: &str = "22222222-2222-4222-8222-222222222222";
/// May stop clusters at any time.
const PIPELINE: &str = "33333333-3333-4333-8333-333333333333";
const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

const PIPELINE_MAY_STOP: &str = "@id(\"pipeline\") permit (principal == \
    Caller::\"33333333-3333-4333-8333-333333333333\", action == Action::\"stop\", resource);";

/// The default policies, and one that lets the pipeline stop clusters.
static POLICIES: LazyLock<Policies> = LazyLock::new(|| with_default(PIPELINE_MAY_STOP));

static PORTAL: LazyLock<Portal> = LazyLock::new(|| Portal::new(Cloud::Public, None));

/// The default policies and some more.
fn with_default(more: &str) -> Policies {
    Policies::load(&[DEFAULT_POLICIES, PolicyFile { name: "more.cedar", text: more }]).unwrap()
}

fn only(text: &str) -> Policies {
    Policies::load(&[PolicyFile { name: "only.cedar", text }]).unwrap()
}

/// A time, in seconds after the evening of the tests began.
fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-09-14T18:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

fn person(object_id: &str, upn: &str) -> Caller {
    Caller {
        kind: CallerKind::User,
        object_id: Some(object_id.to_owned()),
        upn: Some(upn.to_owned()),
        groups_known: true,
        ..Caller::unknown()
    }
}

fn mallory() -> Caller {
    person(MALLORY, "mallory@contoso.com")
}

fn trudy() -> Caller {
    person(TRUDY, "trudy@contoso.com")
}

fn pipeline() -> Caller {
    Caller {
        kind: CallerKind::ServicePrincipal,
        object_id: Some(PIPELINE.to_owned()),
        name: Some("night-pipeline".to_owned()),
        ..Caller::unknown()
    }
}

fn cluster_named(name: &str) -> ClusterId {
    let path = format!("resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/{name}");
    ClusterId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}")).unwrap()
}

fn cluster_id() -> ClusterId {
    cluster_named("aks-prod-01")
}

/// What an event says of a stop at that second: every second has its own correlation id.
fn stop(caller: Caller, second: i64) -> Stop {
    Stop {
        time: at(second),
        time_known: true,
        event_id: format!("event-{second}-{}", caller.label()),
        caller,
        correlation_id: Some(format!("correlation-{second}")),
        source: StopSource::Event,
        confirmed: false,
        claimed: None,
        allowed_by: None,
        granted: None,
    }
}

fn operation(verb: PowerVerb, caller: Caller, second: i64) -> PowerOperation {
    PowerOperation {
        verb,
        began_at: at(second),
        last_seen_at: at(second),
        caller,
        correlation_id: Some(format!("correlation-{second}")),
        operation_id: Some(format!("operation-{second}")),
        records: Vec::new(),
    }
}

/// The activity log's record of a stop.
fn log_stop(caller: Caller, second: i64) -> PowerOperation {
    operation(PowerVerb::Stop, caller, second)
}

/// The activity log's record of a start.
fn log_start(caller: Caller, second: i64) -> PowerOperation {
    operation(PowerVerb::Start, caller, second)
}

fn cluster(provisioning: Provisioning, power: Power) -> Cluster {
    Cluster {
        id: cluster_id(),
        resource_uid: Some("uid-1".to_owned()),
        provisioning,
        power,
        location: Some("westeurope".to_owned()),
        tags: BTreeMap::new(),
        sku_tier: None,
        private: None,
        kubernetes_version: None,
        setup: Setup::default(),
        fault: None,
    }
}

/// What ARM shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Running,
    Stopped,
    Stopping,
    Starting,
    FailedStopped,
    FailedRunning,
    Busy,
    Deleting,
    Silent,
    Gone,
    Unreachable,
}

impl Arm {
    fn states(self) -> Option<(Provisioning, Power)> {
        match self {
            Self::Running => Some((Provisioning::Succeeded, Power::Running)),
            Self::Stopped => Some((Provisioning::Succeeded, Power::Stopped)),
            Self::Stopping => Some((Provisioning::Stopping, Power::Stopped)),
            Self::Starting => Some((Provisioning::Starting, Power::Running)),
            Self::FailedStopped => Some((Provisioning::Failed, Power::Stopped)),
            Self::FailedRunning => Some((Provisioning::Failed, Power::Running)),
            Self::Busy => Some((Provisioning::Busy, Power::Stopped)),
            Self::Deleting => Some((Provisioning::Deleting, Power::Stopped)),
            Self::Silent => Some((Provisioning::Unknown, Power::Unknown)),
            Self::Gone | Self::Unreachable => None,
        }
    }

    fn look(self, sent_at: Timestamp) -> Result<Look, LookProblem> {
        let found = match self {
            Self::Unreachable => {
                return Err(LookProblem {
                    text: "ARM answered 503".to_owned(),
                    code: None,
                    retry_after: None,
                });
            }
            Self::Gone => Found::Gone,
            Self::Running
            | Self::Stopped
            | Self::Stopping
            | Self::Starting
            | Self::FailedStopped
            | Self::FailedRunning
            | Self::Busy
            | Self::Deleting
            | Self::Silent => {
                let (provisioning, power) = self.states().unwrap();
                Found::Cluster(Box::new(cluster(provisioning, power)))
            }
        };
        Ok(Look { sent_at, found, body: None })
    }
}

/// One record, and everything around it that a step asks about.
struct World {
    record: Record,
    times: Times,
    mode: Mode,
    confirm: Confirm,
    hold: Option<String>,
    skewed: bool,
    start_slot_at: Timestamp,
    zone: TimeZone,
    routes: Routes,
    /// Sinks that got too many incidents lately.
    crowded: Vec<String>,
    /// What the activity log would say.
    log: Result<LogReading, String>,
    counts: RecentStops,
    /// What is granted.
    grants: Vec<Grant>,
}

/// What came of one step.
#[derive(Debug)]
struct Stepped {
    start: Option<Intent>,
    storm: Option<StormRow>,
    groups: Vec<GroupRow>,
    evidence: Vec<Piece>,
    /// How often the log was asked.
    log_questions: u32,
    /// Messages that the step put into the outbox.
    told: Vec<Incident>,
}

impl World {
    /// A guard that may act, and a cluster that nothing is known of.
    fn new() -> Self {
        Self {
            record: Record::new(cluster_id()),
            times: Times::default(),
            mode: Mode::Act,
            confirm: Confirm::Prefer,
            hold: None,
            skewed: false,
            start_slot_at: Timestamp::MIN,
            zone: TimeZone::UTC,
            routes: Routes::to_all(["webhook"]),
            crowded: Vec::new(),
            log: Ok(LogReading::default()),
            counts: RecentStops { by_caller: 1, in_subscription: 1, marked: false },
            grants: Vec::new(),
        }
    }

    /// A guard that heard of this stop ten seconds after it.
    fn stopped_by(caller: Caller) -> Self {
        let mut world = Self::new();
        assert_eq!(world.hears(stop(caller, 0), 10), Taken::Opened);
        world
    }

    fn hears(&mut self, stop: Stop, second: i64) -> Taken {
        take_in(&mut self.record, stop, self.mode, at(second), &self.times)
    }

    fn log_says(&mut self, mut operations: Vec<PowerOperation>) {
        operations.sort_by_key(|operation| std::cmp::Reverse(operation.began_at));
        self.log = Ok(LogReading { operations });
    }

    fn context<'a>(&'a self, policies: Option<&'a Policies>, now: Timestamp) -> Context<'a> {
        Context {
            now,
            mode: self.mode,
            times: &self.times,
            policies,
            zone: &self.zone,
            confirm: self.confirm,
            hold: self.hold.as_deref(),
            skewed: self.skewed,
            start_slot_at: self.start_slot_at,
            routes: &self.routes,
            crowded: &self.crowded,
            portal: Some(&PORTAL),
            nonce: "nonce",
            program: "program",
        }
    }

    /// What bulletins are told with in that second.
    fn teller(&self, second: i64) -> Teller<'_> {
        let Self { mode, routes, times, .. } = self;
        Teller { now: at(second), mode: *mode, routes, portal: Some(&PORTAL), times }
    }

    /// A step on a look that was sent in that second.
    fn sees(&mut self, arm: Arm, second: i64) -> Stepped {
        self.steps(&POLICIES, arm.look(at(second)), second)
    }

    fn steps(&mut self, policies: &Policies, look: Result<Look, LookProblem>, second: i64) -> Stepped {
        self.steps_under(Some(policies), look, at(second))
    }

    fn steps_under(
        &mut self,
        policies: Option<&Policies>,
        look: Result<Look, LookProblem>,
        now: Timestamp,
    ) -> Stepped {
        let mut facts = Facts { look, log: None, stops: None, grants: None };
        let mut log_questions = 0;
        let waiting_before = self.record.outbox.len();
        loop {
            match advance(&self.record, &facts, &self.context(policies, now)) {
                Advance::ReadGrants { callers } => {
                    let known = facts.grants.as_ref().map(|read| &read.callers);
                    assert!(known.is_none_or(|known| !callers.is_subset(known)), "no grants are read twice");
                    facts.grants = Some(GrantsRead { callers, grants: self.grants.clone() });
                }
                Advance::AskLog => {
                    assert!(facts.log.is_none(), "the log is asked once a step at most");
                    log_questions += 1;
                    facts.log = Some(self.log.clone());
                }
                Advance::CountStops { mark } => {
                    let counted = facts.stops.map(|stops| stops.marked);
                    assert!(
                        counted.is_none_or(|marked| mark && !marked),
                        "stops are counted anew only with a mark"
                    );
                    facts.stops = Some(RecentStops { marked: mark, ..self.counts });
                }
                Advance::Write(transition) => {
                    self.record = transition.record.clone();
                    let told = self.record.outbox.iter().skip(waiting_before);
                    let told = told.map(|message| message.incident.clone()).collect();
                    let Transition { start, storm, groups, evidence, .. } = *transition;
                    return Stepped { start, storm, groups, evidence, log_questions, told };
                }
            }
        }
    }

    /// What came of the newest start.
    fn start_came_to(&mut self, state: IntentState, second: i64) {
        let nonce = self.case().intent.as_ref().unwrap().nonce.clone();
        super::note_start(&mut self.record, &nonce, state, at(second), &self.times);
    }

    fn case(&self) -> &Case {
        self.record.case().unwrap_or_else(|| panic!("no case is open: {:?}", self.record.episode))
    }

    fn held(&self) -> Option<&Held> {
        match &self.record.episode {
            Episode::Held(case) => case.held.as_ref(),
            Episode::None | Episode::Open(_) | Episode::Closing(_) => None,
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        match &self.record.episode {
            Episode::Closing(closing) => Some(closing.outcome),
            Episode::None | Episode::Open(_) | Episode::Held(_) => None,
        }
    }

    /// The case is archived and off the record.
    fn is_archived(&mut self) {
        assert!(self.outcome().is_some(), "the case is not closed: {:?}", self.record.episode);
        super::close::reset(&mut self.record);
    }

    /// How long until the case wants attention again, in seconds.
    fn next_look_after(&self, second: i64) -> i64 {
        self.case().next_at.duration_since(at(second)).as_secs()
    }

    fn last_line(&self) -> &str {
        self.case().timeline.last().map_or("", |line| line.text.as_str())
    }
}

fn sent() -> IntentState {
    IntentState::Sent { request_id: Some("request-1".to_owned()) }
}

fn refused(code: &str, advice: &str) -> IntentState {
    IntentState::Refused { code: code.to_owned(), advice: advice.to_owned(), lock: None }
}

fn put_off(code: &str) -> IntentState {
    IntentState::PutOff { code: code.to_owned(), until: None }
}

fn states(told: &[Incident]) -> Vec<IncidentState> {
    told.iter().map(|incident| incident.state).collect()
}
