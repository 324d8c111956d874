//! What was asked about last, in Cedar's terms. A case is stepped several times before its record is written, and each step puts up to
//! three questions about one caller and one cluster: making entities, where policies read them, costs as much as an answer,
//! and so do a time and an address, whose constructors Cedar finds by running its parser.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{Entities, Entity, RestrictedExpression};
use jiff::Timestamp;

use super::answer::Answer;
use super::entity::{Unaskable, Vocabulary, datetime};
use super::hierarchy::Hierarchy;
use super::question::Circumstances;
use crate::domain::{Caller, Cluster, ClusterId};

/// How many of each are kept: as many as cases that are between two questions at the same time, which are few.
const KEPT_MAX: usize = 16;

/// Whom and what a question is about: all that its entities are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subjects<'a> {
    pub(super) caller: &'a Caller,
    pub(super) cluster: &'a ClusterId,
    pub(super) facts: Option<&'a Cluster>,
}

impl Subjects<'_> {
    /// The entities themselves, not yet checked against the schema.
    pub(super) fn entities(
        &self,
        words: &Vocabulary,
        hierarchy: &Hierarchy,
    ) -> Result<Vec<Entity>, Unaskable> {
        let mut entities = words.cluster_entities(self.cluster, self.facts, hierarchy)?;
        entities.push(words.caller_entity(self.caller)?);
        Ok(entities)
    }
}

/// The newest of what is dear to make, newest first.
#[derive(Debug)]
struct Newest<K, V>(Mutex<VecDeque<(K, V)>>);

impl<K, V> Default for Newest<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V: Clone> Newest<K, V> {
    fn find(&self, is_it: impl Fn(&K) -> bool) -> Option<V> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value.clone())
    }

    fn keep(&self, key: K, value: &V) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT_MAX - 1);
        kept.push_front((key, value.clone()));
    }
}

/// What was made for the newest questions, and what they were answered.
#[derive(Debug, Default)]
pub(super) struct Memo {
    entities: Newest<Kept, Arc<Entities>>,
    datetimes: Newest<Timestamp, RestrictedExpression>,
    addresses: Newest<IpAddr, RestrictedExpression>,
    answers: Newest<(Arc<Entities>, Circumstances), Answer>,
}

/// [`Subjects`] of their own.
#[derive(Debug)]
struct Kept {
    caller: Caller,
    cluster: ClusterId,
    facts: Option<Cluster>,
}

/// A copy of a set of policies begins with nothing remembered.
impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Memo {
    /// The entities of a question, made anew unless the very same ones are at hand.
    pub(super) fn entities(
        &self,
        subjects: Subjects<'_>,
        make: impl FnOnce() -> Result<Entities, Unaskable>,
    ) -> Result<Arc<Entities>, Unaskable> {
        if let Some(known) = self.entities.find(|kept| kept.is_of(subjects)) {
            return Ok(known);
        }
        let entities = Arc::new(make()?);
        let Subjects { caller, cluster, facts } = subjects;
        let kept = Kept { caller: caller.clone(), cluster: cluster.clone(), facts: facts.cloned() };
        self.entities.keep(kept, &entities);
        Ok(entities)
    }

    /// A moment as policies see it.
    pub(super) fn datetime(&self, at: Timestamp) -> RestrictedExpression {
        self.datetimes.find(|known| *known == at).unwrap_or_else(|| {
            let datetime = datetime(at);
            self.datetimes.keep(at, &datetime);
            datetime
        })
    }

    /// An address as policies see it.
    pub(super) fn address(&self, ip: IpAddr) -> RestrictedExpression {
        // Cedar reads no IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`), and ranges are written for the former.
        let ip = ip.to_canonical();
        self.addresses.find(|known| *known == ip).unwrap_or_else(|| {
            let address = RestrictedExpression::new_ip(ip.to_string());
            self.addresses.keep(ip, &address);
            address
        })
    }

    /// What the very same question was answered: about these entities, which are all of its subjects, and with these circumstances.
    pub(super) fn answer(
        &self,
        entities: &Arc<Entities>,
        circumstances: Circumstances,
        ask: impl FnOnce() -> Answer,
    ) -> Answer {
        let is_it = |known: &(Arc<Entities>, Circumstances)| {
            Arc::ptr_eq(&known.0, entities) && known.1 == circumstances
        };
        self.answers.find(is_it).unwrap_or_else(|| {
            let answer = ask();
            self.answers.keep((Arc::clone(entities), circumstances), &answer);
            answer
        })
    }
}

