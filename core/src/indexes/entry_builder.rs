//! From values to terms: what an entry is made of, by the options of its index.

use std::collections::BTreeMap;

use serde_json::Value;

use super::analyzer::Analyzer;
use super::created_field::Member;
use super::definition::{FieldKind, FieldOptions, IndexDefinition};
use super::field_path::push_values;
use super::map::Object;
use super::spatial_field::{shapes_of_json, spatial_entry_field};
use super::tables::{EntryField, Posted, Progress};
use super::{AutoDefinition, FieldValue, Number, Term};
use crate::Result;
use crate::parts::IS_WHOLE;
use crate::schema::Encoder;

/// Objects whose members have ever new names would fill an index with fields: from here on no
/// further ones of theirs are taken, and queries for them say that they are not indexed.
pub const MAX_FIELDS_WITH_NESTED: usize = 1024;

/// How one field of an index is made into terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldForm {
    /// The kind under which queries find it.
    pub kind: FieldKind,
    /// Whether terms keep their case although the kind is default.
    pub keeps_case: bool,
    /// Of a searched field.
    pub analyzer: Analyzer,
}

impl FieldForm {
    const DEFAULT: Self = Self {
        kind: FieldKind::Default,
        keeps_case: false,
        analyzer: Analyzer::LowerCaseKeyword,
    };

    /// The form of an automatic index's field.
    pub fn of_kind(kind: FieldKind) -> Self {
        Self {
            kind,
            keeps_case: kind == FieldKind::Exact,
            analyzer: Analyzer::Standard,
        }
    }
}

/// How the fields of a client's definition are made into terms.
#[derive(Debug, Clone, Default)]
pub struct FieldForms {
    named: BTreeMap<String, Vec<FieldForm>>,
    others: Option<Vec<FieldForm>>,
    stored: std::collections::BTreeSet<String>,
    stores_others: bool,
    are_defined: bool,
}

impl FieldForms {
    /// Reads the options of a definition.
    ///
    /// # Errors
    /// `InvalidRequest` for an unknown analyzer or option.
    pub fn of_definition(definition: &IndexDefinition) -> Result<Self> {
        let mut forms = Self {
            are_defined: true,
            ..Self::default()
        };
        for (name, options) in &definition.fields {
            check_spatial(name, options)?;
            if options.other.get("Vector").is_some_and(|it| !it.is_null()) {
                return Err(crate::Error::new(
                    crate::ErrorKind::Unsupported,
                    format!("the field '{name}' has option Vector, which is not implemented yet"),
                ));
            }
            let list = forms_of(options.indexing.as_deref(), options.analyzer.as_deref())?;
            let is_stored = options.is_stored();
            if name == "__all_fields" {
                forms.others = Some(list);
                forms.stores_others = is_stored;
            } else {
                forms.named.insert(name.clone(), list);
                if is_stored {
                    forms.stored.insert(name.clone());
                }
            }
        }
        Ok(forms)
    }

    /// The forms of an automatic index over groups: keys may be searched, or compared exactly.
    pub fn of_groups(definition: &AutoDefinition) -> Self {
        let mut forms = Self::default();
        for field in &definition.fields {
            let list = forms.named.entry(field.name.clone());
            let list = list.or_insert_with(|| vec![FieldForm::DEFAULT]);
            if field.kind != FieldKind::Default {
                list.push(FieldForm::of_kind(field.kind));
            }
        }
        forms
    }

    /// Whether they are of a client's definition.
    pub fn are_defined(&self) -> bool {
        self.are_defined
    }

    /// Whether the values of a field are kept for projections.
    pub fn is_stored(&self, name: &str) -> bool {
        self.stored.contains(name) || (self.stores_others && !self.named.contains_key(name))
    }

    /// The forms of a field.
    pub fn of(&self, name: &str) -> &[FieldForm] {
        let default: &[FieldForm] = &[FieldForm::DEFAULT];
        match (self.named.get(name), &self.others) {
            (Some(forms), _) | (None, Some(forms)) => forms,
            (None, None) => default,
        }
    }
}

