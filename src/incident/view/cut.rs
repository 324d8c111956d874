//! Takes entries out of a view until its message fits, in the order in which they are missed least.

use serde::Serialize;

use super::View;

/// Lines of the timeline that stay as long as anything else can go: the end of the story.
const TIMELINE_KEPT: usize = 5;

/// How many entries of each list are not in the message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(in crate::incident) struct Cut {
    pub(in crate::incident) timeline: usize,
    pub(in crate::incident) clusters: usize,
    pub(in crate::incident) done: usize,
    pub(in crate::incident) next: usize,
    pub(in crate::incident) warnings: usize,
    pub(in crate::incident) policies: usize,
    /// Whether there is any.
    pub(in crate::incident) any: bool,
}

impl Cut {
    pub(super) fn count(&mut self) {
        self.any = [self.timeline, self.clusters, self.done, self.next, self.warnings, self.policies]
            .iter()
            .any(|count| *count > 0);
    }
}

impl View {
    /// How many entries can go.
    pub(in crate::incident) fn spare(&self) -> usize {
        let lists =
            [self.clusters.len(), self.done.len(), self.next.len(), self.warnings.len(), self.policies.len()];
        self.timeline.len() + lists.iter().sum::<usize>()
    }

    /// How long the texts of all these are, bytes.
    pub(in crate::incident) fn list_bytes(&self) -> usize {
        let sentences = [&self.done, &self.next, &self.warnings, &self.policies].into_iter().flatten();
        let clusters = self.clusters.iter().map(|cluster| cluster.id.len() + cluster.status.len());
        let timeline = self.timeline.iter().map(|line| line.line.len());
        sentences.map(|text| text.len()).chain(clusters).chain(timeline).sum()
    }

    /// The view without its `count` least missed entries: the oldest lines of the timeline but the last five, the last clusters, the
    /// oldest things done, the last next steps, warnings and policies, then the rest of the timeline.
    pub(in crate::incident) fn without(&self, count: usize) -> Self {
        let mut view = self.clone();
        let mut left = count;
        view.cut.timeline += drop_first(&mut view.timeline, TIMELINE_KEPT, &mut left);
        view.cut.clusters += drop_last(&mut view.clusters, &mut left);
        view.cut.done += drop_first(&mut view.done, 0, &mut left);
        view.cut.next += drop_last(&mut view.next, &mut left);
        view.cut.warnings += drop_last(&mut view.warnings, &mut left);
        view.cut.policies += drop_last(&mut view.policies, &mut left);
        view.cut.timeline += drop_first(&mut view.timeline, 0, &mut left);
        view.cut.count();
        view.value.take();
        view
    }
}

fn drop_first<T>(list: &mut Vec<T>, keep: usize, left: &mut usize) -> usize {
    let count = list.len().saturating_sub(keep).min(*left);
    list.drain(..count);
    *left -= count;
    count
}

fn drop_last<T>(list: &mut Vec<T>, left: &mut usize) -> usize {
    let count = list.len().min(*left);
    list.truncate(list.len() - count);
    *left -= count;
    count
}
