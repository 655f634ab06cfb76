//! Compiling what clients send into maps and reduces that the core evaluates itself.
//!
//! Functions that the translation does not know need a script engine and are refused with the
//! place that was not understood.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;

use super::IndexDefinition;
use super::created_field::add_created;
use super::map::{
    CompiledIndex, CompiledMap, IndexCompiler, LoadedTexts, Loads, Object, ObjectMap, ObjectReduce,
};
use super::spatial_field::{marked_point, marked_text};
use crate::document::{CollectionName, StoredDocument, to_id_key};
use crate::formula::{
    Documents, Evaluation, Formula, MapDefinition, MapFunction, MapSource, Number,
    ReduceDefinition, ReduceFunction, Reference, Shape, Special, Value,
};
use crate::query::rql::SyntaxError;
use crate::{Error, ErrorKind, Result};

/// Compiles definitions by translation.
#[derive(Debug, Clone, Copy, Default)]
pub struct FormulaCompiler;

impl IndexCompiler for FormulaCompiler {
    fn compile(&self, definition: &IndexDefinition) -> Result<CompiledIndex> {
        self.compile_parts(definition)?.into_index()
    }
}

/// What of a definition is translated; the rest is for a script engine.
pub struct TranslatedParts {
    /// For each text of a map, the map; `None` when it is for the engine.
    pub maps: Vec<Option<CompiledMap>>,
    /// The reduce, unless it is for the engine.
    pub reduce: Option<Arc<dyn ObjectReduce>>,
    /// What a reduce for the engine groups by, if that is translated.
    key: Option<Formula>,
    /// Why something is left for the engine.
    reason: Option<Error>,
}

impl TranslatedParts {
    /// Whether nothing is left for an engine.
    pub fn is_whole(&self) -> bool {
        self.reason.is_none()
    }

    /// The index.
    ///
    /// # Errors
    /// Why something is left for an engine.
    pub fn into_index(self) -> Result<CompiledIndex> {
        if let Some(reason) = self.reason {
            return Err(reason);
        }
        Ok(CompiledIndex {
            maps: self.maps.into_iter().flatten().collect(),
            reduce: self.reduce,
        })
    }

    /// The reduce with what is translated of it, when the engine's is `of_engine`.
    pub fn complete_reduce(
        self,
        of_engine: Option<Arc<dyn ObjectReduce>>,
    ) -> Option<Arc<dyn ObjectReduce>> {
        match (self.reduce, of_engine, self.key) {
            (None, Some(reduce), Some(key)) => Some(Arc::new(KeyedReduce { key, reduce })),
            (translated, of_engine, _) => translated.or(of_engine),
        }
    }
}

impl FormulaCompiler {
    /// Translates what it can of a definition.
    ///
    /// # Errors
    /// What no engine could make good either.
    pub fn compile_parts(&self, definition: &IndexDefinition) -> Result<TranslatedParts> {
        let name = &definition.name;
        let mut parts = TranslatedParts {
            maps: definition.maps.iter().map(|_| None).collect(),
            reduce: None,
            key: None,
            reason: None,
        };
        if !definition.additional_sources.is_empty() {
            // They may give any name another meaning.
            parts.reason = Some(unsupported(name, "additional sources need a script engine"));
            return Ok(parts);
        }
        let mut shapes = Vec::with_capacity(definition.maps.len());
        for (place, text) in definition.maps.iter().enumerate() {
            let shape = match compile_map(name, text) {
                Ok((map, shape)) => {
                    parts.maps[place] = Some(map);
                    shape
                }
                Err(reason) => {
                    parts.leave(reason)?;
                    Shape::Unknown
                }
            };
            shapes.push(shape);
        }
        let reduce = definition
            .reduce
            .as_deref()
            .filter(|it| !it.trim().is_empty());
        let is_typed = |text: &String| !text.trim_start().starts_with("map");
        if reduce.is_some() || definition.maps.iter().any(is_typed) {
            check_equal_shapes(name, &shapes)?;
        }
        if let Some(text) = reduce {
            compile_reduce(name, text, &shapes, &mut parts)?;
        }
        Ok(parts)
    }
}

