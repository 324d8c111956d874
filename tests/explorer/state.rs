//! One state of an explored world: the cluster and what Azure knows, the store, and two processes of the guard.

/// A point in time; 120 s lie between two.
pub(crate) type Tick = u8;
/// A record in [`crate::core::Core`]; 0 is the one that is not there yet.
pub(crate) type RecordId = u32;
/// What the activity log shows, newest first: `what << 6 | tick`, where what is [`START`] or the stop's index + 1.
pub(crate) type Operations = [u8; 8];

pub(crate) const START: u8 = 0;
pub(crate) const NO_OPERATION: u8 = 0xff;
/// The log was not asked. (A log without any operation ends with a zero of its own, see `World::shown`.)
pub(crate) const NOTHING: Operations = [0xfe; 8];
pub(crate) const STOPS_MAX: usize = 3;
const STARTS_MAX: usize = 4;

/// Who stopped the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum StopKind {
    #[default]
    Unauthorised,
    Authorised,
}

/// The cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cl {
    Running,
    Stopping,
    Stopped,
    Starting,
    FailedStopped,
    FailedRunning,
}

/// An event on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Event {
    #[default]
    None,
    /// Not acknowledged yet: Event Grid goes on delivering it.
    Pending,
    /// A delivery was answered 2xx.
    Acknowledged,
    Lost,
}

/// What came of a start, as its process heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Note {
    #[default]
    Sent,
    Unanswered,
    Refused,
    PutOff,
    NotSent,
}

/// A start request between its process and ARM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Post {
    pub on_its_way: bool,
    /// After this it can't land any more (T1).
    pub lands_until: Tick,
    /// It falls under the documented risk of `prefer`.
    pub risk: bool,
}

/// Where a process is: the next thing that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Pc {
    /// Nothing; an invocation may begin.
    #[default]
    Idle,
    /// `intake::take_in`: read the record, take the stop in, look.
    TakeIn,
    /// `work::reconcile`: read the record if it is stale, look.
    Work,
    /// `work::put_marker`.
    PutMarker,
    /// `work::ask_log`, and the decision.
    AskLog,
    /// `records::save` of what was decided.
    Write,
    /// `records::ours`: the answer to the write was lost.
    Verify,
    /// `starting::send`.
    Send,
    /// `starting::note`.
    Note,
    /// `closing::archive_and_reset`, first half.
    Archive,
    /// `closing::archive_and_reset`, second half.
    Reset,
    /// `outbox::deliver_outbox`.
    Deliver,
    /// `closing::forget_if_over` and the deletes of `sweep::forget_leftovers`.
    DeleteMarkers,
    /// `sweep::burn`, or `sweep::burn_orphans` where there is no record.
    Burn,
}

/// Generations, in order; 0 is none.
pub(crate) type Generations = [u16; 5];

/// One process of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Proc {
    pub pc: Pc,
    /// It sleeps: time has passed since its step before.
    pub paused: bool,
    /// Index + 1 of the event whose delivery it has to answer.
    pub event: u8,
    /// Nobody wrote the record since this process read or wrote it: its ETag is the stored one.
    pub fresh: bool,
    /// The record that it decides about.
    pub base: RecordId,
    /// The record that it is about to write.
    pub next: RecordId,
    /// What its look showed, and when the look was sent.
    pub look: Option<(Cl, Tick)>,
    /// The write carries an intent: a start follows.
    pub starts: bool,
    /// A marker has to be put before the write.
    pub opening: bool,
    pub risk: bool,
    pub note: Note,
    /// Generation of the marker to put or to burn, or of the case to archive.
    pub generation: u16,
    /// The bytes to archive.
    pub body: u16,
    /// A sweep's markers (of `Pc::DeleteMarkers`: those to delete).
    pub markers: Generations,
}

/// How much may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Faults {
    pub crash: u8,
    pub dup: u8,
    pub lost: u8,
    /// Somebody else's starts.
    pub user: u8,
    /// Starts that fail.
    pub fail: u8,
    /// Writes that are done, and whose answer is lost.
    pub own412: u8,
    /// Starts whose answer is lost: they may land late, or never.
    pub late: u8,
    /// Invocations that sleep, for any time, between two of their steps.
    pub pause: u8,
    /// Generations that sweeps burn. It is no fault; a delivery and a sweep could go on for ever in one tick.
    pub burn: u8,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub now: Tick,
    pub cl: Cl,
    pub stops: [(StopKind, Tick); STOPS_MAX],
    pub stops_len: u8,
    /// Accepted starts that the log can still name last.
    pub starts: [Tick; STARTS_MAX],
    pub starts_len: u8,
    pub events: [Event; STOPS_MAX],
    pub posts: [Post; 2],
    pub record: RecordId,
    pub markers: Generations,
    /// The archive: generation and bytes of the newest case in it.
    pub archived: (u16, u16),
    /// Stops in archived cases, one bit each.
    pub archived_stops: u8,
    /// The incident that people see open, by generation.
    pub incident: u16,
    /// Starts of the guard that ARM accepted, by the newest stop.
    pub accepted: [u8; STOPS_MAX],
    pub faults: Faults,
    pub procs: [Proc; 2],
}

