//! Projections: what a result shows of a document, a group or an index entry.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::lower::aggregation_of;
use super::row_script::RowScript;
use super::rql::{
    Call, Expression, ExpressionKind, Method, Path, Query, Segment, Select, SelectItem,
};
use super::values::{Parameters, json_value};
use crate::document::{StoredDocument, find_property, to_id_key};
use crate::formula::{Documents, Evaluation, Formula, Text, Value as Computed};
use crate::indexes::Object;
use crate::parts::{IS_WHOLE, not_loaded};
use crate::{Error, ErrorKind, Result};

/// What results look like.
#[derive(Debug, Clone)]
pub enum Projection {
    /// Whole documents, or results of groups as they are.
    Whole,
    /// Chosen fields.
    Fields(Vec<Shown>),
    /// What a formula makes of an object with the document and what was loaded for it, by alias.
    Formula {
        /// The formula.
        formula: Box<Formula>,
        /// The name of the document in it.
        alias: String,
    },
    /// What a script makes, which only a host with an engine can run.
    Script(Box<RowScript>),
}

/// A field of a result.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its name there.
    pub name: String,
    /// Where it comes from.
    pub from: From,
}

/// Where a shown field comes from.
#[derive(Debug, Clone)]
pub enum From {
    /// A path of the document, or a field of an entry or a group.
    Path(Path),
    /// The document's id.
    Id,
    /// The key of a group: one value, or an object of several.
    Key(Vec<String>),
    /// A value that is the same everywhere, as JSON.
    Constant(String),
}

/// Where the fields of results come from that an index keeps too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub enum ProjectionBehavior {
    /// From the index if it keeps them, else from the document.
    #[default]
    Default,
    /// From the index only; what it does not keep is null.
    FromIndex,
    /// As [`Self::FromIndex`], but what is missing fails the query.
    FromIndexOrThrow,
    /// From the document only.
    FromDocument,
    /// As [`Self::FromDocument`], but what is missing fails the query.
    FromDocumentOrThrow,
}

impl ProjectionBehavior {
    fn reads_index(self) -> bool {
        !matches!(self, Self::FromDocument | Self::FromDocumentOrThrow)
    }

    fn reads_document(self) -> bool {
        !matches!(self, Self::FromIndex | Self::FromIndexOrThrow)
    }

    fn refuses_missing(self) -> bool {
        matches!(self, Self::FromIndexOrThrow | Self::FromDocumentOrThrow)
    }
}

/// What a row is made of.
pub struct Row<'a> {
    /// Where its fields come from.
    pub behavior: ProjectionBehavior,
    /// The document, if the row is one's.
    pub document: Option<&'a StoredDocument>,
    /// Stored values of the entry, or the result of the group.
    pub stored: Option<&'a Object>,
    /// Documents by the aliases under which they were loaded, as JSON texts.
    pub loaded: &'a HashMap<String, String>,
    /// Documents that a formula loaded.
    pub at_hand: &'a AtHand,
}

impl Row<'_> {
    /// The document, or what else the row is made of, as JSON.
    ///
    /// # Errors
    /// `Corrupted` when the document's metadata is not UTF-8.
    pub fn own_text(&self) -> Result<String> {
        let Some(document) = self.document else {
            let text = |stored| serde_json::to_string(stored).expect("objects have text keys");
            return Ok(self.stored.map_or_else(|| "null".to_owned(), text));
        };
        match self.stored.filter(|_| self.behavior.reads_index()) {
            Some(stored) => self.merged_text(document, stored),
            None if self.behavior.reads_document() => text_of(document),
            None => self.merged_text(document, &Object::new()),
        }
    }

    /// The document with what the index keeps of it, which goes first.
    fn merged_text(&self, document: &StoredDocument, stored: &Object) -> Result<String> {
        let text = text_of(document)?;
        let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(&text)
            .map_err(|reason| Error::corrupted(format!("'{}': {reason}", document.id())))?;
        let is_shown = |name: &str| name == "@metadata" || self.behavior.reads_document();
        let mut merged = String::from("{");
        let mut push = |name: &str, value: &str| {
            if merged.len() > 1 {
                merged.push(',');
            }
            merged.push_str(&Value::from(name).to_string());
            merged.push(':');
            merged.push_str(value);
        };
        for (name, value) in stored {
            push(name, &value.to_string());
        }
        for (name, value) in &members {
            if is_shown(name) && !stored.contains_key(&**name) {
                push(name, value.get());
            }
        }
        merged.push('}');
        Ok(merged)
    }
}