impl TranslatedParts {
    /// Leaves something to the engine, unless it is no use there either. The first reason is told.
    fn leave(&mut self, reason: Error) -> Result<()> {
        if reason.kind() != ErrorKind::Unsupported {
            return Err(reason);
        }
        self.reason.get_or_insert(reason);
        Ok(())
    }
}

/// A reduce of an engine whose keys are translated.
struct KeyedReduce {
    key: Formula,
    reduce: Arc<dyn ObjectReduce>,
}

impl ObjectReduce for KeyedReduce {
    fn key(&self, input: &Object) -> Result<Json> {
        key_of(&self.key, input)
    }

    fn reduce(&self, key: &Json, inputs: &[Object]) -> Result<Object> {
        self.reduce.reduce(key, inputs)
    }

    fn reduce_texts(&self, key: &Json, inputs: &[&str]) -> Result<Object> {
        self.reduce.reduce_texts(key, inputs)
    }
}

fn key_of(key: &Formula, input: &Object) -> Result<Json> {
    let text = serde_json::to_string(input).expect("objects have text keys");
    to_json(&key.evaluate(Value::from_json(&text))?)
}

fn unsupported(name: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("Failed to compile index '{name}': {what}: not implemented yet"),
    )
}

fn failed(name: &str, error: &Error) -> Error {
    Error::new(
        error.kind(),
        format!("Failed to compile index '{name}': {}", error.message()),
    )
}

fn needs_engine(name: &str, text: &str, reason: &SyntaxError) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "Failed to compile index '{name}': this part needs a script engine, which indexes do \
             not use yet: {}",
            reason.render(text)
        ),
    )
}

/// Reduces take entries of all maps, and C# knows one type of entry only.
fn check_equal_shapes(name: &str, shapes: &[Shape]) -> Result<()> {
    let known = shapes
        .iter()
        .enumerate()
        .filter_map(|(at, shape)| match shape {
            Shape::Fields(fields) => Some((at + 1, fields)),
            _ => None,
        });
    let known: Vec<_> = known.collect();
    for pair in known.windows(2) {
        let [(one, fields), (other, others)] = pair else {
            continue;
        };
        if fields != others {
            let names = listed(fields.symmetric_difference(others));
            return Err(failed(
                name,
                &Error::invalid(format!(
                    "all maps must make the same fields; maps {one} and {other} differ in {names}"
                )),
            ));
        }
    }
    Ok(())
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.map(|it| format!("'{it}'")).collect();
    names.join(", ")
}

/// What a reduce makes is reduced again, so it must be what the maps make.
fn check_reduce(key: &Formula, aggregate: Option<&Formula>, shapes: &[Shape]) -> Result<()> {
    for shape in shapes {
        let Shape::Fields(fields) = shape else {
            continue;
        };
        let asked = key.members_of_input();
        let mut unknown = asked.difference(fields).peekable();
        if unknown.peek().is_some() {
            return Err(Error::invalid(format!(
                "the reduce groups by {}, which the map does not make",
                listed(unknown)
            )));
        }
        match aggregate.map_or(Shape::Unknown, Formula::shape) {
            Shape::Fields(made) if made != *fields => {
                return Err(Error::invalid(format!(
                    "the reduce must make the same fields as the map; they differ in {}",
                    listed(made.symmetric_difference(fields))
                )));
            }
            Shape::NoObject => return Err(Error::invalid("the reduce must make objects")),
            _ => {}
        }
    }
    Ok(())
}

fn compile_map(name: &str, text: &str) -> Result<(CompiledMap, Shape)> {
    let map = MapDefinition::parse(text).map_err(|error| failed(name, &error))?;
    let collection = match map.source {
        MapSource::AllDocuments | MapSource::OfScript => None,
        MapSource::Collection(name) => Some(CollectionName::new(name)?),
    };
    match map.function {
        MapFunction::Formula(formula) => {
            let shape = formula.shape();
            if shape == Shape::NoObject {
                return Err(failed(name, &Error::invalid("a map must make objects")));
            }
            let map = FormulaMap {
                collection,
                formula,
            };
            Ok((CompiledMap::Objects(Arc::new(map)), shape))
        }
        MapFunction::Script { text, reason } => Err(needs_engine(name, &text, &reason)),
    }
}