impl Kept {
    fn is_of(&self, subjects: Subjects<'_>) -> bool {
        self.cluster == *subjects.cluster
            && self.facts.as_ref() == subjects.facts
            && self.caller == *subjects.caller
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::policy::{
        Counts, DEFAULT_POLICIES, GrantFacts, Policies, PolicyFile, RestartQuestion, StopQuestion,
    };

    fn cluster(name: &str) -> ClusterId {
        let subscription = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
        let path = format!("resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}");
        ClusterId::parse(&format!("/subscriptions/{subscription}/{path}")).unwrap()
    }

    #[test]
    fn only_the_very_same_facts_share_their_entities() {
        let policies = Policies::load(&[DEFAULT_POLICIES]).unwrap();
        let caller = Caller::unknown();
        let of = |caller: &Caller, cluster: &ClusterId, facts: Option<&Cluster>| {
            let subjects = Subjects { caller, cluster, facts };
            policies.entities(subjects).ok().unwrap()
        };
        let aks = cluster("aks-1");
        let first = of(&caller, &aks, None);
        assert!(Arc::ptr_eq(&first, &of(&caller, &aks, None)));
        assert!(!Arc::ptr_eq(&first, &of(&caller, &cluster("aks-2"), None)));
        let named = Caller { name: Some("Mallory".to_owned()), ..Caller::unknown() };
        assert!(!Arc::ptr_eq(&first, &of(&named, &aks, None)));
    }

    #[test]
    fn only_the_very_same_question_shares_its_answer() {
        let policies = Policies::load(&[DEFAULT_POLICIES]).unwrap();
        let (caller, aks, utc) = (Caller::unknown(), cluster("aks-1"), TimeZone::UTC);
        let counts = |restarts_last_24h| Counts { restarts_last_24h, ..Counts::default() };
        let question = |counts: Counts| RestartQuestion {
            caller: &caller,
            caller_known: false,
            cluster: &aks,
            facts: None,
            at: Timestamp::UNIX_EPOCH,
            stopped_at: Timestamp::UNIX_EPOCH,
            zone: &utc,
            counts,
        };
        let answers = || policies.memo.answers.0.lock().unwrap().len();
        let first = policies.may_restart(&question(counts(0)));
        assert_eq!(policies.may_restart(&question(counts(0))), first);
        assert_eq!(answers(), 1);
        assert_ne!(policies.may_restart(&question(counts(3))), first, "the budget is used up");
        let known = RestartQuestion { caller_known: true, ..question(counts(0)) };
        let later = RestartQuestion { at: Timestamp::MAX, ..question(counts(0)) };
        let older = RestartQuestion { stopped_at: Timestamp::MIN, ..question(counts(0)) };
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let elsewhere = RestartQuestion { zone: &zone, ..question(counts(0)) };
        let of_another = cluster("aks-2");
        let other = RestartQuestion { cluster: &of_another, ..question(counts(0)) };
        for (question, asked) in [known, later, older, elsewhere, other].iter().zip(3..) {
            policies.may_restart(question);
            assert_eq!(answers(), asked, "{question:?}");
        }
        assert_eq!(policies.may_restart(&question(counts(0))), first);
        assert_eq!(answers(), 7);
    }

    #[test]
    fn a_count_that_no_policy_about_it_reads_makes_no_other_question() {
        let (caller, aks) = (Caller::unknown(), cluster("aks-1"));
        let asked = |policies: &Policies| {
            for unauthorised_stops_by_caller_last_hour in [0, 4, 5] {
                policies.may_stop(&StopQuestion {
                    caller: &caller,
                    cluster: &aks,
                    facts: None,
                    at: Timestamp::UNIX_EPOCH,
                    zone: &TimeZone::UTC,
                    counts: Counts { unauthorised_stops_by_caller_last_hour, ..Counts::default() },
                    confirmed: false,
                    grant: None,
                });
            }
            policies.memo.answers.0.lock().unwrap().len()
        };
        assert_eq!(
            asked(&Policies::load(&[DEFAULT_POLICIES]).unwrap()),
            1,
            "restarts are decided by it alone"
        );
        let text = r#"@id("breaker") forbid (principal, action == Action::"stop", resource)
                      when { context.unauthorisedStopsByCallerLastHour >= 5 };"#;
        let breaker = PolicyFile { name: "breaker.cedar", text };
        assert_eq!(asked(&Policies::load(&[DEFAULT_POLICIES, breaker]).unwrap()), 3);
    }

    #[test]
    fn a_stop_with_another_grant_or_none_is_another_question() {
        let policies = Policies::load(&[DEFAULT_POLICIES]).unwrap();
        let (caller, aks) = (Caller::unknown(), cluster("aks-1"));
        let grant = GrantFacts {
            id: "g-1".to_owned(),
            granted_by: "ops".to_owned(),
            until: Timestamp::MAX,
            reason: "maintenance".to_owned(),
            ticket: None,
        };
        let without = StopQuestion {
            caller: &caller,
            cluster: &aks,
            facts: None,
            at: Timestamp::UNIX_EPOCH,
            zone: &TimeZone::UTC,
            counts: Counts::default(),
            confirmed: false,
            grant: None,
        };
        let granted = StopQuestion { grant: Some(&grant), ..without };
        for _ in 0..2 {
            assert!(!policies.may_stop(&without).allowed);
            assert!(policies.may_stop(&granted).allowed);
        }
        assert_eq!(policies.memo.answers.0.lock().unwrap().len(), 2);
        policies.may_stop(&StopQuestion { confirmed: true, ..without });
        assert_eq!(policies.memo.answers.0.lock().unwrap().len(), 3);
    }

    #[test]
    fn no_more_is_kept_than_is_of_use() {
        let policies = Policies::load(&[DEFAULT_POLICIES]).unwrap();
        let caller = Caller::unknown();
        for n in 0..100 {
            let aks = cluster(&format!("aks-{n}"));
            let subjects = Subjects { caller: &caller, cluster: &aks, facts: None };
            assert!(policies.entities(subjects).is_ok());
        }
        assert_eq!(policies.memo.entities.0.lock().unwrap().len(), KEPT_MAX);
    }
}
