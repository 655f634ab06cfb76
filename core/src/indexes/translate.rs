//! Index functions that are evaluated here: definitions translated to formulas.
//!
//! What the translation does not know is refused when the definition comes in, with its place.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::IndexDefinition;
use super::map::{
    CompiledIndex, CompiledMap, IndexCompiler, Loads, Object, ObjectMap, ObjectReduce,
};
use crate::document::{CollectionName, StoredDocument};
use crate::formula::{
    Documents, Evaluation, Formula, MapDefinition, MapFunction, MapSource, Number,
    ReduceDefinition, ReduceFunction, Special, Value,
};
use crate::query::rql::SyntaxError;
use crate::{Error, ErrorKind, Result};

/// How often a map may ask for documents that depend on those it asked for before.
const MAX_LOAD_ROUNDS: usize = 64;

/// Compiles the C# index texts and JavaScript functions that need no script engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct FormulaCompiler;

impl IndexCompiler for FormulaCompiler {
    fn compile(&self, definition: &IndexDefinition) -> Result<CompiledIndex> {
        compile(definition).map_err(|error| {
            let message = format!(
                "Failed to compile index '{}': {}",
                definition.name,
                error.message()
            );
            Error::new(error.kind(), message)
        })
    }
}

fn compile(definition: &IndexDefinition) -> Result<CompiledIndex> {
    if !definition.additional_sources.is_empty() {
        return Err(unsupported(
            "additional sources need a script engine".to_owned(),
        ));
    }
    let mut maps = Vec::with_capacity(definition.maps.len());
    for text in &definition.maps {
        let map: Arc<dyn ObjectMap> = Arc::new(FormulaMap::compile(text)?);
        maps.push(CompiledMap::Objects(map));
    }
    let reduce = match definition
        .reduce
        .as_deref()
        .filter(|it| !it.trim().is_empty())
    {
        Some(text) => {
            let reduce: Arc<dyn ObjectReduce> = Arc::new(FormulaReduce::compile(text)?);
            Some(reduce)
        }
        None => None,
    };
    Ok(CompiledIndex { maps, reduce })
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

/// JavaScript that is not translated: wrong, or beyond the part that is evaluated here.
fn needs_engine(text: &str, reason: SyntaxError) -> Error {
    let place = reason.into_error(text);
    unsupported(format!(
        "this function cannot be evaluated without a script engine: {}",
        place.message()
    ))
}

struct FormulaMap {
    collection: Option<CollectionName>,
    referenced: Vec<CollectionName>,
    formula: Formula,
}

impl FormulaMap {
    fn compile(text: &str) -> Result<Self> {
        let map = MapDefinition::parse(text)?;
        let formula = match map.function {
            MapFunction::Formula(formula) => formula,
            MapFunction::Script { text, reason } => return Err(needs_engine(&text, reason)),
        };
        if formula.makes_shapes() {
            return Err(unsupported("spatial fields are not indexed yet".to_owned()));
        }
        let Some(loaded) = formula.loaded_collections() else {
            return Err(unsupported(
                "a document is loaded from a collection that the text does not name".to_owned(),
            ));
        };
        Ok(Self {
            collection: match map.source {
                MapSource::Collection(name) => Some(CollectionName::new(name)?),
                MapSource::AllDocuments => None,
            },
            referenced: loaded
                .into_iter()
                .map(CollectionName::new)
                .collect::<Result<_>>()?,
            formula,
        })
    }
}

/// The documents that a map has loaded so far, by id as it gave it.
struct AtHand<'a>(&'a HashMap<String, Option<String>>);

impl<'a> Documents<'a> for AtHand<'a> {
    fn find(&self, id: &str) -> Option<Option<Value<'a>>> {
        let found = self.0.get(id)?;
        Some(found.as_deref().map(Value::from_json))
    }
}

fn text_of(document: &StoredDocument) -> Result<String> {
    let mut json = Vec::with_capacity(document.byte_count() + 192);
    document.write_json(&mut json);
    String::from_utf8(json)
        .map_err(|_| Error::corrupted(format!("'{}' is not UTF-8", document.id())))
}

