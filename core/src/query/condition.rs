//! Conditions as an index answers them: a tree whose leaves each stand for a set of entries.

use std::cmp::Ordering;

use bytes::Bytes;
use roaring::RoaringTreemap;

use super::entry_set;
use super::more_like_this::MoreLikeThis;
use super::place::Place;
use super::row_test::RowTest;
use crate::indexes::{FieldKey, FieldValue};
use crate::storage::KeyRange;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every entry.
    All,
    /// No entry.
    Nothing,
    /// A leaf, by its place in [`Conditions::leaves`].
    Leaf(usize),
    /// All of these.
    And(Vec<Condition>),
    /// Any of these.
    Or(Vec<Condition>),
    /// Whatever is not.
    Not(Box<Condition>),
    /// As the inner one, counting so much more for the score.
    Boost(Box<Condition>, f32),
}

/// What stands for a set of entries by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf {
    /// The field has one of these values.
    AnyOf {
        /// The field.
        field: FieldKey,
        /// The values.
        values: Vec<FieldValue>,
    },
    /// The field has a value between these, of the same kind.
    Between {
        /// The field.
        field: FieldKey,
        /// The least, and whether itself counts.
        from: Option<(FieldValue, bool)>,
        /// The greatest, and whether itself counts.
        to: Option<(FieldValue, bool)>,
    },
    /// The field has a text that begins so.
    StartsWith {
        /// The field.
        field: FieldKey,
        /// The beginning.
        prefix: String,
    },
    /// The field has a text that ends so.
    EndsWith {
        /// The field.
        field: FieldKey,
        /// The end.
        suffix: String,
    },
    /// The field has a text that holds a match of the pattern.
    Matches {
        /// The field.
        field: FieldKey,
        /// The regular expression.
        pattern: String,
    },
    /// The field is there, with whatever value.
    Exists {
        /// The field's name; any of its kinds.
        name: String,
    },
    /// Words are in the field.
    Search(Search),
    /// The field has a shape that lies so to another.
    Place(Place),
    /// The entry is like another, by its words.
    MoreLikeThis(MoreLikeThis),
    /// A declared function says so; of `filter` only.
    Function(Box<RowTest>),
    /// The entry is of one of these documents.
    Ids(Vec<Bytes>),
    /// The entry is of a document whose key is in a range.
    IdBetween(KeyRange),
    /// The entry is of a document whose id begins so.
    IdStartsWith(Bytes),
    /// The entry is of a document whose id ends so.
    IdEndsWith(Bytes),
}

/// A search for words.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The field's name.
    pub name: String,
    /// What was typed: words, `"phrases"`, `wild*cards`.
    pub text: String,
    /// Whether all of it must be there, not just any.
    pub all: bool,
    /// How similar words may be instead of equal: 0 to 1.
    pub fuzzy: Option<f32>,
    /// How far apart the words may stand.
    pub proximity: Option<u32>,
}

/// A condition with its leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// The tree.
    pub root: Condition,
    /// The leaves.
    pub leaves: Vec<Leaf>,
}

impl Conditions {
    /// Every entry.
    pub fn all() -> Self {
        Self {
            root: Condition::All,
            leaves: Vec::new(),
        }
    }
}

/// The entries that a condition finds, with scores where words were searched.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The entries' numbers.
    pub entries: RoaringTreemap,
    /// Scores of some of them.
    pub scores: Scores,
}

/// Scores by entry.
#[derive(Debug, Clone, Default)]
pub struct Scores {
    /// In the order of the entries' numbers, each once.
    list: Vec<(u64, f32)>,
}

impl Scores {
    /// Scores in the order of the entries' numbers, each once.
    pub fn of_ascending(list: Vec<(u64, f32)>) -> Self {
        Self { list }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The score of an entry.
    pub fn get(&self, entry: u64) -> Option<f32> {
        let at = self.list.binary_search_by_key(&entry, |it| it.0).ok()?;
        Some(self.list[at].1)
    }

    /// Entries and their scores, in the order of the entries' numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, f32)> {
        self.list.iter().copied()
    }

    /// Lets each count so much more.
    pub fn multiply(&mut self, factor: f32) {
        self.list.iter_mut().for_each(|it| it.1 *= factor);
    }

