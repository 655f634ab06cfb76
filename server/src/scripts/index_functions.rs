//! Functions of indexes: those that the core translates, and for the others the script engine.
//!
//! The engine runs where the index's step runs and gives way to nothing there but other threads; a
//! function that does not end fails its document, as one that throws does.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pinyon_core::document::{CollectionName, StoredDocument, to_id_key};
use pinyon_core::formula::{MapDefinition, MapFunction, MapSource, members_read};
use pinyon_core::host::{
    Clock, ScriptCall, ScriptEngine as _, ScriptPart, ScriptProgram, carries_all, restore_texts,
};
use pinyon_core::indexes::{
    CompiledIndex, CompiledMap, FormulaCompiler, IndexCompiler, IndexDefinition, Loads, Object,
    ObjectMap, ObjectReduce, TranslatedParts,
};
use pinyon_core::version::Etag;
use pinyon_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{DatabaseScripts, module_functions};

const PRELUDE: &str = include_str!("index_prelude.js");
/// How often a map may ask for documents that it found the ids of in others.
const MAX_LOAD_ROUNDS: usize = 64;
/// How much is handed to a function at once.
const TOGETHER: usize = 64;
const TOGETHER_BYTES: usize = 256 << 10;

/// Compiles definitions for one database.
pub struct ScriptCompiler {
    scripts: Arc<DatabaseScripts>,
    clock: Arc<dyn Clock>,
}

impl ScriptCompiler {
    /// A compiler whose functions run in `scripts`.
    pub fn new(scripts: Arc<DatabaseScripts>, clock: Arc<dyn Clock>) -> Self {
        Self { scripts, clock }
    }
}

impl IndexCompiler for ScriptCompiler {
    fn compile(&self, definition: &IndexDefinition) -> Result<CompiledIndex> {
        if module_functions::is_of_modules(definition) {
            let runtime = self.scripts.runtime();
            return module_functions::compile(definition, runtime, &self.clock).map_err(|reason| {
                let name = &definition.name;
                let message = format!("Failed to compile index '{name}': {}", reason.message());
                Error::new(reason.kind(), message)
            });
        }
        let parts = FormulaCompiler.compile_parts(definition)?;
        if parts.is_whole() || !is_javascript(definition) {
            return parts.into_index();
        }
        self.compile_scripts(definition, parts).map_err(|reason| {
            let name = &definition.name;
            let message = format!("Failed to compile index '{name}': {}", reason.message());
            Error::new(reason.kind(), message)
        })
    }
}

/// Whether the engine can run what is not translated, which is always JavaScript.
fn is_javascript(definition: &IndexDefinition) -> bool {
    let texts = definition.maps.iter().chain(&definition.reduce);
    texts
        .filter(|it| !it.trim().is_empty())
        .all(|it| pinyon_core::formula::is_javascript(it))
}

#[derive(Deserialize)]
struct Description {
    /// By text, and within it by call: the collection.
    collections: Vec<(i64, Value)>,
    reduces: bool,
}

/// What the only map of a text sees of documents, if not all.
fn members_of(text: &str) -> Option<BTreeSet<String>> {
    let map = MapDefinition::parse(text).ok()?;
    match map.function {
        MapFunction::Script { text, .. } if map.source != MapSource::OfScript => {
            members_read(&text)
        }
        _ => None,
    }
}