impl ObjectMap for FormulaMap {
    fn collection(&self) -> Option<&CollectionName> {
        self.collection.as_ref()
    }

    fn referenced_collections(&self) -> &[CollectionName] {
        &self.referenced
    }

    fn map(&self, document: &StoredDocument, loads: &mut Loads) -> Result<Vec<Object>> {
        let text = text_of(document)?;
        let mut at_hand: HashMap<String, Option<String>> = HashMap::new();
        for _ in 0..MAX_LOAD_ROUNDS {
            let documents = AtHand(&at_hand);
            let mut evaluation = Evaluation::new(&documents);
            let value = evaluation.run(&self.formula, Value::from_json(&text))?;
            if evaluation.missing().is_empty() {
                let mut outputs = Vec::new();
                add_outputs(value, &mut outputs)?;
                return Ok(outputs);
            }
            let wanted: Vec<_> = evaluation
                .references()
                .iter()
                .filter(|it| evaluation.missing().contains(&it.id))
                .cloned()
                .collect();
            for reference in wanted {
                let collection = CollectionName::new(reference.collection.unwrap_or_default())?;
                let found = loads.load(&reference.id, &collection);
                let found = found.as_ref().map(text_of).transpose()?;
                at_hand.insert(reference.id, found);
            }
        }
        Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("documents are loaded through more than {MAX_LOAD_ROUNDS} others"),
        ))
    }
}

/// The objects in a map's result: itself, or the items of an array; nothing makes no entry.
fn add_outputs(value: Value<'_>, outputs: &mut Vec<Object>) -> Result<()> {
    match value.opened() {
        Value::Undefined | Value::Null => Ok(()),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| add_outputs(item.clone(), outputs)),
        Value::Object(members) => {
            let mut object = Object::new();
            for (name, value) in members.iter() {
                add_member(name.as_str(), value, &mut object);
            }
            outputs.push(object);
            Ok(())
        }
        Value::Special(special) => match &*special {
            Special::Boosted { value, .. } => add_outputs(value.clone(), outputs),
            _ => Err(Error::invalid(
                "a map returns objects, and this is a single field",
            )),
        },
        other => Err(Error::invalid(format!(
            "a map returns objects, not {}",
            other.to_json()
        ))),
    }
}

/// A field, or those that `createField` made in its place.
fn add_member(name: &str, value: &Value<'_>, object: &mut Object) {
    match value {
        Value::Special(special) => match &**special {
            Special::Field(field) => {
                object.insert(field.name.clone(), to_json(&field.value));
            }
            Special::Boosted { value, .. } => add_member(name, value, object),
            Special::Point { .. } | Special::Wkt(_) => {}
        },
        Value::Array(items) if items.iter().any(|it| matches!(it, Value::Special(_))) => {
            items.iter().for_each(|it| add_member(name, it, object));
        }
        value => {
            object.insert(name.to_owned(), to_json(value));
        }
    }
}

fn to_json(value: &Value<'_>) -> Json {
    match value {
        Value::Undefined | Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(Number::Long(whole)) => Json::from(*whole),
        Value::Number(Number::Double(number)) => Json::from(*number),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), to_json(value)))
            .collect::<Object>()
            .into(),
        // A piece of a document, which was checked when it was stored.
        Value::Raw(text) => serde_json::from_str(text).unwrap_or(Json::Null),
        Value::Special(_) => serde_json::from_str(&value.to_json()).unwrap_or(Json::Null),
    }
}

struct FormulaReduce {
    key: Formula,
    aggregate: Formula,
}

impl FormulaReduce {
    fn compile(text: &str) -> Result<Self> {
        match ReduceDefinition::parse(text)?.function {
            ReduceFunction::Formula { key, aggregate } => Ok(Self { key, aggregate }),
            ReduceFunction::Script { text, reason } => Err(needs_engine(&text, reason)),
        }
    }
}

