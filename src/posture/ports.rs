//! Sets of ports, as network rules write them.

use std::fmt;

/// Ports, as ranges without overlap, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ports(Vec<(u16, u16)>);

impl Ports {
    /// All of them.
    pub(super) fn all() -> Self {
        Self(vec![(0, u16::MAX)])
    }

    /// Reads `*`, `80` or `80-90`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::all());
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then(|| Self(vec![(first, last)]))
    }

    /// Those of either.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut ranges: Vec<(u16, u16)> = self.0.iter().chain(&other.0).copied().collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                Some(_) | None => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// Those that the other has not.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut left = self.0.clone();
        for &(from, to) in &other.0 {
            let cut = |&(first, last): &(u16, u16)| {
                let before = from.checked_sub(1).map(|end| (first, last.min(end)));
                let after = to.checked_add(1).map(|start| (first.max(start), last));
                [before, after].into_iter().flatten().filter(|(first, last)| first <= last)
            };
            left = left.iter().flat_map(cut).collect();
        }
        Self(left)
    }

    /// Whether one is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let meets = |(first, last): &(u16, u16)| other.0.iter().any(|(from, to)| first <= to && from <= last);
        self.0.iter().any(meets)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.write_str("all ports");
        }
        for (count, (first, last)) in self.0.iter().enumerate() {
            let comma = if count == 0 { "" } else { ", " };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ports(text: &str) -> Ports {
        text.split(',').fold(Ports::default(), |all, one| all.with(&Ports::parse(one).unwrap()))
    }

    #[test]
    fn ranges_are_joined_and_cut() {
        assert_eq!(ports("80,443,81-90,22").to_string(), "22, 80-90, 443");
        assert_eq!(ports("0-65535").to_string(), "all ports");
        assert_eq!(ports("*").without(&ports("22,3389")).to_string(), "0-21, 23-3388, 3390-65535");
        assert!(ports("80-90").without(&ports("1-100")).is_empty());
        assert!(ports("*").without(&ports("*")).is_empty());
    }

    #[test]
    fn what_is_no_range_is_not_read() {
        for odd in ["", "x", "90-80", "65536", "-1", "80-", "1-2-3"] {
            assert_eq!(Ports::parse(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn a_port_is_left_if_it_was_there_and_was_not_taken(
            have in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..5),
            taken in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..5),
            port in any::<u16>(),
        ) {
            let set = |ranges: &[(u16, u16)]| ranges.iter().fold(Ports::default(), |all, (a, b)| {
                all.with(&Ports(vec![(*a.min(b), *a.max(b))]))
            });
            let (have, taken) = (set(&have), set(&taken));
            let left = have.without(&taken);
            prop_assert_eq!(left.has(port), have.has(port) && !taken.has(port));
            prop_assert_eq!(have.meets(&taken), left != have.without(&Ports::default()));
        }
    }
}