fn compile_reduce(
    name: &str,
    text: &str,
    shapes: &[Shape],
    parts: &mut TranslatedParts,
) -> Result<()> {
    let check = |key: &Formula, aggregate| {
        check_reduce(key, aggregate, shapes).map_err(|error| failed(name, &error))
    };
    let reduce = ReduceDefinition::parse(text).map_err(|error| failed(name, &error))?;
    match reduce.function {
        ReduceFunction::Formula { key, aggregate } => {
            check(&key, Some(&aggregate))?;
            parts.reduce = Some(Arc::new(FormulaReduce { key, aggregate }));
            Ok(())
        }
        ReduceFunction::Script { text, reason, key } => {
            if let Some(key) = &key {
                check(key, None)?;
            }
            parts.key = key;
            parts.leave(needs_engine(name, &text, &reason))
        }
    }
}

/// Documents that were loaded for a map, by their texts.
struct AtHand<'a> {
    texts: &'a LoadedTexts,
    /// Those that are not in the collection from which they were loaded. Only that collection is
    /// followed, so an index that saw them would depend on what it does not hear of.
    hidden: HashSet<Bytes>,
}

impl<'a> Documents<'a> for AtHand<'a> {
    fn find(&self, id: &str) -> Option<Option<Value<'a>>> {
        let key = to_id_key(id);
        if id.is_empty() || self.hidden.contains(&key) {
            return Some(None);
        }
        let found = self.texts.find(&key)?;
        Some(found.map(Value::from_json))
    }
}

/// What one evaluation of a map gave.
struct Evaluated {
    objects: Result<Vec<Object>>,
    references: Vec<Reference>,
    missing: Vec<String>,
}

#[derive(Debug)]
struct FormulaMap {
    collection: Option<CollectionName>,
    formula: Formula,
}

impl FormulaMap {
    fn evaluate(&self, text: &str, texts: &LoadedTexts) -> Result<Evaluated> {
        let mut at_hand = AtHand {
            texts,
            hidden: HashSet::new(),
        };
        loop {
            let mut evaluation = Evaluation::new(&at_hand);
            // Formulas look at several members; they are found together.
            let result = evaluation.run(&self.formula, Value::from_json(text).opened());
            let objects = result.and_then(|value| {
                let mut objects = Vec::new();
                push_objects(&value, self.formula.is_typed(), &mut objects)?;
                Ok(objects)
            });
            let references = evaluation.references().to_vec();
            let missing = evaluation.missing().to_vec();
            let mut is_complete = true;
            for reference in references.iter().filter(|it| it.is_tracked) {
                let Some(collection) = &reference.collection else {
                    continue;
                };
                let collection = CollectionName::new(collection.as_str())?;
                let key = to_id_key(&reference.id);
                if texts.is_elsewhere(&key, &collection) && at_hand.hidden.insert(key) {
                    is_complete = false;
                }
            }
            if is_complete {
                return Ok(Evaluated {
                    objects,
                    references,
                    missing,
                });
            }
        }
    }
}

impl ObjectMap for FormulaMap {
    fn collection(&self) -> Option<&CollectionName> {
        self.collection.as_ref()
    }

    fn map(&self, document: &StoredDocument, loads: &mut Loads) -> Result<Vec<Object>> {
        let mut text = Vec::with_capacity(document.byte_count() + 192);
        document.write_json(&mut text);
        let text = std::str::from_utf8(&text)
            .map_err(|_| Error::corrupted("a document's metadata is not UTF-8"))?;
        let Evaluated {
            objects,
            references,
            missing,
        } = self.evaluate(text, loads.texts())?;
        for reference in references.iter().filter(|it| it.is_tracked) {
            let collection = reference.collection.as_deref();
            let collection = collection.map(CollectionName::new).transpose()?;
            loads.refer(&reference.id, collection.as_ref());
        }
        for id in &missing {
            loads.miss(id);
        }
        // What was computed without a document that is there is void, failures included.
        if missing.is_empty() {
            objects
        } else {
            Ok(Vec::new())
        }
    }
}

