//! Promises 2 and 5: which starts go out, when, and how many.

use std::collections::BTreeSet;

use aks_stop_guard::case::{Confirm, Mode};
use aks_stop_guard::domain::{ClusterId, ClusterKey};
use bytes::Bytes;
use http::Response;
use jiff::{SignedDuration, Timestamp};
use simulator::world::{Violation, World};

use super::{Judge, Promise};

/// Azure's clock as a process knows it: the `Date` header has whole seconds, and offsets under 2 s count as none.
const CLOCK_NOISE: SignedDuration = SignedDuration::from_secs(4);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// What the default policies allow.
const RESTARTS_A_DAY: usize = 3;

/// A start that some record announced.
#[derive(Debug, Clone)]
pub(super) struct Intended {
    pub(super) key: ClusterKey,
    pub(super) case: String,
    /// The newest stop when it was written.
    pub(super) stop: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// A start that a process sends.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) process: u32,
    pub(crate) mode: Mode,
    pub(crate) nonce: String,
    pub(crate) at: Timestamp,
}

/// A start that was sent.
#[derive(Debug, Clone)]
pub(super) struct Posted {
    pub(super) nonce: String,
    pub(super) at: Timestamp,
    pub(super) intended: Intended,
    /// Azure said no: nothing came of it.
    pub(super) refused: bool,
    /// No connection was made, and its sender knows.
    pub(super) never_left: bool,
}

/// What became of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landed {
    Answered(u16),
    /// It was accepted or refused, and nobody hears of it.
    AnswerLost,
    /// No connection was made.
    Nowhere,
}

impl Judge {
    /// A process got an answer to a read.
    pub(crate) fn on_read(&mut self, process: u32, path: &str, answer: &Response<Bytes>, sent_at: Timestamp) {
        let Ok(id) = ClusterId::parse(path) else { return };
        if answer.status().as_u16() != 200 {
            return;
        }
        let body = answer.body();
        let has = |part: &str| memchr(body, part.as_bytes());
        let settled = has("\"provisioningState\":\"Succeeded\"") || has("\"provisioningState\":\"Failed\"");
        if settled && has("\"code\":\"Stopped\"") {
            self.looks.insert((process, id.key()), sent_at);
        }
    }

    /// A process sends a start.
    pub(crate) fn on_post(&mut self, post: Post, path: &str, world: &World) {
        let now = post.at;
        let key = path.strip_suffix("/start").and_then(|id| ClusterId::parse(id).ok()).map(|id| id.key());
        let Some(key) = key else {
            self.breaks(Promise::Wire, now, || format!("a start of `{path}`"));
            return;
        };
        self.disturb(&key, now);
        if let Some(violation) = world.violations().iter().find(|v| !matches!(v, Violation::Undone { .. })) {
            self.breaks(Promise::Wire, now, || format!("{violation:?}"));
        }
        if self.posts.iter().any(|sent| sent.nonce == post.nonce) {
            self.breaks(Promise::OnePostAnIntent, now, || format!("{} was sent twice", post.nonce));
        }
        let Some(intended) = self.intents.get(&post.nonce).cloned() else {
            self.breaks(Promise::IntentFirst, now, || format!("no record holds the intent {}", post.nonce));
            return;
        };
        self.check_look(&post, &key);
        self.check_may_act(&post);
        self.check_spacing(&intended, now);
        self.posts.push(Posted { nonce: post.nonce, at: now, intended, refused: false, never_left: false });
        self.check_counts(&key, now);
        self.check_breaker(now);
    }

    fn check_look(&mut self, post: &Post, key: &ClusterKey) {
        let longest = self.times.valid + SignedDuration::from_secs(1);
        let look = self.looks.get(&(post.process, key.clone())).copied();
        let age = look.map(|look| post.at.duration_since(look));
        if age.is_none_or(|age| age > longest) {
            self.breaks(Promise::FreshLook, post.at, || format!("the look at {key} is {age:?} old"));
        }
    }

    fn check_may_act(&mut self, post: &Post) {
        if post.mode != Mode::Act {
            self.breaks(Promise::ModeAndHold, post.at, || format!("in mode {}", post.mode));
        }
        let slack = self.times.valid + SignedDuration::from_secs(5);
        if self.held_since.is_some_and(|since| post.at.duration_since(since) > slack) {
            self.breaks(Promise::ModeAndHold, post.at, || "under a hold".to_owned());
        }
    }