impl ScriptCompiler {
    fn compile_scripts(
        &self,
        definition: &IndexDefinition,
        mut parts: TranslatedParts,
    ) -> Result<CompiledIndex> {
        let reduce = definition.reduce.as_deref();
        let reduce = reduce.filter(|it| !it.trim().is_empty() && parts.reduce.is_none());
        let functions = Arc::new(self.functions(definition, &parts, reduce));
        let described: Description = functions.call(&json!({ "operation": "describe" }))?;
        if described.reduces != reduce.is_some() {
            return Err(Error::invalid("a reduce calls groupBy(…).aggregate(…)"));
        }
        let mut of_texts: Vec<Vec<(usize, &str)>> = vec![Vec::new(); definition.maps.len()];
        for (number, (text, collection)) in described.collections.iter().enumerate() {
            let Some(collection) = collection.as_str() else {
                return Err(Error::invalid("map() takes a collection's name in quotes"));
            };
            let calls = usize::try_from(*text).ok();
            let calls = calls.and_then(|text| of_texts.get_mut(text));
            let calls = calls.ok_or_else(|| {
                Error::invalid("map() is called by the text of a map, not by an additional source")
            })?;
            calls.push((number, collection));
        }
        let mut maps = Vec::with_capacity(described.collections.len());
        for (place, (text, calls)) in definition.maps.iter().zip(of_texts).enumerate() {
            if let Some(map) = parts.maps[place].take() {
                maps.push(map);
                continue;
            }
            if calls.is_empty() {
                return Err(Error::invalid(format!(
                    "the text of map {} does not call map()",
                    place + 1
                )));
            }
            // Sources may show the document to functions that the map's text does not name.
            let is_plain = calls.len() == 1 && definition.additional_sources.is_empty();
            let members = is_plain.then(|| members_of(text)).flatten();
            for (number, collection) in calls {
                let collection = match collection {
                    "@all_docs" => None,
                    name => Some(CollectionName::new(name)?),
                };
                maps.push(CompiledMap::Objects(Arc::new(ScriptMap {
                    functions: Arc::clone(&functions),
                    number,
                    collection,
                    members: members.clone(),
                    prepared: Mutex::default(),
                    is_asked_alone: AtomicBool::new(false),
                })));
            }
        }
        let of_engine = reduce.map(|_| Arc::new(ScriptReduce(functions)) as Arc<dyn ObjectReduce>);
        let reduce = parts.complete_reduce(of_engine);
        Ok(CompiledIndex { maps, reduce })
    }

    /// The functions that are not translated.
    fn functions(
        &self,
        definition: &IndexDefinition,
        translated: &TranslatedParts,
        reduce: Option<&str>,
    ) -> Functions {
        let part = |name: &str, before: &str, text: &str| ScriptPart {
            name: name.to_owned(),
            text: format!("\"use strict\";{before}\n{text}"),
            lines_before: 1,
        };
        let mut parts = vec![ScriptPart::prelude("indexing", PRELUDE)];
        for (name, text) in &definition.additional_sources {
            parts.push(part(&format!("source {name}"), "", text));
        }
        for (number, text) in definition.maps.iter().enumerate() {
            if translated.maps[number].is_none() {
                let begin = format!("beginMap({number});");
                parts.push(part(&format!("map {}", number + 1), &begin, text));
            }
        }
        if let Some(text) = reduce {
            parts.push(part("reduce", "", text));
        }
        Functions {
            scripts: Arc::clone(&self.scripts),
            clock: Arc::clone(&self.clock),
            program: Arc::new(ScriptProgram { parts }),
        }
    }
}

/// The functions of one index.
struct Functions {
    scripts: Arc<DatabaseScripts>,
    clock: Arc<dyn Clock>,
    program: Arc<ScriptProgram>,
}

impl Functions {
    fn call<T: serde::de::DeserializeOwned>(&self, input: &Value) -> Result<T> {
        self.call_with_text(input.to_string())
    }

    fn call_with_text<T: serde::de::DeserializeOwned>(&self, input: String) -> Result<T> {
        let answer = self.answer(input.clone())?;
        read(&restore_texts(&input, answer))
    }