    /// Adds what others have been given.
    pub fn add(&mut self, others: Self) {
        if self.list.is_empty() {
            *self = others;
            return;
        }
        if others.list.is_empty() {
            return;
        }
        let mut sum = Vec::with_capacity(self.list.len() + others.list.len());
        let (mut left, mut right) = (&self.list[..], &others.list[..]);
        while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
            match a.0.cmp(&b.0) {
                Ordering::Less => {
                    sum.push(*a);
                    left = left_rest;
                }
                Ordering::Greater => {
                    sum.push(*b);
                    right = right_rest;
                }
                Ordering::Equal => {
                    sum.push((a.0, a.1 + b.1));
                    (left, right) = (left_rest, right_rest);
                }
            }
        }
        sum.extend_from_slice(left);
        sum.extend_from_slice(right);
        self.list = sum;
    }

    /// The sums of those that others have been given too.
    #[must_use]
    pub fn in_both(mut self, others: &Self) -> Self {
        let mut others = others.list.iter().peekable();
        self.list.retain_mut(|it| {
            while others.next_if(|other| other.0 < it.0).is_some() {}
            let same = others.next_if(|other| other.0 == it.0);
            it.1 += same.map_or(0.0, |other| other.1);
            same.is_some()
        });
        self
    }

    /// Forgets those of other entries.
    pub fn retain(&mut self, entries: &RoaringTreemap) {
        if self.list.len() as u64 == entries.len()
            && entries.max() == self.list.last().map(|it| it.0)
        {
            // Scores belong to found entries; as many are the same.
            let is_same = entries.iter().zip(&self.list).all(|(a, b)| a == b.0);
            if is_same {
                return;
            }
        }
        self.list.retain(|it| entries.contains(it.0));
    }
}

impl Found {
    /// Entries that each have a score.
    pub fn scored(scores: Scores) -> Self {
        let numbers: Vec<u64> = scores.list.iter().map(|it| it.0).collect();
        Self {
            entries: entry_set::of_ascending(&numbers),
            scores,
        }
    }

    /// Entries that all count alike.
    pub fn unscored(entries: RoaringTreemap) -> Self {
        Self {
            entries,
            scores: Scores::default(),
        }
    }
}

/// A set, or what is missing from the whole: `not` costs nothing until it stands alone.
struct Part {
    found: Found,
    is_complement: bool,
}

/// Puts the leaves' sets together. `all` is only asked for when the whole set is needed.
pub fn combine(root: &Condition, leaves: Vec<Found>, all: &RoaringTreemap) -> Found {
    let mut leaves: Vec<(usize, Found)> = leaves.into_iter().map(|it| (0, it)).collect();
    count_uses(root, &mut leaves);
    let part = combine_part(root, &mut leaves);
    if !part.is_complement {
        return part.found;
    }
    let mut entries = all - &part.found.entries;
    entries.optimize_in_place();
    Found::unscored(entries)
}

/// Whether the root's set is told by what it lacks, so that all entries are needed.
pub fn needs_all(root: &Condition) -> bool {
    match root {
        Condition::All => true,
        Condition::Nothing | Condition::Leaf(_) => false,
        Condition::And(parts) => parts.iter().all(needs_all),
        Condition::Or(parts) => parts.iter().any(needs_all),
        Condition::Not(inner) => !needs_all(inner),
        Condition::Boost(inner, _) => needs_all(inner),
    }
}

/// Counts how often each leaf is asked for, so that the last one takes the set itself.
fn count_uses(condition: &Condition, leaves: &mut [(usize, Found)]) {
    match condition {
        Condition::All | Condition::Nothing => {}
        Condition::Leaf(at) => {
            if let Some(leaf) = leaves.get_mut(*at) {
                leaf.0 += 1;
            }
        }
        Condition::And(parts) | Condition::Or(parts) => {
            parts.iter().for_each(|it| count_uses(it, leaves));
        }
        Condition::Not(inner) | Condition::Boost(inner, _) => count_uses(inner, leaves),
    }
}

fn take_leaf(leaves: &mut [(usize, Found)], at: usize) -> Found {
    match leaves.get_mut(at) {
        None => Found::default(),
        Some((uses, found)) if *uses > 1 => {
            *uses -= 1;
            found.clone()
        }
        Some((_, found)) => std::mem::take(found),
    }
}