impl ObjectReduce for FormulaReduce {
    fn key(&self, input: &Object) -> Result<Json> {
        let text = json_text(input)?;
        let key = self.key.evaluate(Value::from_json(&text))?;
        Ok(to_json(&key))
    }

    fn reduce(&self, key: &Json, inputs: &[Object]) -> Result<Object> {
        let text = format!(
            "{{\"key\":{},\"values\":{}}}",
            json_text(key)?,
            json_text(inputs)?
        );
        let mut outputs = Vec::new();
        add_outputs(
            self.aggregate.evaluate(Value::from_json(&text))?,
            &mut outputs,
        )?;
        match outputs.pop() {
            Some(output) if outputs.is_empty() => Ok(output),
            _ => Err(Error::invalid("a reduce returns one object for each group")),
        }
    }
}

fn json_text<T: serde::Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|reason| Error::new(ErrorKind::Internal, reason.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(maps: &[&str], reduce: Option<&str>) -> IndexDefinition {
        IndexDefinition {
            name: "I".to_owned(),
            maps: maps.iter().map(|it| (*it).to_owned()).collect(),
            reduce: reduce.map(str::to_owned),
            ..IndexDefinition::default()
        }
    }

    #[test]
    fn both_languages_reduce_to_the_same() {
        let javascript = definition(
            &[
                "map('Orders', o => ({ C: o.Company, N: 1, T: o.Lines.reduce((s, l) => s + l.Q * l.P, 0) }))",
            ],
            Some(
                "groupBy(x => x.C).aggregate(g => ({ C: g.key, N: g.values.reduce((s, v) => s + v.N, 0), T: g.values.reduce((s, v) => s + v.T, 0) }))",
            ),
        );
        let csharp = definition(
            &[
                "from o in docs.Orders select new { C = o.Company, N = 1, T = o.Lines.Sum(l => l.Q * l.P) }",
            ],
            Some(
                "from r in results group r by r.C into g select new { C = g.Key, N = g.Sum(x => x.N), T = g.Sum(x => x.T) }",
            ),
        );
        for definition in [javascript, csharp] {
            let compiled = FormulaCompiler.compile(&definition).unwrap();
            assert_eq!(compiled.maps[0].collection().unwrap().as_str(), "Orders");
            let reduce = compiled.reduce.unwrap();
            let input = |n: i64, t: f64| serde_json::json!({ "C": "c", "N": n, "T": t });
            let inputs: Vec<Object> = [input(1, 1.5), input(2, 2.0)]
                .into_iter()
                .map(|it| it.as_object().unwrap().clone())
                .collect();
            let key = reduce.key(&inputs[0]).unwrap();
            assert_eq!(key, Json::from("c"));
            let result = Json::Object(reduce.reduce(&key, &inputs).unwrap());
            assert_eq!(result, input(3, 3.5));
        }
    }

    #[test]
    fn what_cannot_run_here_is_refused_with_its_place() {
        for (maps, reduce, part) in [
            (
                &["map('O', o => { for (const x of o.L) { } })"][..],
                None,
                "this statement needs a script engine",
            ),
            (
                &["map('O', o => ({ S: createSpatialField(o.A, o.B) }))"],
                None,
                "spatial",
            ),
            (
                &["map('O', o => ({ S: load(o.A, o.B).C }))"],
                None,
                "does not name",
            ),
            (&["from o in docs.O select new { A = o. }"], None, "1:"),
            (
                &["map('O', o => o)"],
                Some("from r in results select r"),
                "expected 'group'",
            ),
        ] {
            let error = FormulaCompiler
                .compile(&definition(maps, reduce))
                .err()
                .unwrap();
            assert!(error.message().contains("index 'I'"), "{error}");
            assert!(error.message().contains(part), "{error}");
        }
        let compiled = FormulaCompiler
            .compile(&definition(
                &["from o in docs.O select new { N = LoadDocument(o.C, \"Cs\").N }"],
                None,
            ))
            .unwrap();
        assert_eq!(compiled.maps[0].referenced_collections()[0].as_str(), "Cs");
    }
}