impl Projection {
    /// Whether rows show documents that they load by themselves.
    pub fn loads(&self) -> bool {
        match self {
            Self::Formula { formula, .. } => formula.loads(),
            Self::Script(_) => true,
            Self::Whole | Self::Fields(_) => false,
        }
    }

    /// Reads `select`.
    ///
    /// # Errors
    /// `Unsupported` for what this version cannot show.
    pub fn of(query: &Query, parameters: &Parameters) -> Result<Self> {
        let unsupported = |what: &str| {
            Err(Error::new(
                ErrorKind::Unsupported,
                format!("{what} in 'select' is not implemented yet"),
            ))
        };
        let items = match &query.select {
            None => return Ok(Self::Whole),
            Some(Select::Object { .. }) if !IS_WHOLE => {
                return Err(not_loaded("computing in 'select'"));
            }
            Some(Select::Object { script, .. }) => {
                return Ok(Self::of_formula(query, &script.text).unwrap_or_else(|| {
                    Self::Script(Box::new(RowScript::of_object(query, parameters, script)))
                }));
            }
            Some(Select::Items { items, .. }) if items.is_empty() => return Ok(Self::Whole),
            Some(Select::Items { items, .. }) => items,
        };
        if let [only] = items.as_slice()
            && let ExpressionKind::Field(path) = &only.value.kind
            && path.segments.is_empty()
            && path.loaded.is_none()
            && only.alias.is_none()
        {
            return Ok(Self::Whole);
        }
        if let Some(computed) = Self::of_functions(query, parameters, items)? {
            return Ok(computed);
        }
        let mut shown = Vec::with_capacity(items.len());
        for item in items {
            let (name, from) = match &item.value.kind {
                ExpressionKind::Field(path) if path.segments.is_empty() => {
                    let name = path.loaded.clone().unwrap_or_else(|| alias_of(query));
                    (name, From::Path(path.clone()))
                }
                ExpressionKind::Field(path) => {
                    let key = query
                        .group_by
                        .iter()
                        .find(|it| it.alias.is_some() && it.alias.as_deref() == path.as_property());
                    let source = key.map_or_else(|| path.clone(), |it| it.path.clone());
                    (path.to_string(), From::Path(source))
                }
                ExpressionKind::Call(call) => match call.method {
                    Method::Id => ("id".to_owned(), From::Id),
                    Method::Key => {
                        let keys = query.group_by.iter().map(|it| it.path.to_string());
                        ("Key".to_owned(), From::Key(keys.collect()))
                    }
                    _ => match aggregation_of(call)?.filter(|_| !query.group_by.is_empty()) {
                        // Results hold it under the whole text as one name.
                        Some(aggregation) => {
                            let name = aggregation.field_name().into_owned();
                            (name.clone(), From::Path(Path::property(name)))
                        }
                        None => return unsupported(&format!("{}()", call.name)),
                    },
                },
                ExpressionKind::Literal(_) | ExpressionKind::Parameter(_) => {
                    constant(&item.value, parameters)?
                }
                _ => return unsupported("this expression"),
            };
            shown.push(Shown {
                name: item.alias.clone().unwrap_or(name),
                from,
            });
        }
        Ok(Self::Fields(shown))
    }
}

