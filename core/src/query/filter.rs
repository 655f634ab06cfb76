//! `filter`: conditions that are checked on each document that `where` found, without an index.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::condition::{Condition, Conditions, Leaf};
use super::evaluate::equal_terms;
use super::lower::Lowering;
use super::rql::Query;
use crate::document::StoredDocument;
use crate::indexes::{
    FieldKey, FieldKind, FieldValue, FieldsMap, Object, Term, fold_case, values_of_json,
};
use crate::parts::IS_WHOLE;
use crate::{Error, ErrorKind, Result};

/// A condition, ready to be checked on one document or group after the other.
#[derive(Debug)]
pub struct Filter {
    conditions: Conditions,
    fields: FieldsMap,
    /// For each leaf that has one, its compiled pattern.
    patterns: Vec<Option<regex_lite::Regex>>,
}

/// What is tested: a document or a group.
struct Tested<'a> {
    key: &'a [u8],
    values_of: &'a dyn Fn(&FieldKey) -> Vec<FieldValue>,
    /// All of it as JSON.
    text: &'a dyn Fn() -> Result<String>,
}

impl Filter {
    /// Makes `conditions` ready.
    ///
    /// # Errors
    /// `Unsupported` for what only an index can tell, `InvalidRequest` for a malformed pattern or
    /// path.
    pub fn new(conditions: Conditions) -> Result<Self> {
        let mut fields = BTreeSet::new();
        let mut patterns = Vec::with_capacity(conditions.leaves.len());
        for leaf in &conditions.leaves {
            fields.extend(field_of(leaf)?);
            patterns.push(match leaf {
                Leaf::Matches { field, pattern } if IS_WHOLE => Some(
                    super::evaluate::compiled_pattern(pattern, field.kind == FieldKind::Exact)?,
                ),
                _ => None,
            });
        }
        Ok(Self {
            conditions,
            fields: FieldsMap::new(None, &fields)?,
            patterns,
        })
    }

    /// Whether a document fulfils it.
    ///
    /// # Errors
    /// `Corrupted` when the document is not JSON.
    pub fn holds(&self, document: &StoredDocument) -> Result<bool> {
        let values = self.fields.read(document)?;
        let values_of = |field: &FieldKey| {
            let at = self.fields.fields.iter().position(|it| it == field);
            at.and_then(|at| values.get(at))
                .cloned()
                .unwrap_or_default()
        };
        let text = || super::project::text_of(document);
        let row = Tested {
            key: document.key(),
            values_of: &values_of,
            text: &text,
        };
        self.check(&self.conditions.root, &row)
    }

    /// Whether the result of a group fulfils it.
    ///
    /// # Errors
    /// What a declared function cannot do with it.
    pub fn holds_for_group(&self, key: &[u8], group: &Object) -> Result<bool> {
        let values_of = |field: &FieldKey| {
            let mut values = Vec::new();
            if let Some(value) = group.get(&field.name) {
                values_of_json(value, &mut values);
            }
            values
        };
        let text = || Ok(serde_json::to_string(group).expect("objects have text keys"));
        let row = Tested {
            key,
            values_of: &values_of,
            text: &text,
        };
        self.check(&self.conditions.root, &row)
    }

