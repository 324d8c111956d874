//! The protocol's times. Every comparison of the protocol uses one of these, so that a demo can divide them all.

use jiff::SignedDuration;

/// Starts in one episode at most; then people.
pub const ATTEMPTS_MAX: u32 = 3;

/// The times of the case protocol. `docs` of each: why it has its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// From a look to the POST that relies on it.
    pub valid: SignedDuration,
    /// How long the start request may take. Nothing retries under it.
    pub post_timeout: SignedDuration,
    /// After an intent expired: how long it may still land, so how long nobody else may try.
    pub quiet: SignedDuration,
    /// Age of a stop at the first look of a watch up to which no log is needed.
    pub fresh: SignedDuration,
    /// Longest gap between two looks of one watch: shorter than any start, so that none is missed.
    pub look_gap: SignedDuration,
    /// A Running look sooner than this after a stop is not final: ARM may not show the stop yet.
    pub settle: SignedDuration,
    /// Longest time until the activity log shows an operation.
    pub log_lag: SignedDuration,
    /// How far our clock may be from ARM's before nothing is started. Never divided: it is about real clocks.
    pub skew_max: SignedDuration,
    /// After a start that failed.
    pub retry_after: SignedDuration,
    /// After this long without the cluster running, people are asked.
    pub give_up_after: SignedDuration,
    /// Between two looks at a cluster that is being worked on.
    pub look_every: SignedDuration,
    /// Between two looks at a cluster that waits for people.
    pub held_look_every: SignedDuration,
    /// Between two questions to the activity log.
    pub log_every: SignedDuration,
    /// How long an authorisation may lack its record in the log before people are told.
    pub confirm_give_up_after: SignedDuration,
    /// Between two messages about one storm.
    pub bulletin_every: SignedDuration,
    /// Without a new cluster for this long, a storm whose clusters are all settled is over.
    pub storm_over_after: SignedDuration,
    /// Between two messages that the guard is broken.
    pub degraded_every: SignedDuration,
    /// Between two runs of discovery.
    pub discover_every: SignedDuration,
    /// A stop that discovery finds is answered with a restart if it is younger than this.
    pub restart_found_within: SignedDuration,
    /// After discovery failed for this long, people are told.
    pub discovery_fault_after: SignedDuration,
    /// Between two heartbeats in the store.
    pub heartbeat_every: SignedDuration,
    /// A start takes longer than this (assumption T2; the shortest recorded one took 192 s).
    pub start_takes_at_least: SignedDuration,
}

impl Default for Times {
    fn default() -> Self {
        let secs = SignedDuration::from_secs;
        Self {
            valid: secs(20),
            post_timeout: secs(20),
            quiet: secs(120),
            fresh: secs(180),
            look_gap: secs(120),
            settle: secs(180),
            log_lag: secs(900),
            skew_max: secs(30),
            retry_after: secs(900),
            give_up_after: secs(3_600),
            look_every: secs(30),
            held_look_every: secs(300),
            log_every: secs(60),
            confirm_give_up_after: secs(1_800),
            bulletin_every: secs(60),
            storm_over_after: secs(600),
            degraded_every: secs(3_600),
            discover_every: secs(300),
            restart_found_within: secs(86_400),
            discovery_fault_after: secs(3_600),
            heartbeat_every: secs(300),
            start_takes_at_least: secs(192),
        }
    }
}

/// Why a set of times is not safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimesError {
    /// A start could still land when the next is sent.
    #[error("valid + post timeout + skew must be shorter than quiet, and quiet shorter than a start takes")]
    Quiet,
    /// A start could happen unseen between two looks.
    #[error("fresh and the look gap must be shorter than a start takes")]
    Watch,
    /// `STOP_GUARD_RETRY_AFTER` is too short.
    #[error("`STOP_GUARD_RETRY_AFTER` must be at least the quiet time of 120 s")]
    RetryAfter,
    /// `STOP_GUARD_LOOK_EVERY` is too long or zero.
    #[error("`STOP_GUARD_LOOK_EVERY` must be between 1 s and the longest gap in a watch of 120 s")]
    LookEvery,
    /// `STOP_GUARD_GIVE_UP_AFTER` is too short.
    #[error("`STOP_GUARD_GIVE_UP_AFTER` must be at least 5 minutes, longer than a start takes")]
    GiveUpAfter,
    /// `STOP_GUARD_DISCOVER_EVERY` is too short or too long.
    #[error("`STOP_GUARD_DISCOVER_EVERY` must be between 1 minute and 24 hours")]
    DiscoverEvery,
}

