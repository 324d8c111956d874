//! What one seed decides before anything happens: how big the world is, what goes wrong in it, and how often.
//!
//! Each kind of fault is on in some seeds only: a world in which everything fails at once never gets far.

use aks_stop_guard::case::routes::INCIDENTS_A_MINUTE;
use aks_stop_guard::case::{Confirm, Takes, Times};
use aks_stop_guard::domain::Severity;
use jiff::SignedDuration;
use simulator::world::DEFAULT_GRAPH_LAG;

/// Everything random of one run comes out of this, and so out of one number.
#[derive(Debug, Clone)]
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds are to have nothing in common.
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(fastrand::Rng::with_seed(mixed ^ (mixed >> 31)))
    }

    /// A whole number from 0 up to, not including, `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.u64(0..end.max(1))
    }

    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        self.0.i64(from..=to.max(from))
    }

    /// True once in `in_a_million` of a million throws.
    pub(crate) fn hits(&mut self, in_a_million: u32) -> bool {
        in_a_million > 0 && self.0.u32(0..1_000_000) < in_a_million
    }

    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        self.0.u32(0..100) < percent
    }

    /// Seconds, of which the short ones are as likely as the long ones: each order of magnitude counts the same.
    pub(crate) fn seconds(&mut self, from: u64, to: u64) -> SignedDuration {
        #[expect(clippy::cast_precision_loss, reason = "at most a few days of seconds")]
        let (low, high) = ((from.max(1) as f64).ln(), (to.max(1) as f64).ln());
        SignedDuration::from_secs_f64((low + (high - low) * self.0.f64()).exp())
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// A rate in a million: none in half of the seeds, else up to `most`.
    fn rate(&mut self, most: u32) -> u32 {
        if self.0.bool() { 0 } else { self.0.u32(1..=most.max(1)) }
    }
}

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Faults all along: nothing bad happens.
    Safety,
    /// Faults end: then everything comes to its end.
    Liveness,
}

impl Aim {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
        }
    }
}

/// Which policies beside the default ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PolicyChoice {
    /// Ops may stop clusters.
    pub(crate) ops_may_stop: bool,
    /// That many unauthorised stops in an hour, and nothing is restarted any more.
    pub(crate) breaker: Option<u32>,
}

/// Which sinks get what, beside `webhook`, which gets everything, and `pager`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RouteChoice {
    /// From which severity on the pager is told, if there is one.
    pub(crate) pager_from: Severity,
    /// There is a third sink, `mail`, that gets nothing by itself and steps in for others.
    pub(crate) fallback: bool,
    /// A sink that takes nothing as long as things go wrong.
    pub(crate) dead: Option<&'static str>,
    /// Incidents of its own that a sink gets in a minute.
    pub(crate) cap: usize,
}

impl Default for RouteChoice {
    fn default() -> Self {
        Self { pager_from: Severity::Info, fallback: false, dead: None, cap: INCIDENTS_A_MINUTE }
    }
}

impl RouteChoice {
    fn of(dice: &mut Dice) -> Self {
        Self {
            pager_from: if dice.percent(50) { Severity::High } else { Severity::Info },
            fallback: dice.percent(50),
            dead: match dice.below(4) {
                0 => Some("webhook"),
                1 => Some("pager"),
                _ => None,
            },
            cap: if dice.percent(60) {
                usize::try_from(dice.between(0, 2)).unwrap_or(1)
            } else {
                INCIDENTS_A_MINUTE
            },
        }
    }

    /// What a sink gets by itself.
    pub(crate) fn takes(&self, sink: &str) -> Takes {
        match sink {
            "mail" => Takes::Named,
            "pager" => Takes::From(self.pager_from),
            _ => Takes::From(Severity::Info),
        }
    }
}

/// How often what goes wrong, in a million calls.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    /// A call of the store fails, before or after it was done.
    pub(crate) store: u32,
    /// A request to ARM or the activity log fails.
    pub(crate) arm: u32,
    /// A start is refused, lost, late or answered wrong.
    pub(crate) start: u32,
    /// A look shows what was true before the newest stop.
    pub(crate) stale: u32,
    pub(crate) token: u32,
    pub(crate) sink: u32,
    /// The process dies at a call.
    pub(crate) crash: u32,
    /// The process is paused at a call, for up to several minutes.
    pub(crate) pause: u32,
    /// A call takes longer than its caller waits.
    pub(crate) slow: u32,
}