impl State {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            now: 0,
            cl: Cl::Running,
            stops: Default::default(),
            stops_len: 0,
            starts: Default::default(),
            starts_len: 0,
            events: Default::default(),
            posts: Default::default(),
            record: 0,
            markers: Default::default(),
            archived: (0, 0),
            archived_stops: 0,
            incident: 0,
            accepted: Default::default(),
            faults,
            procs: Default::default(),
        }
    }

    pub(crate) fn newest_stop(&self) -> Option<(StopKind, Tick)> {
        let index = usize::from(self.stops_len).checked_sub(1)?;
        Some(self.stops[index])
    }

    /// One bit for each authorised stop.
    pub(crate) fn kinds(&self) -> u8 {
        let stops = self.stops.iter().enumerate();
        stops.fold(0, |bits, (i, (kind, _))| bits | u8::from(*kind == StopKind::Authorised) << i)
    }

    pub(crate) fn add_start(&mut self) {
        let len = usize::from(self.starts_len);
        if len == STARTS_MAX {
            // Only the newest can be named last.
            self.starts.rotate_left(1);
            self.starts[STARTS_MAX - 1] = self.now;
        } else {
            self.starts[len] = self.now;
            self.starts_len += 1;
        }
    }

    /// Accepted operations, newest first. A stop and a start of one tick: the stop came first, since a cluster that was started
    /// runs two ticks later at the earliest.
    pub(crate) fn operations(&self) -> Vec<(u8, Tick)> {
        let stops = self.stops.iter().take(usize::from(self.stops_len)).enumerate();
        let stops = stops.map(|(i, (_, tick))| (u8::try_from(i).unwrap() + 1, *tick));
        let starts = self.starts.iter().take(usize::from(self.starts_len)).map(|tick| (START, *tick));
        let mut operations: Vec<(u8, Tick)> = stops.chain(starts).collect();
        operations.sort_by_key(|(what, tick)| std::cmp::Reverse((*tick, *what == START)));
        operations
    }

    /// Forgets starts that a newer operation, in the log for certain, will always hide.
    pub(crate) fn forget_hidden_starts(&mut self, certain: impl Fn(Tick) -> bool) {
        let newest_certain = self.operations().into_iter().find(|(_, tick)| certain(*tick));
        let Some((_, tick)) = newest_certain else { return };
        let starts = self.starts.iter().take(usize::from(self.starts_len)).copied();
        let kept: Vec<Tick> = starts.filter(|start| *start >= tick).collect();
        self.starts = Default::default();
        self.starts_len = u8::try_from(kept.len()).unwrap();
        self.starts[..kept.len()].copy_from_slice(&kept);
    }

    /// In an order of their own: which of two processes is which makes no difference. Returns whether they were exchanged.
    pub(crate) fn sort_procs(&mut self) -> bool {
        let exchange = self.procs[1] < self.procs[0];
        if exchange {
            self.procs.swap(0, 1);
        }
        exchange
    }

    /// Somebody wrote the record: the others' ETags are old.
    pub(crate) fn written(&mut self, by: usize, record: RecordId) {
        self.record = record;
        self.procs[1 - by].fresh = false;
    }
}

/// Puts one in.
pub(crate) fn insert(generations: &mut Generations, generation: u16) {
    if generation == 0 || generations.contains(&generation) {
        return;
    }
    let free = generations.iter().position(|g| *g == 0).expect("more markers than the model has room for");
    generations[free] = generation;
    sort(generations);
}

/// Takes one out.
pub(crate) fn remove(generations: &mut Generations, generation: u16) {
    generations.iter_mut().filter(|g| **g == generation).for_each(|g| *g = 0);
    sort(generations);
}

fn sort(generations: &mut Generations) {
    generations.sort_unstable_by_key(|g| if *g == 0 { u16::MAX } else { *g });
}