impl Times {
    /// Checks what the protocol's safety rests on, before any division.
    pub fn check(&self) -> Result<(), TimesError> {
        if self.valid + self.post_timeout + self.skew_max >= self.quiet
            || self.quiet >= self.start_takes_at_least
        {
            return Err(TimesError::Quiet);
        }
        if self.fresh >= self.start_takes_at_least || self.look_gap >= self.start_takes_at_least {
            return Err(TimesError::Watch);
        }
        if self.retry_after < self.quiet {
            return Err(TimesError::RetryAfter);
        }
        if self.look_every < SignedDuration::from_secs(1) || self.look_every >= self.look_gap {
            return Err(TimesError::LookEvery);
        }
        if self.give_up_after < SignedDuration::from_mins(5) {
            return Err(TimesError::GiveUpAfter);
        }
        if self.discover_every < SignedDuration::from_mins(1)
            || self.discover_every > self.restart_found_within
        {
            return Err(TimesError::DiscoverEvery);
        }
        Ok(())
    }

    /// All times but the clock's skew divided by `speed_up`, for the demo and tests in real time.
    #[must_use]
    pub fn divided(&self, speed_up: i32) -> Self {
        let by = |time: SignedDuration| time / speed_up.max(1);
        Self {
            valid: by(self.valid),
            post_timeout: by(self.post_timeout),
            quiet: by(self.quiet),
            fresh: by(self.fresh),
            look_gap: by(self.look_gap),
            settle: by(self.settle),
            log_lag: by(self.log_lag),
            skew_max: self.skew_max,
            retry_after: by(self.retry_after),
            give_up_after: by(self.give_up_after),
            look_every: by(self.look_every),
            held_look_every: by(self.held_look_every),
            log_every: by(self.log_every),
            confirm_give_up_after: by(self.confirm_give_up_after),
            bulletin_every: by(self.bulletin_every),
            storm_over_after: by(self.storm_over_after),
            degraded_every: by(self.degraded_every),
            discover_every: by(self.discover_every),
            restart_found_within: by(self.restart_found_within),
            discovery_fault_after: by(self.discovery_fault_after),
            heartbeat_every: by(self.heartbeat_every),
            start_takes_at_least: by(self.start_takes_at_least),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_times_are_safe() {
        assert_eq!(Times::default().check(), Ok(()));
    }

    #[test]
    fn times_that_let_a_late_start_meet_the_next_one_are_refused() {
        let mut times = Times { valid: SignedDuration::from_secs(80), ..Times::default() };
        assert_eq!(times.check(), Err(TimesError::Quiet));
        times = Times { look_gap: SignedDuration::from_secs(200), ..Times::default() };
        assert_eq!(times.check(), Err(TimesError::Watch));
        times = Times { retry_after: SignedDuration::from_secs(100), ..Times::default() };
        assert_eq!(times.check(), Err(TimesError::RetryAfter));
        times = Times { look_every: SignedDuration::from_secs(120), ..Times::default() };
        assert_eq!(times.check(), Err(TimesError::LookEvery));
        times = Times { give_up_after: SignedDuration::from_secs(60), ..Times::default() };
        assert_eq!(times.check(), Err(TimesError::GiveUpAfter));
        for discover_every in [59, 86_401].map(SignedDuration::from_secs) {
            times = Times { discover_every, ..Times::default() };
            assert_eq!(times.check(), Err(TimesError::DiscoverEvery));
        }
    }

    #[test]
    fn a_speed_up_divides_everything_but_the_skew_of_real_clocks() {
        let fast = Times::default().divided(60);
        assert_eq!(fast.quiet, SignedDuration::from_secs(2));
        assert_eq!(fast.skew_max, Times::default().skew_max);
    }
}
