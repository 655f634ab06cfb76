//! Indexes whose functions are WebAssembly: `docs/webassembly-maps.md` says what they look like.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinyon_core::document::{CollectionName, StoredDocument};
use pinyon_core::host::Clock;
use pinyon_core::indexes::{
    CompiledIndex, CompiledMap, IndexDefinition, Loads, Object, ObjectMap, ObjectReduce,
};
use pinyon_core::{Error, Result};
use serde_json::{Value, json};

use super::module::IndexModule;
use super::runtime::ScriptRuntime;

const WORD: &str = "webassembly";

/// Whether a definition's functions are modules.
pub(super) fn is_of_modules(definition: &IndexDefinition) -> bool {
    let texts = definition.maps.iter().chain(&definition.reduce);
    texts
        .into_iter()
        .any(|it| it.trim_start().starts_with(WORD))
}

/// Compiles a definition whose functions are modules.
pub(super) fn compile(
    definition: &IndexDefinition,
    runtime: &Arc<ScriptRuntime>,
    clock: &Arc<dyn Clock>,
) -> Result<CompiledIndex> {
    let mut maps = Vec::with_capacity(definition.maps.len());
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in &definition.maps {
        let (collection, source, function) = match arguments(text)?.as_slice() {
            [collection, source] => (collection.clone(), source.clone(), "map".to_owned()),
            [collection, source, function] => {
                (collection.clone(), source.clone(), function.clone())
            }
            _ => {
                return Err(Error::invalid(
                    "a map is webassembly('Collection', 'source') or \
                     webassembly('Collection', 'source', 'function')",
                ));
            }
        };
        wanted
            .entry(source.clone())
            .or_default()
            .insert(function.clone());
        maps.push((collection, source, function));
    }
    let reduce = definition
        .reduce
        .as_deref()
        .filter(|it| !it.trim().is_empty());
    let reduce = reduce.map(|text| match arguments(text)?.as_slice() {
        [source] => Ok(source.clone()),
        _ => Err(Error::invalid("a reduce is webassembly('source')")),
    });
    let reduce = reduce.transpose()?;
    if let Some(source) = &reduce {
        let functions = wanted.entry(source.clone()).or_default();
        functions.extend(["key", "reduce"].map(str::to_owned));
    }
    let modules = compile_sources(definition, &wanted, runtime, clock)?;
    let find = |source: &str| Arc::clone(&modules[source]);
    let maps = maps
        .into_iter()
        .map(|(collection, source, function)| {
            let collection = match collection.as_str() {
                "@all_docs" => None,
                name => Some(CollectionName::new(name)?),
            };
            Ok(CompiledMap::Objects(Arc::new(ModuleMap {
                functions: find(&source),
                collection,
                function,
            }) as Arc<dyn ObjectMap>))
        })
        .collect::<Result<Vec<_>>>()?;
    let reduce =
        reduce.map(|source| Arc::new(ModuleReduce(find(&source))) as Arc<dyn ObjectReduce>);
    Ok(CompiledIndex { maps, reduce })
}

fn compile_sources(
    definition: &IndexDefinition,
    wanted: &BTreeMap<String, BTreeSet<String>>,
    runtime: &Arc<ScriptRuntime>,
    clock: &Arc<dyn Clock>,
) -> Result<BTreeMap<String, Arc<Functions>>> {
    let mut modules = BTreeMap::new();
    for (source, functions) in wanted {
        let named = |reason: &str| Error::invalid(format!("the source '{source}': {reason}"));
        let text = find_source(definition, source)
            .ok_or_else(|| named("it is not among AdditionalSources"))?;
        let bytes = STANDARD
            .decode(text.trim())
            .map_err(|reason| named(&format!("it is not base64: {reason}")))?;
        let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
        let module = block_on(IndexModule::new(runtime, &bytes, &functions));
        let module = module.map_err(|error| named(error.message()))?;
        let functions = Functions {
            runtime: Arc::clone(runtime),
            clock: Arc::clone(clock),
            module,
        };
        modules.insert(source.clone(), Arc::new(functions));
    }
    Ok(modules)
}

/// A source by its name, or, because a client changes the case of names, the only one that has
/// this name in another case.
fn find_source<'a>(definition: &'a IndexDefinition, name: &str) -> Option<&'a String> {
    let sources = &definition.additional_sources;
    let mut alike = sources.iter().filter(|it| it.0.eq_ignore_ascii_case(name));
    sources
        .get(name)
        .or_else(|| match (alike.next(), alike.next()) {
            (Some((_, text)), None) => Some(text),
            _ => None,
        })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

/// The quoted arguments of `webassembly(…)`.
fn arguments(text: &str) -> Result<Vec<String>> {
    let malformed = || {
        Error::invalid(format!(
            "'{}' is not {WORD}(…) with texts in quotes; all functions of an index are \
             WebAssembly, or none",
            text.chars().take(60).collect::<String>()
        ))
    };
    let text = text.trim().trim_end_matches(';');
    let inside = text.strip_prefix(WORD).map(str::trim_start);
    let inside = inside.and_then(|it| it.strip_prefix('(')?.trim_end().strip_suffix(')'));
    let inside = inside.ok_or_else(malformed)?;
    inside
        .split(',')
        .map(|part| {
            let part = part.trim();
            let unquoted = ['\'', '"']
                .into_iter()
                .find_map(|quote| part.strip_prefix(quote)?.strip_suffix(quote));
            unquoted
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
                .ok_or_else(malformed)
        })
        .collect()
}

/// The functions of one module.
struct Functions {
    runtime: Arc<ScriptRuntime>,
    clock: Arc<dyn Clock>,
    module: IndexModule,
}

impl Functions {
    fn call(&self, function: &str, input: &str) -> Result<Value> {
        let now = self.clock.now();
        let answer = block_on(self.module.call(&self.runtime, function, input, now))?;
        serde_json::from_str(&answer)
            .map_err(|reason| Error::invalid(format!("the module answered no JSON: {reason}")))
    }
}

struct ModuleMap {
    functions: Arc<Functions>,
    collection: Option<CollectionName>,
    function: String,
}

impl ObjectMap for ModuleMap {
    fn collection(&self) -> Option<&CollectionName> {
        self.collection.as_ref()
    }

    fn map(&self, document: &StoredDocument, _: &mut Loads) -> Result<Vec<Object>> {
        let mut text = Vec::with_capacity(document.byte_count() + 192);
        document.write_json(&mut text);
        let text = std::str::from_utf8(&text)
            .map_err(|_| Error::corrupted("a document's metadata is not UTF-8"))?;
        let made = match self.functions.call(&self.function, text)? {
            Value::Null => Vec::new(),
            Value::Array(items) => items,
            other => vec![other],
        };
        made.into_iter().map(to_object).collect()
    }
}

fn to_object(value: Value) -> Result<Object> {
    match value {
        Value::Object(object) => Ok(object),
        other => Err(Error::invalid(format!(
            "the module made no object but {other}"
        ))),
    }
}

struct ModuleReduce(Arc<Functions>);

impl ObjectReduce for ModuleReduce {
    fn key(&self, input: &Object) -> Result<Value> {
        let input = serde_json::to_string(input).expect("objects have text keys");
        self.0.call("key", &input)
    }

    fn reduce(&self, key: &Value, inputs: &[Object]) -> Result<Object> {
        let input = json!({ "key": key, "values": inputs }).to_string();
        self.0.call("reduce", &input).and_then(to_object)
    }
}
