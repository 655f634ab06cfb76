//! Merging what two servers have under one id.
//!
//! A version lives on if it lives on both sides, or if the other side has never seen it: neither by
//! its own dot, nor by another dot of the same edge's write, nor by a dot whose author had seen it.
//!
//! Servers drop versions by rules (`conflicts::resolve`), each of those that it knows. So what is
//! seen and does not live may have been dropped only, for one that says the same and that was replaced
//! elsewhere. What both sides say and nobody is known to have replaced, the merged set says.

use super::Facts;
use crate::version::{Dot, Live, Siblings};

/// The merged set. `order` tells of two dots of one write which stays, the same on every server;
/// `says_the_same`, of which versions the rules keep one.
pub fn merge<T: Clone, K: Ord>(
    local: &Siblings<T>,
    remote: &Siblings<T>,
    facts: &Facts,
    order: impl Fn(Dot) -> K,
    says_the_same: impl Fn(&T, &T) -> bool,
) -> Siblings<T> {
    let mut context = local.context.clone();
    context.merge(&remote.context);
    let mut live: Vec<Live<T>> = Vec::new();
    for (side, other) in [(local, remote), (remote, local)] {
        for version in &side.live {
            if !live.iter().any(|it| it.dot == version.dot) && lives_on(version, other, facts) {
                live.push(version.clone());
            }
        }
    }
    let is_replaced = |version: &Live<T>| {
        let origin = version.origin.as_ref();
        let mut seen_by = origin.map_or(&[][..], |it| facts.covers(it)).iter();
        seen_by.any(|dot| context.contains(*dot))
    };
    live.retain(|version| !is_replaced(version));
    // What both say and nothing says any more may have been dropped only: the rule decides again.
    let mut dropped = Vec::new();
    for (side, other) in [(local, remote), (remote, local)] {
        let is_said = |version: &Live<T>, by: &[Live<T>]| {
            let mut by = by.iter();
            by.any(|it| says_the_same(&it.value, &version.value))
        };
        let unsaid = side
            .live
            .iter()
            .filter(|it| is_said(it, &other.live) && !is_said(it, &live) && !is_replaced(it));
        dropped.extend(unsaid.cloned());
    }
    live.append(&mut dropped);
    if live.is_empty() {
        // The same of rules that take the latest: two servers took in one write, and its times
        // there differ.
        live.extend(local.live.iter().chain(&remote.live).cloned());
    }
    live.sort_by_key(|version| order(version.dot));
    // One write that two servers took in is one write.
    let mut origins = Vec::new();
    live.retain(|version| match version.origin {
        Some(origin) if origins.contains(&origin) => false,
        Some(origin) => {
            origins.push(origin);
            true
        }
        None => true,
    });
    Siblings { context, live }
}