    fn check(&self, condition: &Condition, row: &Tested<'_>) -> Result<bool> {
        match condition {
            Condition::All => Ok(true),
            Condition::Nothing => Ok(false),
            Condition::Leaf(at) => match self.conditions.leaves.get(*at) {
                Some(Leaf::Function(test)) => test.holds(&(row.text)()?),
                Some(leaf) => Ok(self.check_leaf(leaf, *at, row)),
                None => Ok(false),
            },
            Condition::And(parts) => {
                for part in parts {
                    if !self.check(part, row)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Or(parts) => {
                for part in parts {
                    if self.check(part, row)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Not(inner) => self.check(inner, row).map(|holds| !holds),
            Condition::Boost(inner, _) => self.check(inner, row),
        }
    }

    fn check_leaf(&self, leaf: &Leaf, at: usize, row: &Tested<'_>) -> bool {
        let (key, values_of) = (row.key, row.values_of);
        match leaf {
            Leaf::Ids(keys) => keys.iter().any(|it| **it == *key),
            Leaf::IdBetween(range) => range.contains(key),
            Leaf::IdStartsWith(prefix) => key.starts_with(prefix),
            Leaf::IdEndsWith(suffix) => key.ends_with(suffix),
            Leaf::Exists { name } => {
                !values_of(&FieldKey::new(name.as_str(), FieldKind::Default)).is_empty()
            }
            Leaf::AnyOf { field, values } => {
                let exact = field.kind == FieldKind::Exact;
                let wanted: Vec<Term> = values
                    .iter()
                    .flat_map(|it| equal_terms(it, exact))
                    .collect();
                let terms = values_of(field);
                let mut terms = terms.iter().map(|it| Term::of_value(it, exact));
                terms.any(|it| wanted.contains(&it))
            }
            Leaf::Between { field, from, to } => {
                let exact = field.kind == FieldKind::Exact;
                let bound = |bound: &Option<(FieldValue, bool)>| {
                    let (value, included) = bound.as_ref()?;
                    Some((Term::of_value(value, exact), *included))
                };
                let (from, to) = (bound(from), bound(to));
                values_of(field)
                    .iter()
                    .map(|it| Term::of_value(it, exact))
                    .any(|it| is_between(&it, from.as_ref(), to.as_ref()))
            }
            Leaf::StartsWith { field, prefix } => {
                let exact = field.kind == FieldKind::Exact;
                let prefix = Term::text_prefix(prefix, exact);
                let values = values_of(field);
                let mut terms = values.iter().map(|it| Term::of_value(it, exact));
                terms.any(|it| it.as_bytes().starts_with(&prefix))
            }
            Leaf::EndsWith { field, suffix } => {
                let exact = field.kind == FieldKind::Exact;
                let suffix = if exact {
                    suffix.as_str().into()
                } else {
                    fold_case(suffix)
                };
                texts(&values_of(field), exact).any(|it| it.ends_with(&*suffix))
            }
            Leaf::Matches { field, .. } => {
                let Some(Some(pattern)) = self.patterns.get(at).filter(|_| IS_WHOLE) else {
                    return false;
                };
                let exact = field.kind == FieldKind::Exact;
                texts(&values_of(field), exact).any(|it| pattern.is_match(&it))
            }
            // They were refused when the filter was made, or are checked before.
            Leaf::Function(_) | Leaf::Search(_) | Leaf::Place(_) | Leaf::MoreLikeThis(_) => false,
        }
    }
}

impl Lowering<'_> {
    /// Reads `filter`: it needs no fields of an index, but results of groups have to be computed.
    pub(super) fn filter(&mut self, query: &Query) -> Result<Option<Arc<Filter>>> {
        let Some(filter) = &query.filter else {
            return Ok(None);
        };
        let mut apart = Lowering::new(query, self.parameters)?;
        let root = apart.condition(filter, false)?;
        if let (Some(own), Some(other)) = (&mut self.wanted.grouping, apart.wanted.grouping) {
            own.aggregations.extend(other.aggregations);
        }
        let conditions = Conditions {
            root,
            leaves: apart.leaves,
        };
        Filter::new(conditions).map(|it| Some(Arc::new(it)))
    }
}

fn is_between(term: &Term, from: Option<&(Term, bool)>, to: Option<&(Term, bool)>) -> bool {
    let is_of_kind = |bound: &Term| bound.kind_bounds() == term.kind_bounds();
    from.is_none_or(|(from, included)| {
        is_of_kind(from) && (term > from || *included && term == from)
    }) && to.is_none_or(|(to, included)| is_of_kind(to) && (term < to || *included && term == to))
}

/// The texts among values, as terms hold them.
fn texts(values: &[FieldValue], exact: bool) -> impl Iterator<Item = String> + '_ {
    values
        .iter()
        .filter(|it| matches!(it, FieldValue::Text(_) | FieldValue::Bool(_)))
        .map(move |it| Term::of_value(it, exact).to_text())
}

fn field_of(leaf: &Leaf) -> Result<Option<FieldKey>> {
    Ok(match leaf {
        Leaf::AnyOf { field, .. }
        | Leaf::Between { field, .. }
        | Leaf::StartsWith { field, .. }
        | Leaf::EndsWith { field, .. }
        | Leaf::Matches { field, .. } => Some(field.clone()),
        Leaf::Exists { name } => Some(FieldKey::new(name.as_str(), FieldKind::Default)),
        Leaf::Function(_) => None,
        Leaf::Ids(_) | Leaf::IdBetween(_) | Leaf::IdStartsWith(_) | Leaf::IdEndsWith(_) => None,
        Leaf::Search(_) | Leaf::Place(_) | Leaf::MoreLikeThis(_) => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "searches for words, places and similar documents need an index: they stand in \
                 'where', not in 'filter'",
            ));
        }
    })
}
