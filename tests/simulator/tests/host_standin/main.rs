//! The stand-in for the Functions host against recordings of the real one.
//!
//! Every file in `recorded/` is replayed by one of the tests here, or named in [`NOT_REPLAYED`] with the reason.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod command;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod invocations;
#[cfg(test)]
mod lifetime;
#[cfg(test)]
mod process;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod support;
#[cfg(test)]
mod timers;

use std::collections::BTreeSet;

/// Recordings the stand-in does not reproduce, on purpose.
const NOT_REPLAYED: &[(&str, &str)] = &[
    (
        "shutdown_sigint_group_handler_exits.json",
        "signals to a process group are the terminal's; the handler here never gets the host's signals",
    ),
    (
        "shutdown_sigterm_drain.json",
        "draining on a platform's request is not built; the outcome is that of shutdown_sigterm.json",
    ),
];

#[test]
fn every_recording_is_replayed_or_named_with_a_reason() {
    let recorded: BTreeSet<String> = support::recordings("").into_iter().map(|(name, _)| name).collect();
    let replayed = [
        invocations::replayed(),
        answers::replayed(),
        lifetime::replayed(),
        shutdown::replayed(),
        timers::replayed(),
    ];
    let named = NOT_REPLAYED.iter().map(|(name, _)| (*name).to_owned());
    let accounted: BTreeSet<String> = replayed.into_iter().flatten().chain(named).collect();
    assert_eq!(recorded, accounted);
}