/// Spatial fields are on the earth, and circles in kilometres unless they say so.
fn check_spatial(name: &str, options: &FieldOptions) -> Result<()> {
    let Some(Value::Object(spatial)) = options.other.get("Spatial") else {
        return Ok(());
    };
    for (option, known) in [("Type", "Geography"), ("Units", "Kilometers")] {
        match spatial.get(option) {
            None | Some(Value::Null) => {}
            Some(value) if value.as_str() == Some(known) => {}
            Some(other) => {
                return Err(crate::Error::new(
                    crate::ErrorKind::Unsupported,
                    format!(
                        "the spatial field '{name}' has {option} {other}: only '{known}' is \
                         implemented yet"
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn forms_of(indexing: Option<&str>, analyzer: Option<&str>) -> Result<Vec<FieldForm>> {
    let analyzer = analyzer
        .filter(|it| !it.is_empty())
        .map(Analyzer::parse)
        .transpose()?;
    let searched = |analyzer: Option<Analyzer>| FieldForm {
        kind: FieldKind::Search,
        keeps_case: false,
        analyzer: analyzer.unwrap_or(Analyzer::Standard),
    };
    Ok(match indexing.unwrap_or("Default") {
        "No" => Vec::new(),
        "Exact" => vec![FieldForm {
            keeps_case: true,
            ..FieldForm::DEFAULT
        }],
        "Search" | "Highlighting" => vec![FieldForm::DEFAULT, searched(analyzer)],
        "Default" if analyzer.is_some() => vec![FieldForm::DEFAULT, searched(analyzer)],
        "Default" => vec![FieldForm::DEFAULT],
        other => {
            return Err(crate::Error::invalid(format!(
                "'{}' is no way to index a field",
                other.escape_debug()
            )));
        }
    })
}

/// The forms of a field that a map creates. Queries know nothing of it but its kind.
fn forms_of_created(indexing: &str) -> Result<Vec<FieldForm>> {
    match indexing {
        "Exact" => Ok(vec![FieldForm::of_kind(FieldKind::Exact)]),
        other => forms_of(Some(other), None),
    }
}

/// The terms of `values` in one form; `None` when there are none.
pub fn entry_field(number: u16, form: &FieldForm, values: &[FieldValue]) -> Option<EntryField> {
    let (mut terms, words) = match form.kind {
        // A build without them opens no such index.
        FieldKind::Search if !IS_WHOLE => return None,
        FieldKind::Search => analyzed(form.analyzer, values),
        // Shapes are no terms of values.
        FieldKind::Spatial => return None,
        FieldKind::Default | FieldKind::Exact => {
            let terms = values.iter().map(|value| Posted {
                term: Term::of_value(value, form.keeps_case),
                positions: Vec::new(),
            });
            (terms.collect(), 0)
        }
    };
    terms.sort();
    terms.dedup();
    (!terms.is_empty()).then_some(EntryField {
        field: number,
        words,
        terms,
    })
}

fn analyzed(analyzer: Analyzer, values: &[FieldValue]) -> (Vec<Posted>, u32) {
    /// Between two values of a field, so that no phrase reaches from one into the other.
    const GAP: u32 = 100;
    let mut places: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let (mut next, mut words) = (0, 0);
    for value in values {
        if matches!(value, FieldValue::Null | FieldValue::EmptyList) {
            continue;
        }
        for word in analyzer.words(&value.to_text(), next) {
            words += 1;
            places.entry(word.text).or_default().push(word.position);
            next = word.position;
        }
        next = next.saturating_add(GAP);
    }
    let terms = places.into_iter().map(|(word, places)| Posted {
        term: Term::exact_text(&word),
        positions: encode_positions(words, &places),
    });
    (terms.collect(), words)
}

/// How many words the field has, then where this one stands.
pub(super) fn encode_positions(words: u32, places: &[u32]) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(places.len() + 2);
    encoder.varint(words.into());
    let mut before = 0;
    for place in places {
        encoder.varint(u64::from(place - before));
        before = *place;
    }
    encoder.finish()
}

/// The value of a word's posting: how many words the field has, and the places of this one.
///
/// # Errors
/// `Corrupted` when it does not fit.
pub fn decode_positions(bytes: &[u8]) -> Result<(u32, Vec<u32>)> {
    let broken = |_| crate::Error::corrupted("a posting has an impossible place");
    let mut decoder = crate::schema::Decoder::new("postings", bytes);
    if bytes.is_empty() {
        return Ok((1, vec![0]));
    }
    let words = u32::try_from(decoder.varint()?).map_err(broken)?;
    let (mut places, mut before) = (Vec::new(), 0u32);
    while decoder.position() < bytes.len() {
        let step = u32::try_from(decoder.varint()?).map_err(broken)?;
        before = before.saturating_add(step);
        places.push(before);
    }
    Ok((words, places))
}

/// As [`decode_positions`], but only how many words the field has and how often this one.
///
/// # Errors
/// `Corrupted` when it does not fit.
#[inline]
pub fn decode_frequency(bytes: &[u8]) -> Result<(u32, u32)> {
    if bytes.is_empty() {
        return Ok((1, 1));
    }
    if let [words, rest @ ..] = bytes
        && *words < 0x80
    {
        return Ok((u32::from(*words), places_in(rest)));
    }
    let mut decoder = crate::schema::Decoder::new("postings", bytes);
    let words = u32::try_from(decoder.varint()?)
        .map_err(|_| crate::Error::corrupted("a posting has an impossible place"))?;
    Ok((words, places_in(&bytes[decoder.position()..])))
}

/// How many numbers there are: each ends in a byte below 0x80.
#[inline]
fn places_in(bytes: &[u8]) -> u32 {
    let places = bytes.iter().filter(|byte| **byte < 0x80).count();
    u32::try_from(places).unwrap_or(u32::MAX)
}

/// The fields of an object that a map or reduce made.
///
/// # Errors
/// `LimitExceeded` when there are too many fields.
pub fn fields_of_object(
    object: &Object,
    forms: &FieldForms,
    progress: &mut Progress,
) -> Result<Vec<EntryField>> {
    let mut fields = Vec::with_capacity(object.len());
    let mut nested = BTreeMap::new();
    for (name, value) in object {
        let member = Member::of(value);
        let value = member.value;
        if let Some(shapes) = shapes_of_json(value)? {
            let number = progress.field_number(name, FieldKind::Spatial)?;
            fields.extend(spatial_entry_field(number, &shapes)?);
            continue;
        }
        let mut values = Vec::new();
        values_of_json(value, &mut values);
        if IS_WHOLE && holds_objects(value) && !forms.of(name).is_empty() {
            add_nested(name, value, &mut nested);
        }
        let created = member.indexing.map(forms_of_created).transpose()?;
        for form in created.as_deref().unwrap_or_else(|| forms.of(name)) {
            let number = progress.field_number(name, form.kind)?;
            fields.extend(entry_field(number, form, &values));
        }
    }
    for (name, values) in nested {
        for form in forms.of(&name) {
            let known = progress.find_field(&name, form.kind);
            if known.is_some() || progress.fields.len() < MAX_FIELDS_WITH_NESTED {
                let number = progress.field_number(&name, form.kind)?;
                fields.extend(entry_field(number, form, &values));
            }
        }
    }
    fields.sort_by_key(|it| it.field);
    Ok(fields)
}

fn holds_objects(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(holds_objects),
        _ => false,
    }
}

/// Adds the members of objects under their paths, `X.y.z`, those in lists together.
fn add_nested(path: &str, value: &Value, nested: &mut BTreeMap<String, Vec<FieldValue>>) {
    match value {
        Value::Array(items) => items.iter().for_each(|it| add_nested(path, it, nested)),
        Value::Object(members) => {
            for (name, value) in members {
                let path = format!("{path}.{name}");
                values_of_json(value, nested.entry(path.clone()).or_default());
                add_nested(&path, value, nested);
            }
        }
        _ => {}
    }
}

/// The values that a JSON value stands for: each item of a list, or itself.
pub fn values_of_json(value: &Value, values: &mut Vec<FieldValue>) {
    match value {
        Value::Null => values.push(FieldValue::Null),
        Value::Bool(value) => values.push(FieldValue::Bool(*value)),
        Value::Number(number) => values.push(FieldValue::Number(Number::from_json(number))),
        Value::String(text) => values.push(FieldValue::Text(text.clone())),
        Value::Array(items) if items.is_empty() => values.push(FieldValue::EmptyList),
        Value::Array(items) => items.iter().for_each(|item| values_of_json(item, values)),
        Value::Object(_) => push_values(&value.to_string(), values),
    }
}
