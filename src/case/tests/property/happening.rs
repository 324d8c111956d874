//! What may happen to a case.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// Time passes.
    Wait { seconds: i64 },
    /// An event arrives about a stop that was some seconds ago.
    Event { who: Who, ago: i64 },
    /// The newest event comes again, perhaps with another caller.
    Again { who: Who },
    /// A step on what ARM shows, perhaps some seconds after the look.
    Step { arm: Arm, slow: i64 },
    /// What the log says from now on.
    Log { operations: Vec<(PowerVerb, Who, i64)> },
    /// The log can't be asked from now on.
    LogBroken,
    /// What came of the newest start, if one is planned.
    StartResult { state: IntentState },
    /// A look that shows another cluster under the same id.
    AnotherCluster,
    /// Somebody changes the settings.
    Settings { mode: Mode, confirm: Confirm, hold: bool, skewed: bool },
    /// Somebody changes the policies; `None` breaks them.
    NewPolicies { which: Option<usize> },
    /// Stops in the subscription.
    Counts { by_caller: u32 },
    /// The case is archived, if it is closing.
    Archive,
    /// The sinks take everything.
    Deliver,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    Mallory,
    Trudy,
    Pipeline,
    Nobody,
    /// Claims as large as a token can be.
    Crowd,
}

impl Who {
    pub(super) fn caller(self) -> Caller {
        match self {
            Self::Mallory => mallory(),
            Self::Trudy => trudy(),
            Self::Pipeline => pipeline(),
            Self::Nobody => Caller::unknown(),
            Self::Crowd => Caller {
                object_id: Some("44444444-4444-4444-8444-444444444444".to_owned()),
                upn: Some("\u{1F600}".repeat(256)),
                name: Some("\u{1F600}".repeat(256)),
                identity_resource: Some("x".repeat(1_024)),
                groups: (0..200).map(|n| format!("{n:08}-0000-4000-8000-000000000000")).collect(),
                ..mallory()
            },
        }
    }
}

pub(super) static SETS: LazyLock<[Policies; 4]> = LazyLock::new(|| {
    [
        with_default(PIPELINE_MAY_STOP),
        only(PIPELINE_MAY_STOP),
        only("@id(\"restart\") permit (principal, action == Action::\"restart\", resource);"),
        with_default(
            "@id(\"broken\") forbid (principal, action, resource) when { context.utc.minute * 4611686018427387904 > 0 };",
        ),
    ]
});

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        Just(Who::Mallory),
        Just(Who::Trudy),
        Just(Who::Pipeline),
        Just(Who::Nobody),
        Just(Who::Crowd)
    ]
}

/// Stopped is what most looks show, since it is what starts come from.
fn arm() -> impl Strategy<Value = Arm> {
    prop_oneof![
        12 => Just(Arm::Stopped),
        2 => Just(Arm::Running),
        1 => Just(Arm::Stopping),
        1 => Just(Arm::Starting),
        2 => Just(Arm::FailedStopped),
        1 => Just(Arm::FailedRunning),
        1 => Just(Arm::Busy),
        1 => Just(Arm::Deleting),
        1 => Just(Arm::Silent),
        1 => Just(Arm::Gone),
        1 => Just(Arm::Unreachable),
    ]
}

fn result() -> impl Strategy<Value = IntentState> {
    prop_oneof![
        4 => Just(sent()),
        2 => Just(IntentState::Unanswered),
        1 => Just(put_off("TooManyRequests")),
        1 => Just(refused("AuthorizationFailed", "Give it the right.")),
        1 => Just(IntentState::NotSent { why: "no token".to_owned() }),
    ]
}

fn settings() -> impl Strategy<Value = Happening> {
    let mode = prop_oneof![6 => Just(Mode::Act), 1 => Just(Mode::Notify), 1 => Just(Mode::DryRun)];
    let confirm = prop_oneof![Just(Confirm::Prefer), Just(Confirm::Require), Just(Confirm::Off)];
    (mode, confirm, proptest::bool::weighted(0.1), proptest::bool::weighted(0.1))
        .prop_map(|(mode, confirm, hold, skewed)| Happening::Settings { mode, confirm, hold, skewed })
}

pub(super) fn happening() -> impl Strategy<Value = Happening> {
    let seconds = prop_oneof![6 => 1_i64..60, 4 => 60_i64..400, 2 => 400_i64..2_000, 1 => 2_000_i64..30_000];
    let operation = (prop_oneof![Just(PowerVerb::Start), Just(PowerVerb::Stop)], who(), 0_i64..3_000);
    prop_oneof![
        8 => seconds.prop_map(|seconds| Happening::Wait { seconds }),
        5 => (who(), 0_i64..400).prop_map(|(who, ago)| Happening::Event { who, ago }),
        1 => who().prop_map(|who| Happening::Again { who }),
        16 => (arm(), prop_oneof![9 => Just(0_i64), 1 => 0_i64..60])
            .prop_map(|(arm, slow)| Happening::Step { arm, slow }),
        3 => vec(operation, 0..4).prop_map(|operations| Happening::Log { operations }),
        1 => Just(Happening::LogBroken),
        6 => result().prop_map(|state| Happening::StartResult { state }),
        1 => Just(Happening::AnotherCluster),
        1 => settings(),
        1 => option_of_set().prop_map(|which| Happening::NewPolicies { which }),
        1 => (1_u32..8).prop_map(|by_caller| Happening::Counts { by_caller }),
        3 => Just(Happening::Archive),
        2 => Just(Happening::Deliver),
    ]
}

fn option_of_set() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![4 => Just(Some(0)), 1 => Just(Some(1)), 2 => Just(Some(2)), 1 => Just(Some(3)), 1 => Just(None)]
}