/// One seed's world.
#[derive(Debug, Clone)]
pub(crate) struct Knobs {
    pub(crate) seed: u64,
    pub(crate) aim: Aim,
    pub(crate) clusters: u32,
    pub(crate) processes: u32,
    pub(crate) sinks: u32,
    /// Which of them get what.
    pub(crate) routes: RouteChoice,
    /// Stops of one cluster at most.
    pub(crate) stops: u32,
    /// How long faults and people go on.
    pub(crate) trouble: SignedDuration,
    pub(crate) rates: Rates,
    pub(crate) confirm: Confirm,
    pub(crate) policy: PolicyChoice,
    pub(crate) times: Times,
    pub(crate) sweep_every: SignedDuration,
    pub(crate) log_lag: SignedDuration,
    /// Longest delay of an event, before Event Grid tries to deliver it.
    pub(crate) event_delay: SignedDuration,
    /// Duplicates of an event, in percent.
    pub(crate) duplicates: u32,
    /// Stops that nobody was allowed to, in percent of all.
    pub(crate) unauthorised: u32,
    /// People start stopped clusters, delete and recreate them, set holds, deploy; in percent of occasions.
    pub(crate) people: u32,
    pub(crate) deletes: u32,
    pub(crate) holds: bool,
    pub(crate) deploys: bool,
    /// Farthest that a process's clock is off, in seconds.
    pub(crate) skew: i64,
    /// Stops whose event never comes, in percent. They are found if `discovery` is on.
    pub(crate) lost: u32,
    /// Whether the guard is expected to find stops whose event never came (rule 24): then the timer comes with nothing open too.
    pub(crate) discovery: bool,
    /// How far Resource Graph is behind.
    pub(crate) graph_lag: SignedDuration,
}

impl Knobs {
    /// The sinks of the run.
    pub(crate) fn sink_names(&self) -> Vec<&'static str> {
        let mail = self.routes.fallback.then_some("mail");
        ["webhook", "pager"].into_iter().take(self.sinks as usize).chain(mail).collect()
    }

    pub(crate) fn of(seed: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let aim = if seed.is_multiple_of(2) { Aim::Liveness } else { Aim::Safety };
        let breaker = dice.percent(15).then(|| u32::try_from(dice.between(2, 3)).unwrap_or(2));
        let clusters = if breaker.is_some() { dice.between(3, 5) } else { dice.between(1, 3) };
        let is_long = dice.percent(1);
        let trouble = if is_long { dice.seconds(10_000, 100_000) } else { dice.seconds(300, 3_000) };
        let late = dice.percent(30);
        let confirm = match dice.below(10) {
            0 => Confirm::Off,
            1 => Confirm::Require,
            _ => Confirm::Prefer,
        };
        let mut knobs = Self {
            seed,
            aim,
            clusters: u32::try_from(clusters).unwrap_or(1),
            processes: u32::try_from(dice.between(1, 3)).unwrap_or(1),
            sinks: u32::try_from(dice.between(1, 2)).unwrap_or(1),
            routes: RouteChoice::default(),
            stops: u32::try_from(dice.between(1, 4)).unwrap_or(1),
            trouble,
            rates: Rates {
                store: dice.rate(60_000),
                arm: dice.rate(150_000),
                start: dice.rate(500_000),
                stale: dice.rate(300_000),
                token: dice.rate(60_000),
                sink: dice.rate(400_000),
                crash: dice.rate(12_000),
                pause: dice.rate(12_000),
                slow: dice.rate(20_000),
            },
            confirm,
            policy: PolicyChoice { ops_may_stop: true, breaker },
            times: times(dice),
            sweep_every: SignedDuration::from_secs(if dice.percent(80) { 30 } else { dice.between(10, 90) }),
            log_lag: if dice.percent(70) { SignedDuration::from_secs(198) } else { dice.seconds(1, 880) },
            event_delay: match (late, is_long) {
                (false, _) => SignedDuration::from_secs(2),
                (true, false) => dice.seconds(60, 3_600),
                (true, true) => dice.seconds(3_600, 80_000),
            },
            duplicates: if dice.percent(50) { 0 } else { 40 },
            unauthorised: if dice.percent(30) { 100 } else { 60 },
            people: if dice.percent(50) { 0 } else { 40 },
            deletes: if dice.percent(85) { 0 } else { 25 },
            holds: dice.percent(15),
            deploys: dice.percent(20),
            skew: match dice.below(6) {
                0 => 300,
                1 => 25,
                2 => 40,
                _ => 1,
            },
            lost: 0,
            discovery: false,
            graph_lag: DEFAULT_GRAPH_LAG,
        };
        if dice.percent(30) {
            knobs.lose_events(dice);
        }
        if dice.percent(50) {
            knobs.routes = RouteChoice::of(dice);
        }
        knobs
    }

    /// Some events never come, and discovery is expected to make up for it.
    pub(crate) fn lose_events(&mut self, dice: &mut Dice) {
        self.discovery = true;
        self.lost = u32::try_from(dice.between(3, 30)).unwrap_or(3);
        if dice.percent(40) {
            // Azure says "minutes".
            self.graph_lag = dice.seconds(1, 600);
        }
        if dice.percent(30) {
            self.times.discover_every = SignedDuration::from_secs(dice.between(60, 900));
        }
    }
}

/// The protocol's times, within what [`Times::check`] allows.
fn times(dice: &mut Dice) -> Times {
    let mut times = Times::default();
    if dice.percent(40) {
        times.look_every = SignedDuration::from_secs(dice.between(10, 60));
        times.retry_after = SignedDuration::from_secs(dice.between(120, 900));
        times.give_up_after = SignedDuration::from_secs(dice.between(1_200, 7_200));
        times.held_look_every = SignedDuration::from_secs(dice.between(60, 600));
        times.valid = SignedDuration::from_secs(dice.between(10, 20));
    }
    times
}

#[test]
fn every_seed_has_times_that_the_guard_would_take() {
    for seed in 0..500 {
        assert_eq!(Knobs::of(seed).times.check(), Ok(()), "seed {seed}");
    }
}