    /// The previous start, whichever case sent it and whichever cluster had the id, can't land any more; and within a case what ARM
    /// asked for is waited for.
    fn check_spacing(&mut self, intended: &Intended, now: Timestamp) {
        let quiet = self.times.quiet;
        let known = self.known(&intended.key);
        let made_anew = known.made_anew;
        let put_off = known.put_off.clone().filter(|_| known.put_off_noted);
        let may_land = |sent: &&Posted| sent.intended.key == intended.key && !sent.never_left;
        let Some(before) = self.posts.iter().rfind(may_land).cloned() else { return };
        let free = before.intended.expires_at + quiet;
        if now + CLOCK_NOISE < free {
            self.breaks(Promise::QuietBetween, now, || format!("the one before blocks until {free}"));
        }
        let is_of_another = made_anew.is_some_and(|at| at >= before.at);
        if before.intended.case != intended.case || is_of_another {
            return;
        }
        if let Some((nonce, until)) = put_off
            && nonce == before.nonce
            && now + CLOCK_NOISE < until
        {
            self.breaks(Promise::RetryAfter, now, || format!("ARM asked to wait until {until}"));
        }
    }

    fn check_counts(&mut self, key: &ClusterKey, now: Timestamp) {
        let of_cluster = || self.posts.iter().filter(|sent| sent.intended.key == *key && !sent.refused);
        let today = of_cluster().filter(|sent| now.duration_since(sent.at) < DAY).count();
        let Some(newest) = self.posts.last() else { return };
        let episode = of_cluster()
            .filter(|sent| {
                sent.intended.case == newest.intended.case && sent.intended.stop == newest.intended.stop
            })
            .count();
        if episode > 3 {
            self.breaks(Promise::ThreeAttempts, now, || format!("attempt {episode} of one episode"));
        }
        if today > RESTARTS_A_DAY {
            self.breaks(Promise::Budget, now, || format!("restart {today} within a day"));
        }
    }

    /// Of the stops of any one hour, fewer than the limit lead to a restart.
    fn check_breaker(&mut self, now: Timestamp) {
        let Some(limit) = self.breaker else { return };
        let hour = SignedDuration::from_secs(3_599);
        let restarted: BTreeSet<(ClusterKey, Timestamp)> =
            self.posts.iter().map(|sent| (sent.intended.key.clone(), sent.intended.stop)).collect();
        let times: Vec<Timestamp> = restarted.iter().map(|(_, stop)| *stop).collect();
        let most = times
            .iter()
            .map(|from| times.iter().filter(|at| **at >= *from && at.duration_since(*from) < hour).count())
            .max();
        if most.is_some_and(|most| most >= limit as usize) {
            self.breaks(Promise::Breaker, now, || format!("{most:?} restarts, the limit is {limit}"));
        }
    }

    /// What became of a start.
    pub(crate) fn on_landed(
        &mut self,
        nonce: &str,
        landed: Landed,
        retry_after: Option<SignedDuration>,
        world: &World,
        now: Timestamp,
    ) {
        let Some(sent) = self.posts.iter_mut().rfind(|sent| sent.nonce == nonce) else { return };
        let key = sent.intended.key.clone();
        let (stop, sent_at) = (sent.intended.stop, sent.at);
        sent.refused = matches!(landed, Landed::Nowhere | Landed::Answered(400..500));
        sent.never_left = landed == Landed::Nowhere;
        self.disturb(&key, now);
        if let (Landed::Answered(429), Some(after)) = (landed, retry_after) {
            let known = self.known(&key);
            known.put_off = Some((nonce.to_owned(), now + after));
            known.put_off_noted = false;
            self.disturb(&key, now + after);
        }
        self.check_undone(&key, stop, sent_at, world, now);
        if matches!(landed, Landed::AnswerLost | Landed::Answered(..300)) {
            self.known(&key).over.push(now);
        }
    }

    fn check_undone(
        &mut self,
        key: &ClusterKey,
        restarted_for: Timestamp,
        sent_at: Timestamp,
        world: &World,
        now: Timestamp,
    ) {
        let seen = std::mem::replace(&mut self.undone_seen, world.violations().len());
        let news = world.violations().iter().skip(seen);
        let undone = news.filter_map(|violation| match violation {
            Violation::Undone { accepted: true, stopped_at, .. } => Some(*stopped_at),
            _ => None,
        });
        for stopped_at in undone {
            let Some(stop) = self.known(key).stop_at(stopped_at).cloned() else { continue };
            let is_certain = stop.recorded_as_authorised || !self.changed;
            // What docs/RELIABILITY.md says under "Where an authorised stop can be undone", 1 and 2.
            let age = sent_at.duration_since(stop.at);
            let is_unheard = !stop.acked && age <= self.log_lag + self.times.valid;
            let is_known_risk = match self.confirm {
                Confirm::Off => true,
                Confirm::Prefer => is_unheard && restarted_for < stop.at,
                Confirm::Require => false,
            };
            if is_certain && !is_known_risk {
                self.breaks(Promise::AuthorisedStands, now, || {
                    format!("the stop of {stopped_at} was undone for the one of {restarted_for}")
                });
            }
        }
    }
}

fn memchr(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}