/// The entries that the result of a map stands for.
fn push_objects(value: &Value<'_>, is_typed: bool, objects: &mut Vec<Object>) -> Result<()> {
    match value.clone().opened() {
        Value::Undefined | Value::Null => {}
        Value::Array(items) => {
            for item in items.iter() {
                push_objects(item, is_typed, objects)?;
            }
        }
        Value::Object(members) => {
            let mut object = Object::new();
            for (name, value) in members.iter() {
                push_member(name.as_str(), value, is_typed, &mut object)?;
            }
            objects.push(object);
        }
        Value::Special(special) => match &*special {
            Special::Boosted { value, .. } => push_objects(value, is_typed, objects)?,
            _ => return Err(Error::invalid("a map must make objects")),
        },
        other => {
            return Err(Error::invalid(format!(
                "a map must make objects, not {}",
                other.to_json()
            )));
        }
    }
    Ok(())
}

fn push_member(name: &str, value: &Value<'_>, is_typed: bool, object: &mut Object) -> Result<()> {
    match value {
        Value::Undefined => {
            // A member that a map names is there, if only as null.
            object.insert(name.to_owned(), Json::Null);
        }
        Value::Special(special) => match &**special {
            Special::Field(field) => {
                // What the value itself is called, if it is a created field again.
                let mut made = Object::new();
                push_member(&field.name, &field.value, is_typed, &mut made)?;
                for (name, value) in made {
                    let indexing = field.indexing.as_deref();
                    add_created(object, &name, value, field.stored, indexing);
                }
            }
            Special::Boosted { value, .. } => push_member(name, value, is_typed, object)?,
            Special::Point {
                latitude,
                longitude,
            } => {
                let point = marked_point(to_json(latitude)?, to_json(longitude)?);
                object.insert(name.to_owned(), point);
            }
            Special::Wkt(text) => {
                object.insert(name.to_owned(), marked_text(to_json(text)?));
            }
        },
        Value::Array(items) if items.iter().any(is_created) => {
            for item in items.iter() {
                push_member(name, item, is_typed, object)?;
            }
        }
        value => {
            let json = if is_typed && !matches!(value, Value::Text(_)) {
                serde_json::from_str(&value.to_typed_json())
                    .map_err(|reason| Error::corrupted(format!("'{name}': {reason}")))?
            } else {
                to_json(value)?
            };
            object.insert(name.to_owned(), json);
        }
    }
    Ok(())
}

fn is_created(value: &Value<'_>) -> bool {
    matches!(value, Value::Special(special) if matches!(&**special, Special::Field(_)))
}

#[derive(Debug)]
struct FormulaReduce {
    key: Formula,
    aggregate: Formula,
}

impl ObjectReduce for FormulaReduce {
    fn key(&self, input: &Object) -> Result<Json> {
        key_of(&self.key, input)
    }

    fn reduce(&self, key: &Json, inputs: &[Object]) -> Result<Object> {
        let inputs: Vec<String> = inputs
            .iter()
            .map(|it| serde_json::to_string(it).expect("objects have text keys"))
            .collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.reduce_texts(key, &inputs)
    }

    fn reduce_texts(&self, key: &Json, inputs: &[&str]) -> Result<Object> {
        let key = key.to_string();
        let values = inputs.iter().map(|it| Value::from_json(it)).collect();
        let group = Value::object(vec![
            ("key".into(), Value::from_json(&key)),
            ("values".into(), Value::array(values)),
        ]);
        let result = self.aggregate.evaluate(group)?;
        let mut objects = Vec::new();
        push_objects(&result, self.aggregate.is_typed(), &mut objects)?;
        let mut objects = objects.into_iter();
        match (objects.next(), objects.next()) {
            (Some(object), None) => Ok(object),
            _ => Err(Error::invalid("a reduce must make one object of a group")),
        }
    }
}

fn to_json(value: &Value<'_>) -> Result<Json> {
    // What most maps make needs no text in between.
    match value {
        Value::Undefined | Value::Null => return Ok(Json::Null),
        Value::Bool(value) => return Ok(Json::Bool(*value)),
        Value::Number(Number::Long(whole)) => return Ok(Json::from(*whole)),
        Value::Text(text) => return Ok(Json::String(text.as_str().to_owned())),
        _ => {}
    }
    serde_json::from_str(&value.to_json())
        .map_err(|reason| Error::corrupted(format!("a computed value: {reason}")))
}