fn lives_on<T>(version: &Live<T>, other: &Siblings<T>, facts: &Facts) -> bool {
    let aliases = version
        .origin
        .as_ref()
        .map_or(&[][..], |it| facts.aliases(it));
    let mut dots = aliases.iter().chain([&version.dot]);
    if dots.clone().any(|dot| other.has(*dot)) {
        return true;
    }
    !dots.any(|dot| other.context.contains(*dot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ledger::{Fact, FactKind};
    use crate::version::{ChangeVector, Entry, Etag, IncarnationIndex, Origin, ReplicaId};

    fn dot(incarnation: u32, etag: u64) -> Dot {
        Entry {
            incarnation: IncarnationIndex(incarnation),
            etag: Etag::new(etag),
        }
    }

    fn origin(sequence: u64) -> Origin {
        Origin {
            replica: ReplicaId::from_bytes([1; 16]),
            sequence,
            hash: [0; 8],
        }
    }

    fn set(context: &[Dot], live: &[(Dot, Option<Origin>)]) -> Siblings<()> {
        Siblings {
            context: context.iter().copied().collect::<ChangeVector>(),
            live: live
                .iter()
                .map(|(dot, origin)| Live {
                    dot: *dot,
                    origin: *origin,
                    value: (),
                })
                .collect(),
        }
    }

    fn dots(set: &Siblings<()>) -> Vec<Dot> {
        set.live.iter().map(|it| it.dot).collect()
    }

    #[test]
    fn versions_that_have_not_seen_each_other_stand_side_by_side() {
        let a = set(&[dot(0, 1)], &[(dot(0, 1), None)]);
        let b = set(&[dot(1, 1)], &[(dot(1, 1), None)]);
        let both = merge(&a, &b, &Facts::default(), |dot| dot, |a, b| a == b);
        assert_eq!(dots(&both), [dot(0, 1), dot(1, 1)]);
        assert_eq!(
            merge(&b, &a, &Facts::default(), |dot| dot, |a, b| a == b),
            both
        );
        assert_eq!(
            merge(&both, &a, &Facts::default(), |dot| dot, |a, b| a == b),
            both
        );
    }

    #[test]
    fn what_was_seen_and_does_not_live_is_gone() {
        let old = set(&[dot(0, 1)], &[(dot(0, 1), None)]);
        let new = set(&[dot(0, 1), dot(1, 1)], &[(dot(1, 1), None)]);
        assert_eq!(
            merge(&old, &new, &Facts::default(), |dot| dot, |a, b| a == b),
            new
        );
        assert_eq!(
            merge(&new, &old, &Facts::default(), |dot| dot, |a, b| a == b),
            new
        );
    }

    #[test]
    fn one_write_taken_in_twice_is_one_version() {
        let a = set(&[dot(0, 1)], &[(dot(0, 1), Some(origin(1)))]);
        let b = set(&[dot(1, 1)], &[(dot(1, 1), Some(origin(1)))]);
        let mut facts = Facts::default();
        for dot in [dot(0, 1), dot(1, 1)] {
            let (origin, kind) = (origin(1), FactKind::Is);
            facts.insert(Fact { origin, kind, dot });
        }
        assert_eq!(
            dots(&merge(&a, &b, &facts, |dot| dot, |a, b| a == b)),
            [dot(0, 1)]
        );
        // Replaced on one server, it does not come back from the other.
        let replaced = set(&[dot(1, 2)], &[(dot(1, 2), None)]);
        assert_eq!(
            dots(&merge(&a, &replaced, &facts, |dot| dot, |a, b| a == b)),
            [dot(1, 2)]
        );
    }

    #[test]
    fn servers_whose_rules_dropped_what_the_other_kept_have_both_again() {
        let mut facts = Facts::default();
        for dot in [dot(0, 1), dot(1, 1)] {
            let (origin, kind) = (origin(1), FactKind::Is);
            facts.insert(Fact { origin, kind, dot });
        }
        // The edge's write was the latest here, and another there.
        let a = set(&[dot(0, 1), dot(2, 1)], &[(dot(0, 1), Some(origin(1)))]);
        let b = set(&[dot(1, 1), dot(2, 1)], &[(dot(2, 1), None)]);
        let both = merge(&a, &b, &facts, |dot| dot, |a, b| a == b);
        assert_eq!(dots(&both), [dot(0, 1), dot(2, 1)]);
        assert_eq!(merge(&b, &a, &facts, |dot| dot, |a, b| a == b), both);
    }

    /// The simulation found it: seed 20261209.
    #[test]
    fn what_both_sides_say_is_said_by_the_merged_set() {
        // One server has taken a deletion, dropped one of another server for it, which had seen a
        // third one, and has a text beside it. The other server has dropped the first for the third.
        let says = |dot: Dot, value: &'static str| Live {
            dot,
            origin: None,
            value,
        };
        let (first, second, third) = (dot(0, 1), dot(1, 1), dot(2, 1));
        let a = Siblings {
            context: [first, second, third, dot(1, 2)].into_iter().collect(),
            live: vec![says(first, "gone"), says(dot(1, 2), "text")],
        };
        let b = Siblings {
            context: [first, third].into_iter().collect(),
            live: vec![says(third, "gone")],
        };
        let both = merge(&a, &b, &Facts::default(), |dot| dot, |a, b| a == b);
        let said: Vec<_> = both.live.iter().map(|it| it.value).collect();
        assert_eq!(said, ["gone", "text", "gone"]);
        assert_eq!(
            merge(&b, &a, &Facts::default(), |dot| dot, |a, b| a == b),
            both
        );
        // Replaced on one side and on the other, by whoever says something else, it is gone.
        let c = Siblings {
            context: a.context.clone(),
            live: vec![says(dot(1, 2), "text")],
        };
        let both = merge(&c, &b, &Facts::default(), |dot| dot, |a, b| a == b);
        assert_eq!(both, c);
    }

    #[test]
    fn a_later_write_of_the_same_edge_replaces_one_whose_acknowledgement_was_lost() {
        let a = set(&[dot(0, 1)], &[(dot(0, 1), Some(origin(1)))]);
        let b = set(&[dot(1, 2)], &[(dot(1, 2), None)]);
        let mut facts = Facts::default();
        let (origin, kind) = (origin(1), FactKind::HasSeen);
        facts.insert(Fact {
            origin,
            kind,
            dot: dot(1, 1),
        });
        assert_eq!(
            dots(&merge(&a, &b, &facts, |dot| dot, |a, b| a == b)),
            [dot(1, 2)]
        );
    }
}
