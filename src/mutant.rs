//! Deliberately wrong versions of single rules. A test that explores the protocol switches one on and expects its checker to find
//! it: a checker that finds nothing in a broken guard says nothing about a sound one.
//!
//! They exist with the feature `mutants` only, which nothing but those tests turns on. Without it [`Mutant::is_on`] is always
//! false, and the compiler drops the wrong versions.

/// A rule done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A record is written whatever its ETag is by now (rule 3).
    ForgetEtag,
    /// The start is sent before its intent is written (rule 13).
    RecordAfterEffect,
    /// What a throttled ARM asks for is not waited for.
    IgnoreRetryAfter,
    /// A start relies on an older look than its own (rules 2, 13).
    SkipLook,
    /// An intent never expires for its own process, and blocks no other (rules 14, 16).
    NoDeadline,
    /// A marker does not tell which case it stands for (rules 4 to 6).
    MarkerWithoutGeneration,
    /// A marker above the record's generation is deleted without burning it (rule 6).
    NoBurning,
    /// One start too many fits into every budget (rule 23).
    BudgetOffByOne,
    /// A case ends without its messages (rule 20).
    ForgetOutbox,
    /// A verdict stands although a newer stop came (rule 9).
    VerdictForAllStops,
    /// A restart needs no proof of who stopped the cluster last (rule 11).
    NoProof,
    /// Any look that shows the cluster running is final (rule 17).
    NoSettling,
    /// The case is archived before its record says how it ended (rule 18).
    ArchiveFirst,
    /// A case that people are asked about is over (rule 21).
    HeldIsTheEnd,
    /// An authorised stop explains for ever why a cluster is down (rule 24).
    AuthorisedForEver,
    /// Every sink hears the end of an incident, whoever heard its beginning (rule 31).
    EndToAll,
    /// Nobody steps in for a sink that is down (rule 32).
    NoFallback,
    /// A case leaves its record before its groups know that it is over (rule 33).
    ForgetGroup,
}

impl Mutant {
    /// Whether the guard is to do this wrong.
    #[cfg(not(feature = "mutants"))]
    #[inline(always)]
    pub const fn is_on(self) -> bool {
        false
    }

    /// Whether the guard is to do this wrong, on this thread.
    #[cfg(feature = "mutants")]
    pub fn is_on(self) -> bool {
        active::is(self)
    }
}

#[cfg(feature = "mutants")]
pub use active::{Planted, plant};

#[cfg(feature = "mutants")]
mod active {
    use std::cell::Cell;
    use std::marker::PhantomData;

    use super::Mutant;

    thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    pub(super) fn is(mutant: Mutant) -> bool {
        ACTIVE.get() == Some(mutant)
    }

    /// A mutant is on as long as this lives. It stays on the thread that planted it.
    #[derive(Debug)]
    #[must_use = "the mutant is on only as long as this lives"]
    pub struct Planted(PhantomData<*const ()>);

    impl Drop for Planted {
        fn drop(&mut self) {
            ACTIVE.set(None);
        }
    }

    /// Switches one mutant on, on this thread.
    pub fn plant(mutant: Mutant) -> Planted {
        ACTIVE.set(Some(mutant));
        Planted(PhantomData)
    }
}