impl Projection {
    /// What declared functions make, alone or beside fields; `None` when there are none.
    fn of_functions(
        query: &Query,
        parameters: &Parameters,
        items: &[SelectItem],
    ) -> Result<Option<Self>> {
        let is_declared = |it: &SelectItem| matches!(&it.value.kind, ExpressionKind::Call(call) if call.method == Method::Declared);
        if !items.iter().any(is_declared) {
            return Ok(None);
        }
        if !IS_WHOLE {
            return Err(not_loaded("computing in 'select'"));
        }
        let script = match items {
            [only] if only.alias.is_none() => {
                let ExpressionKind::Call(call) = &only.value.kind else {
                    return Ok(None);
                };
                if let Some(formula) = Self::of_declared(query, call) {
                    return Ok(Some(formula));
                }
                RowScript::of_call(query, parameters, call)?
            }
            _ => RowScript::of_items(query, parameters, items)?,
        };
        Ok(Some(Self::Script(Box::new(script))))
    }

    /// A call of a declared function with fields, translated; `None` when it needs a script engine.
    fn of_declared(query: &Query, call: &Call) -> Option<Self> {
        let [function] = query.functions.as_slice() else {
            return None;
        };
        let text = function.script.text.as_str();
        let (head, body) = text.split_once('{')?;
        let body = body.trim_end().strip_suffix('}')?;
        let names = head.split_once('(')?.1.trim_end().strip_suffix(')')?;
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        if names.len() != call.arguments.len() {
            return None;
        }
        let mut constants = String::new();
        for (name, argument) in names.iter().zip(&call.arguments) {
            let ExpressionKind::Field(path) = &argument.kind else {
                return None;
            };
            let mut source = path.loaded.clone().unwrap_or_else(|| alias_of(query));
            let is_same = path.segments.is_empty() && source == *name;
            for segment in &path.segments {
                match segment {
                    Segment::Property(name) => {
                        source.push_str(&format!("[{}]", Value::from(name.as_str())))
                    }
                    Segment::Each | Segment::At(_) => return None,
                }
            }
            let hides = query.load.iter().any(|it| it.alias == *name) || alias_of(query) == *name;
            if hides && !is_same {
                return None;
            }
            if !is_same {
                constants.push_str(&format!("const {name} = {source};"));
            }
        }
        Self::translated(query, &format!("{constants} {body}"))
    }

    /// An object literal, translated; `None` when it needs a script engine.
    fn of_formula(query: &Query, text: &str) -> Option<Self> {
        if !query.functions.is_empty() {
            return None;
        }
        Self::translated(query, &format!("return ({text});"))
    }

    fn translated(query: &Query, body: &str) -> Option<Self> {
        let alias = alias_of(query);
        let mut names = vec![alias.clone()];
        names.extend(query.load.iter().map(|it| it.alias.clone()));
        let variables: Vec<String> = names
            .iter()
            .map(|name| format!("const {name} = input[{}];", Value::from(name.as_str())))
            .collect();
        let function = format!("input => {{ {} {body} }}", variables.join(" "));
        let formula = Box::new(Formula::from_javascript(&function).ok()?);
        Some(Self::Formula { formula, alias })
    }
}

fn alias_of(query: &Query) -> String {
    query.alias.clone().unwrap_or_else(|| "this".to_owned())
}

/// Documents that were loaded while rows were made: their texts as clients read them, by key.
pub type AtHand = HashMap<Bytes, Option<String>>;

/// A formula's view of what is at hand.
struct Found<'a>(&'a AtHand);

impl<'a> Documents<'a> for Found<'a> {
    fn find(&self, id: &str) -> Option<Option<Computed<'a>>> {
        if id.is_empty() {
            return Some(None);
        }
        let text = self.0.get(&to_id_key(id))?;
        Some(text.as_deref().map(Computed::from_json))
    }
}

