//! Whether an index has the fields that a query names.

use super::condition::Leaf;
use super::lower::Output;
use super::prepared::PreparedQuery;
use crate::Result;
use crate::indexes::{Index, IndexRefusal, IndexSource, IndexView};
use crate::storage::Store;

/// Refuses names that an index does not have: most are misspelt, and would find nothing.
pub(super) fn check_fields<S: Store>(
    index: &Index<S>,
    view: &IndexView<S::Snapshot>,
    query: &PreparedQuery,
) -> Result<()> {
    let record = index.record();
    // One that has nothing yet does not know its fields.
    let IndexSource::Static(definition) = &record.source else {
        return Ok(());
    };
    if view.progress.entry_count == 0 {
        return Ok(());
    }
    let known = |name: &str| {
        let mut fields = view.progress.fields.iter();
        fields.any(|it| it.key.name == name) || definition.may_have_field(name)
    };
    let wanted = query.lowered.wanted.fields.iter();
    let wanted = wanted.map(|it| it.name.as_str());
    let compared = query.lowered.conditions.leaves.iter().flat_map(|leaf| {
        let fields = match leaf {
            Leaf::MoreLikeThis(wanted) => wanted.options.fields.as_slice(),
            _ => &[],
        };
        fields.iter().map(String::as_str)
    });
    let highlighted = query.highlights.iter().map(|it| it.field.as_str());
    let mut fields = wanted.chain(compared).chain(highlighted);
    if let Some(field) = fields.find(|it| !known(it)) {
        return Err(IndexRefusal::UnknownField.because(format!(
            "The field '{field}' is not indexed in '{}', cannot query/sort on fields that are \
             not indexed",
            index.name()
        )));
    }
    let Output::Suggestions(suggestions) = &query.lowered.output else {
        return Ok(());
    };
    let suggests = |name: &str| {
        let options = definition.field_options(name);
        options.is_some_and(|it| it.suggestions == Some(true))
    };
    match suggestions.iter().find(|it| !suggests(&it.field.name)) {
        None => Ok(()),
        Some(suggestion) => Err(IndexRefusal::UnknownField.because(format!(
            "The field '{}' of '{}' has no suggestions; set its option Suggestions in the \
             definition",
            suggestion.field.name,
            index.name()
        ))),
    }
}
