//! Taking in a write of an edge.
//!
//! The server gives it a dot of its own, and removes only what its author had seen. The author's
//! context never joins the server's: it could name writes whose content the server lacks.

use super::Facts;
use crate::schema::ledger::{Fact, FactKind};
use crate::version::{ChangeVector, Dot, Entry, Live, Origin, Siblings};

/// What a rule must know of an edge's write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub origin: Origin,
    /// The context of what its author had.
    pub base: ChangeVector,
    /// The versions its author had, which it replaces.
    pub replaces: Vec<Dot>,
    /// The same versions by their origins.
    pub replaced_origins: Vec<Origin>,
    /// Earlier writes of the same author that it replaces and that may be anywhere.
    pub chain: Vec<Origin>,
}

/// What is to be done with an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is here already, by this dot.
    Known(Dot),
    /// Its author had seen more than is here: let it wait.
    Behind,
    /// Take it in.
    New,
}

/// Judges `offer` against what is stored. `is_settled` tells of an entry that is not covered
/// whether nothing is missing all the same: all its incarnation ever wrote up to there was taken in
/// and this document's part of it is forgotten, or nobody has it any more.
pub fn judge<T>(
    stored: &Siblings<T>,
    offer: &Offer,
    facts: &Facts,
    is_settled: impl Fn(Entry) -> bool,
) -> Verdict {
    let mut known = facts.aliases(&offer.origin).iter();
    if let Some(dot) = known.find(|dot| stored.context.contains(**dot)) {
        return Verdict::Known(*dot);
    }
    let is_covered = |entry: &Entry| stored.context.contains(*entry) || is_settled(*entry);
    match offer.base.entries().iter().all(is_covered) {
        true => Verdict::New,
        false => Verdict::Behind,
    }
}

/// Puts a new write into the set, with the dot it was given. One that comes after a write whose
/// author had seen it gets its dot all the same and does not live: to answer with the later write's
/// dot would make the edge believe that it had seen that one.
pub fn admit<T>(stored: &mut Siblings<T>, offer: &Offer, dot: Dot, value: T, facts: &Facts) {
    stored.live.retain(|live| {
        let had_origin = live.origin.as_ref().is_some_and(|origin| {
            offer.replaced_origins.contains(origin) || offer.chain.contains(origin)
        });
        !had_origin && !offer.replaces.contains(&live.dot)
    });
    stored.live.push(Live {
        dot,
        origin: Some(offer.origin),
        value,
    });
    stored.context.include(dot);
    let context = &stored.context;
    stored.live.retain(|live| {
        let seen_by = live.origin.as_ref().map_or(&[][..], |it| facts.covers(it));
        !seen_by.iter().any(|dot| context.contains(*dot))
    });
}

/// What the ledger must say from then on.
pub fn facts_of(offer: &Offer, dot: Dot) -> impl Iterator<Item = Fact> + '_ {
    let seen = offer
        .chain
        .iter()
        .map(|origin| (*origin, FactKind::HasSeen));
    [(offer.origin, FactKind::Is)]
        .into_iter()
        .chain(seen)
        .map(move |(origin, kind)| Fact { origin, kind, dot })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::{Etag, IncarnationIndex, ReplicaId};

    fn dot(incarnation: u32, etag: u64) -> Dot {
        Entry {
            incarnation: IncarnationIndex(incarnation),
            etag: Etag::new(etag),
        }
    }

    fn offer(sequence: u64, base: &[Dot]) -> Offer {
        Offer {
            origin: Origin {
                replica: ReplicaId::from_bytes([1; 16]),
                sequence,
                hash: [0; 8],
            },
            base: base.iter().copied().collect(),
            replaces: base.to_vec(),
            replaced_origins: Vec::new(),
            chain: Vec::new(),
        }
    }

    fn taken(stored: &mut Siblings<()>, offer: &Offer, dot: Dot, facts: &mut Facts) {
        admit(stored, offer, dot, (), facts);
        facts_of(offer, dot).for_each(|fact| facts.insert(fact));
    }

    #[test]
    fn only_what_the_author_had_seen_is_replaced() {
        let mut facts = Facts::default();
        let mut stored = Siblings::default();
        taken(&mut stored, &offer(1, &[]), dot(0, 1), &mut facts);
        // Two authors saw the first version; the second to arrive has not seen the other's.
        taken(&mut stored, &offer(2, &[dot(0, 1)]), dot(0, 2), &mut facts);
        taken(&mut stored, &offer(3, &[dot(0, 1)]), dot(0, 3), &mut facts);
        assert!(stored.is_conflict());
        assert!(stored.has(dot(0, 2)) && stored.has(dot(0, 3)));
        assert_eq!(stored.context.entries(), [dot(0, 3)]);
    }

    #[test]
    fn a_write_is_taken_once_and_waits_for_what_its_author_saw() {
        let never = |_| false;
        let mut facts = Facts::default();
        let mut stored = Siblings::default();
        let first = offer(1, &[]);
        assert_eq!(judge(&stored, &first, &facts, never), Verdict::New);
        taken(&mut stored, &first, dot(0, 1), &mut facts);
        let again = judge(&stored, &first, &facts, never);
        assert_eq!(again, Verdict::Known(dot(0, 1)));
        let ahead = offer(2, &[dot(1, 7)]);
        assert_eq!(judge(&stored, &ahead, &facts, never), Verdict::Behind);
        assert_eq!(judge(&stored, &ahead, &facts, |_| true), Verdict::New);
        // A later write says that it has seen one that comes after all.
        let mut second = offer(3, &[]);
        second.chain = vec![offer(2, &[]).origin];
        taken(&mut stored, &second, dot(0, 2), &mut facts);
        let late = offer(2, &[]);
        assert_eq!(judge(&stored, &late, &facts, never), Verdict::New);
        taken(&mut stored, &late, dot(0, 3), &mut facts);
        let live: Vec<Dot> = stored.live.iter().map(|it| it.dot).collect();
        assert_eq!(live, [dot(0, 1), dot(0, 2)]);
    }
}