/// The text of a document as clients read it.
///
/// # Errors
/// `Corrupted` when it is not UTF-8.
pub fn text_of(document: &StoredDocument) -> Result<String> {
    let mut text = Vec::with_capacity(document.byte_count() + 192);
    document.write_json(&mut text);
    String::from_utf8(text).map_err(|_| Error::corrupted("a document's metadata is not UTF-8"))
}

fn write_formula(
    formula: &Formula,
    alias: &str,
    row: &Row<'_>,
    json: &mut Vec<u8>,
) -> Result<Vec<String>> {
    let own = row.own_text()?;
    let mut members = vec![(Text::from(alias.to_owned()), Computed::from_json(&own))];
    for (name, text) in row.loaded {
        members.push((Text::from(name.clone()), Computed::from_json(text)));
    }
    let found = Found(row.at_hand);
    let mut evaluation = Evaluation::new(&found);
    let result = evaluation.run(formula, Computed::object(members));
    if !evaluation.missing().is_empty() {
        // What was computed without a document that is there is void, failures included.
        return Ok(evaluation.missing().to_vec());
    }
    let result = result?;
    let text = result.to_json();
    match text.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
        Some(inner) => json.extend_from_slice(inner.as_bytes()),
        None => return Err(Error::invalid("'select' must make objects")),
    }
    Ok(Vec::new())
}

fn constant(value: &Expression, parameters: &Parameters) -> Result<(String, From)> {
    let value = json_value(value, parameters)?;
    let name = match &value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok((name, From::Constant(value.to_string())))
}

/// Appends the properties of a projected row, without braces, or answers the ids of documents that
/// are not at hand and without which the row cannot be made.
///
/// # Errors
/// What a formula cannot do with the row's values.
pub fn write(projection: &Projection, row: &Row<'_>, json: &mut Vec<u8>) -> Result<Vec<String>> {
    match projection {
        Projection::Whole => Ok(Vec::new()),
        Projection::Fields(fields) => {
            if row.behavior.refuses_missing() {
                check_fields(fields, row)?;
            }
            write_fields(fields, row, json);
            Ok(Vec::new())
        }
        Projection::Formula { .. } if !IS_WHOLE => Err(not_loaded("computing in 'select'")),
        Projection::Formula { formula, alias } => write_formula(formula, alias, row, json),
        Projection::Script(_) => Err(Error::new(
            ErrorKind::Unsupported,
            "this 'select' needs a script engine, which this host does not lend",
        )),
    }
}

/// Refuses a row without a value for each field.
fn check_fields(fields: &[Shown], row: &Row<'_>) -> Result<()> {
    for field in fields {
        if let From::Path(path) = &field.from
            && row.find(path).is_none()
        {
            let source = if row.behavior.reads_index() {
                "index"
            } else {
                "document"
            };
            return Err(Error::invalid(format!(
                "the field '{path}' cannot be taken from the {source}, as the query demands"
            )));
        }
    }
    Ok(())
}

fn write_fields(fields: &[Shown], row: &Row<'_>, json: &mut Vec<u8>) {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        push_text(&field.name, json);
        json.push(b':');
        match &field.from {
            From::Constant(text) => json.extend_from_slice(text.as_bytes()),
            From::Id => match row.document {
                Some(document) => push_text(document.id(), json),
                None => json.extend_from_slice(b"null"),
            },
            From::Key(names) => match (names.as_slice(), row.stored) {
                ([name], Some(stored)) => {
                    push_value(stored.get(name).unwrap_or(&Value::Null), json);
                }
                (names, Some(stored)) => {
                    let member = |name: &String| Some((name.clone(), stored.get(name)?.clone()));
                    push_value(&names.iter().filter_map(member).collect(), json);
                }
                (_, None) => json.extend_from_slice(b"null"),
            },
            From::Path(path) => push_path(path, row, json),
        }
    }
}

fn push_text(text: &str, json: &mut Vec<u8>) {
    serde_json::to_writer(json, text).expect("a Vec takes any text");
}