fn combine_part(condition: &Condition, leaves: &mut [(usize, Found)]) -> Part {
    match condition {
        Condition::All => Part {
            found: Found::default(),
            is_complement: true,
        },
        Condition::Nothing => Part {
            found: Found::default(),
            is_complement: false,
        },
        Condition::Leaf(at) => Part {
            found: take_leaf(leaves, *at),
            is_complement: false,
        },
        Condition::Not(inner) => {
            let part = combine_part(inner, leaves);
            Part {
                found: Found::unscored(part.found.entries),
                is_complement: !part.is_complement,
            }
        }
        Condition::Boost(inner, factor) => {
            let mut part = combine_part(inner, leaves);
            if part.found.scores.is_empty() && !part.is_complement {
                let entries = part.found.entries.iter();
                part.found.scores = Scores::of_ascending(entries.map(|it| (it, 1.0)).collect());
            }
            part.found.scores.multiply(*factor);
            part
        }
        Condition::And(parts) => parts
            .iter()
            .map(|it| combine_part(it, leaves))
            .reduce(and)
            .unwrap_or(Part {
                found: Found::default(),
                is_complement: true,
            }),
        Condition::Or(parts) => parts
            .iter()
            .map(|it| combine_part(it, leaves))
            .reduce(or)
            .unwrap_or(Part {
                found: Found::default(),
                is_complement: false,
            }),
    }
}

fn and(left: Part, right: Part) -> Part {
    let (a, b) = (left.found.entries, right.found.entries);
    let (entries, is_complement) = match (left.is_complement, right.is_complement) {
        (false, false) => (a & b, false),
        (false, true) => (a - b, false),
        (true, false) => (b - a, false),
        (true, true) => (a | b, true),
    };
    joined(
        left.found.scores,
        right.found.scores,
        entries,
        is_complement,
    )
}

fn or(left: Part, right: Part) -> Part {
    let (a, b) = (left.found.entries, right.found.entries);
    let (entries, is_complement) = match (left.is_complement, right.is_complement) {
        (false, false) => (a | b, false),
        (false, true) => (b - a, true),
        (true, false) => (a - b, true),
        (true, true) => (a & b, true),
    };
    joined(
        left.found.scores,
        right.found.scores,
        entries,
        is_complement,
    )
}

fn joined(
    mut scores: Scores,
    others: Scores,
    entries: RoaringTreemap,
    is_complement: bool,
) -> Part {
    scores.add(others);
    if !is_complement {
        scores.retain(&entries);
    }
    Part {
        found: Found { entries, scores },
        is_complement,
    }
}

trait Optimize {
    fn optimize_in_place(&mut self);
}

impl Optimize for RoaringTreemap {
    fn optimize_in_place(&mut self) {
        // Runs of entries are common: most indexes have few holes.
        self.optimize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COUNT: u64 = 24;

    fn any_condition() -> impl Strategy<Value = Condition> {
        let leaf = prop_oneof![
            Just(Condition::All),
            Just(Condition::Nothing),
            (0..4usize).prop_map(Condition::Leaf),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..4);
            prop_oneof![
                list.clone().prop_map(Condition::And),
                list.prop_map(Condition::Or),
                inner.clone().prop_map(|it| Condition::Not(Box::new(it))),
                inner.prop_map(|it| Condition::Boost(Box::new(it), 2.0)),
            ]
        })
    }

    fn holds(condition: &Condition, leaves: &[Found], entry: u64) -> bool {
        match condition {
            Condition::All => true,
            Condition::Nothing => false,
            Condition::Leaf(at) => leaves[*at].entries.contains(entry),
            Condition::And(parts) => parts.iter().all(|it| holds(it, leaves, entry)),
            Condition::Or(parts) => parts.iter().any(|it| holds(it, leaves, entry)),
            Condition::Not(inner) => !holds(inner, leaves, entry),
            Condition::Boost(inner, _) => holds(inner, leaves, entry),
        }
    }

    proptest! {
        #[test]
        fn sets_agree_with_asking_each_entry(
            root in any_condition(),
            sets in proptest::collection::vec(proptest::collection::vec(0..COUNT, 0..20), 4),
        ) {
            let leaves: Vec<Found> = sets
                .into_iter()
                .map(|set| Found::unscored(set.into_iter().collect()))
                .collect();
            let all: RoaringTreemap = (0..COUNT).collect();
            let wanted: RoaringTreemap = (0..COUNT).filter(|it| holds(&root, &leaves, *it)).collect();
            let known = if needs_all(&root) { all } else { RoaringTreemap::new() };
            prop_assert_eq!(combine(&root, leaves, &known).entries, wanted);
        }
    }
}