    /// What the functions answer, as the engine wrote it.
    fn answer(&self, input: String) -> Result<String> {
        let call = ScriptCall {
            program: Arc::clone(&self.program),
            input,
            now: self.clock.now(),
        };
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(self.scripts.call(call))
        })
    }

    /// Calls for several inputs at once; what became of each is read with its own numbers.
    fn call_together<T: serde::de::DeserializeOwned>(
        &self,
        operation: &str,
        list: &str,
        inputs: &[String],
    ) -> Result<Vec<Option<T>>> {
        let text = format!("{{{operation},\"{list}\":[{}]}}", inputs.join(","));
        let answer = self.answer(text.clone())?;
        if carries_all(&text, &answer) {
            return read(&answer);
        }
        let answers: Vec<&RawValue> = read(&answer)?;
        let answers = inputs.iter().zip(answers);
        answers
            .map(|(input, it)| read(&restore_texts(input, it.get().to_owned())))
            .collect()
    }
}

fn read<'a, T: Deserialize<'a>>(answer: &'a str) -> Result<T> {
    serde_json::from_str(answer).map_err(|reason| {
        Error::new(
            ErrorKind::Internal,
            format!("an index function answered badly: {reason}"),
        )
    })
}

struct ScriptMap {
    functions: Arc<Functions>,
    number: usize,
    collection: Option<CollectionName>,
    /// What it sees of documents, if not all.
    members: Option<BTreeSet<String>>,
    /// What was mapped ahead, by document key and etag: a step that failed may leave some behind.
    prepared: Mutex<HashMap<(Bytes, Etag), Vec<Object>>>,
    /// Whether there is no use in mapping ahead, as with maps that load documents.
    is_asked_alone: AtomicBool,
}

impl ScriptMap {
    /// Maps documents by one call; those that load others or fail are left out.
    fn map_together(&self, documents: &[&StoredDocument]) -> Result<Vec<Option<Vec<Object>>>> {
        let operation = format!(r#""operation":"maps","map":{}"#, self.number);
        let texts = documents.iter().map(|document| {
            let mut text = Vec::with_capacity(document.byte_count() + 192);
            match &self.members {
                Some(members) => document.write_members_json(members, &mut text)?,
                None => document.write_json(&mut text),
            }
            String::from_utf8(text)
                .map_err(|_| Error::corrupted("a document's metadata is not UTF-8"))
        });
        let texts = texts.collect::<Result<Vec<_>>>()?;
        self.functions
            .call_together(&operation, "documents", &texts)
    }
}

#[derive(Deserialize)]
struct Mapped {
    entries: Vec<Object>,
    needs: Vec<String>,
    references: Vec<Referred>,
}

#[derive(Deserialize)]
struct Referred {
    id: String,
    collection: Option<String>,
}

impl ObjectMap for ScriptMap {
    fn collection(&self) -> Option<&CollectionName> {
        self.collection.as_ref()
    }

    fn prepare(&self, documents: &[&StoredDocument]) {
        let mut prepared = HashMap::with_capacity(documents.len());
        let mut rest = documents;
        while rest.len() > 1 && !self.is_asked_alone.load(Ordering::Relaxed) {
            let mut bytes = 0;
            let fits = |it: &&&StoredDocument| {
                bytes += it.byte_count();
                bytes < TOGETHER_BYTES
            };
            let count = rest.iter().take(TOGETHER).take_while(fits).count().max(1);
            let (together, behind) = rest.split_at(count);
            rest = behind;
            // What fails here is mapped alone, where it is told which document it is.
            let Ok(mapped) = self.map_together(together) else {
                // It took too much time or memory, and would again.
                self.is_asked_alone.store(true, Ordering::Relaxed);
                break;
            };
            let before = prepared.len();
            for (document, entries) in together.iter().zip(mapped) {
                prepared.extend(entries.map(|it| (version_of(document), it)));
            }
            if prepared.len() == before {
                self.is_asked_alone.store(true, Ordering::Relaxed);
            }
        }
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = prepared;
    }