fn push_value(value: &Value, json: &mut Vec<u8>) {
    serde_json::to_writer(json, value).expect("a Vec takes any value");
}

fn push_path(path: &Path, row: &Row<'_>, json: &mut Vec<u8>) {
    let found = row.find(path);
    json.extend_from_slice(found.as_deref().unwrap_or("null").as_bytes());
}

impl Row<'_> {
    /// The JSON text at the end of a path.
    pub fn find(&self, path: &Path) -> Option<String> {
        if let Some(alias) = &path.loaded {
            let text = self.loaded.get(alias)?;
            return find_path(text, &path.segments).map(Cow::into_owned);
        }
        if path.segments.is_empty() {
            return self.own_text().ok();
        }
        let is_of_group = self.document.is_none();
        if let Some(stored) = self
            .stored
            .filter(|_| is_of_group || self.behavior.reads_index())
        {
            if let Some(value) = stored.get(&path.to_string()) {
                return Some(value.to_string());
            }
            if is_of_group {
                let text = self.own_text().ok()?;
                return find_path(&text, &path.segments).map(Cow::into_owned);
            }
        }
        let document = self.document?;
        let is_metadata = matches!(
            path.segments.first(),
            Some(Segment::Property(name)) if name == "@metadata"
        );
        if !is_metadata {
            if !self.behavior.reads_document() {
                return None;
            }
            return find_path(document.body(), &path.segments).map(Cow::into_owned);
        }
        let mut metadata = Vec::new();
        document.write_metadata_object(&mut metadata);
        let text = String::from_utf8(metadata).ok()?;
        find_path(&text, &path.segments[1..]).map(Cow::into_owned)
    }
}

/// The JSON text at the end of a path; where it leads through lists, a list of what is found.
pub fn find_path<'a>(text: &'a str, segments: &[Segment]) -> Option<Cow<'a, str>> {
    let Some((segment, rest)) = segments.split_first() else {
        return Some(Cow::Borrowed(text));
    };
    if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        if let Segment::At(at) = segment {
            let item = items.get(usize::try_from(*at).ok()?)?;
            return find_path(item.get(), rest);
        }
        let below = if *segment == Segment::Each {
            rest
        } else {
            segments
        };
        let mut list = String::from("[");
        for item in items {
            let Some(found) = find_path(item.get(), below) else {
                continue;
            };
            // A list of lists is shown as one.
            let leads_on = below.iter().any(|it| !matches!(it, Segment::At(_)));
            let inner = found
                .strip_prefix('[')
                .and_then(|it| it.strip_suffix(']'))
                .filter(|_| leads_on && below.contains(&Segment::Each));
            let shown = inner.unwrap_or(&found);
            if shown.is_empty() {
                continue;
            }
            if list.len() > 1 {
                list.push(',');
            }
            list.push_str(shown);
        }
        list.push(']');
        return Some(Cow::Owned(list));
    }
    match segment {
        Segment::Property(name) => find_path(find_property(text, name)?, rest),
        Segment::Each | Segment::At(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_lists() {
        let text = r#"{"A":{"B":1.50},"L":[{"P":1,"T":["x","y"]},{"P":2,"T":[]},{"Q":3}]}"#;
        let find = |path: &str| {
            let query = super::super::rql::parse(&format!("from X select {path}")).unwrap();
            let Some(Select::Items { items, .. }) = query.select else {
                panic!("items");
            };
            let ExpressionKind::Field(path) = &items[0].value.kind else {
                panic!("a field");
            };
            find_path(text, &path.segments).map(Cow::into_owned)
        };
        assert_eq!(find("A.B").as_deref(), Some("1.50"));
        assert_eq!(find("L[].P").as_deref(), Some("[1,2]"));
        assert_eq!(find("L[].T[]").as_deref(), Some(r#"["x","y"]"#));
        assert_eq!(find("L[1].P").as_deref(), Some("2"));
        assert_eq!(find("A.C"), None);
    }
}