    fn map(&self, document: &StoredDocument, loads: &mut Loads) -> Result<Vec<Object>> {
        let prepared = self.prepared.lock();
        let prepared = prepared
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&version_of(document));
        if let Some(entries) = prepared {
            return Ok(entries);
        }
        let mut text = Vec::with_capacity(document.byte_count() + 192);
        document.write_json(&mut text);
        let document: Value = serde_json::from_slice(&text)
            .map_err(|reason| Error::corrupted(format!("'{}': {reason}", document.id())))?;
        let mut known = Object::new();
        for _ in 0..MAX_LOAD_ROUNDS {
            let mapped: Mapped = self.functions.call(&json!({
                "operation": "map",
                "map": self.number,
                "document": document,
                "known": known,
            }))?;
            for referred in &mapped.references {
                let collection = referred.collection.as_deref();
                let collection = collection.map(CollectionName::new).transpose()?;
                loads.refer(&referred.id, collection.as_ref());
            }
            if mapped.needs.is_empty() {
                return Ok(mapped.entries);
            }
            let mut is_complete = true;
            for id in mapped.needs.clone() {
                match loads.texts().find(&to_id_key(&id)) {
                    Some(found) => {
                        let found = found.filter(|_| !is_elsewhere(&mapped.references, &id, loads));
                        let found = found.map_or(Ok(Value::Null), serde_json::from_str);
                        let found = found.map_err(|reason| Error::corrupted(reason.to_string()))?;
                        known.insert(id.to_lowercase(), found);
                    }
                    None => {
                        loads.miss(&id);
                        is_complete = false;
                    }
                }
            }
            if !is_complete {
                return Ok(Vec::new());
            }
        }
        Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("documents are loaded through more than {MAX_LOAD_ROUNDS} others"),
        ))
    }
}

/// Whether a document is not in the collection that a map loads it from. Only that collection is
/// followed, so an index that saw it would depend on what it does not hear of.
fn is_elsewhere(references: &[Referred], id: &str, loads: &Loads) -> bool {
    let same = references.iter().filter(|it| it.id == id);
    let collections = same.filter_map(|it| it.collection.as_deref());
    let mut collections = collections.filter_map(|it| CollectionName::new(it).ok());
    collections.any(|it| loads.texts().is_elsewhere(&to_id_key(id), &it))
}

struct ScriptReduce(Arc<Functions>);

fn version_of(document: &StoredDocument) -> (Bytes, Etag) {
    (document.key().clone(), document.etag())
}

#[derive(Deserialize)]
struct Key {
    key: Value,
}

impl ObjectReduce for ScriptReduce {
    fn key(&self, input: &Object) -> Result<Value> {
        self.0.call(&json!({ "operation": "key", "entry": input }))
    }

    fn keys(&self, inputs: &[Object]) -> Vec<Result<Value>> {
        let mut keys = Vec::with_capacity(inputs.len());
        for together in inputs.chunks(2 * TOGETHER) {
            let texts = together.iter().map(|it| json!(it).to_string());
            let texts: Vec<String> = texts.collect();
            let operation = r#""operation":"keys""#;
            // What fails here is asked for alone, where it is told why.
            let found = self.0.call_together::<Key>(operation, "entries", &texts);
            let found = found.unwrap_or_default();
            let found = found.into_iter().chain(std::iter::repeat_with(|| None));
            for (input, found) in together.iter().zip(found) {
                keys.push(found.map_or_else(|| self.key(input), |it| Ok(it.key)));
            }
        }
        keys
    }

    fn reduce(&self, key: &Value, inputs: &[Object]) -> Result<Object> {
        self.0
            .call(&json!({ "operation": "reduce", "key": key, "values": inputs }))
    }

    fn reduce_texts(&self, key: &Value, inputs: &[&str]) -> Result<Object> {
        let values = inputs.join(",");
        let text = format!(r#"{{"operation":"reduce","key":{key},"values":[{values}]}}"#);
        self.0.call_with_text(text)
    }
}
