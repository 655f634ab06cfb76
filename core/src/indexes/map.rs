//! Maps: how a document becomes entries of an index, or inputs of a reduce.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::field_path::{FieldPath, FieldReader};
use super::follow::ALL_DOCUMENTS;
use super::{FieldKey, FieldKind, FieldValue, SpatialPaths};
use crate::Result;
use crate::document::{CollectionName, StoredDocument, to_id_key};
use crate::storage::{MaybeSend, MaybeSync};

/// An object that a map or reduce function makes.
pub type Object = Map<String, Value>;

/// A map function in a form that can be run.
///
/// It is handed one document at a time and must depend on nothing but that document and what it
/// loads through `loads`. It never waits: a document that is loaded and not at hand counts as
/// missing for now, and the map is run again once it was fetched.
pub trait ObjectMap: MaybeSend + MaybeSync {
    /// The collection it reads; `None` for all documents.
    fn collection(&self) -> Option<&CollectionName>;

    /// Tells which documents [`Self::map`] is going to be handed next, for maps that are quicker with
    /// many at once. What goes wrong here shows there.
    fn prepare(&self, _documents: &[&StoredDocument]) {}

    /// The outputs for a document: none, one, or more for a fan-out.
    ///
    /// # Errors
    /// Why the document cannot be mapped; it is recorded, and the document left out.
    fn map(&self, document: &StoredDocument, loads: &mut Loads) -> Result<Vec<Object>>;
}

/// A reduce function in a form that can be run. Its results have the shape of its inputs, and it
/// may be run over results again, in any grouping.
pub trait ObjectReduce: MaybeSend + MaybeSync {
    /// What an input is grouped by: equal values of it are one group.
    ///
    /// # Errors
    /// Why it cannot be told; the document is recorded as failed.
    fn key(&self, input: &Object) -> Result<Value>;

    /// As [`Self::key`] of each input.
    fn keys(&self, inputs: &[Object]) -> Vec<Result<Value>> {
        inputs.iter().map(|it| self.key(it)).collect()
    }

    /// The result of a group, or of a part of it. `inputs` is never empty.
    ///
    /// # Errors
    /// Why it failed; it is recorded and the group left out.
    fn reduce(&self, key: &Value, inputs: &[Object]) -> Result<Object>;

    /// As [`Self::reduce`], of inputs as JSON; for reduces that need not take them apart.
    ///
    /// # Errors
    /// As [`Self::reduce`]; `Corrupted` when an input is no object.
    fn reduce_texts(&self, key: &Value, inputs: &[&str]) -> Result<Object> {
        let inputs: Vec<Object> = inputs
            .iter()
            .map(|it| {
                serde_json::from_str(it).map_err(|reason| {
                    crate::Error::corrupted(format!("an input of a reduce: {reason}"))
                })
            })
            .collect::<Result<_>>()?;
        self.reduce(key, &inputs)
    }
}

/// The maps and the reduce of an index, ready to run.
#[derive(Clone)]
pub struct CompiledIndex {
    /// At least one.
    pub maps: Vec<CompiledMap>,
    /// For map-reduce.
    pub reduce: Option<Arc<dyn ObjectReduce>>,
}

/// One map.
#[derive(Clone)]
pub enum CompiledMap {
    /// Fields taken from the document as they stand.
    Fields(Arc<FieldsMap>),
    /// Objects that are computed.
    Objects(Arc<dyn ObjectMap>),
}

impl CompiledMap {
    /// The collection it reads; `None` for all documents.
    pub fn collection(&self) -> Option<&CollectionName> {
        match self {
            Self::Fields(map) => map.collection.as_ref(),
            Self::Objects(map) => map.collection(),
        }
    }
}

/// Turns definitions that clients send into maps that can be run. The host lends one that knows
/// the languages it has engines for.
pub trait IndexCompiler: MaybeSend + MaybeSync {
    /// Compiles a definition.
    ///
    /// # Errors
    /// `InvalidRequest` that names the place, or `Unsupported`.
    fn compile(&self, definition: &super::IndexDefinition) -> Result<CompiledIndex>;
}

/// A compiler that knows no language; automatic indexes need none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCompiler;

impl IndexCompiler for NoCompiler {
    fn compile(&self, definition: &super::IndexDefinition) -> Result<CompiledIndex> {
        Err(crate::Error::new(
            crate::ErrorKind::Unsupported,
            format!(
                "the index '{}' cannot be compiled: this host has no engine for index functions",
                definition.name
            ),
        ))
    }
}

/// The map of an automatic index: the values of paths.
#[derive(Debug)]
pub struct FieldsMap {
    /// The collection it reads; `None` for all documents.
    pub collection: Option<CollectionName>,
    /// The fields, in the order of [`Self::read`]'s values.
    pub fields: Vec<FieldKey>,
    body: FieldReader,
    /// For each field, its places among the values of the body or of the metadata: of a point two.
    places: Vec<Vec<(bool, usize)>>,
    metadata: FieldReader,
}

impl FieldsMap {
    /// A map of `fields`, whose names are paths.
    ///
    /// # Errors
    /// `InvalidRequest` for a malformed path.
    pub fn new(collection: Option<CollectionName>, fields: &BTreeSet<FieldKey>) -> Result<Self> {
        let (mut body, mut metadata) = (Vec::<FieldPath>::new(), Vec::<FieldPath>::new());
        let mut places = Vec::new();
        for field in fields {
            let of_shape = match field.kind {
                FieldKind::Spatial => Some(SpatialPaths::parse(&field.name)?),
                _ => None,
            };
            let names = match &of_shape {
                Some(paths) => paths.paths(),
                None => vec![field.name.as_str()],
            };
            let mut of_field = Vec::with_capacity(names.len());
            for name in names {
                let path = FieldPath::parse(name)?;
                let within = path.in_metadata();
                let is_metadata = within.is_some();
                let (paths, path) = match within {
                    Some(within) => (&mut metadata, within),
                    None => (&mut body, path),
                };
                let known = paths.iter().position(|it| *it == path);
                of_field.push((is_metadata, known.unwrap_or(paths.len())));
                if known.is_none() {
                    paths.push(path);
                }
            }
            places.push(of_field);
        }
        Ok(Self {
            collection,
            fields: fields.iter().cloned().collect(),
            body: FieldReader::new(&body),
            places,
            metadata: FieldReader::new(&metadata),
        })
    }

    /// The values of a document, one list for each field.
    ///
    /// # Errors
    /// `Corrupted` when the document is not JSON.
    pub fn read(&self, document: &StoredDocument) -> Result<Vec<Vec<FieldValue>>> {
        let mut body = self.body.read(document.body())?;
        let mut metadata = if self.metadata.count() == 0 {
            Vec::new()
        } else {
            let mut text = Vec::new();
            document.write_metadata_object(&mut text);
            let text = std::str::from_utf8(&text)
                .map_err(|_| crate::Error::corrupted("a document's metadata is not UTF-8"))?;
            self.metadata.read(text)?
        };
        let mut take = |(is_metadata, place): (bool, usize), is_last: bool| {
            let from = if is_metadata {
                &mut metadata
            } else {
                &mut body
            };
            // Several fields share a place; the last one may take the values.
            if is_last {
                std::mem::take(&mut from[place])
            } else {
                from[place].clone()
            }
        };
        let mut values = Vec::with_capacity(self.places.len());
        for (number, places) in self.places.iter().enumerate() {
            let later = &self.places[number + 1..];
            let is_last = |place| !later.iter().any(|it| it.contains(place));
            values.push(match places.as_slice() {
                [place] => take(*place, is_last(place)),
                places => by_turns(places.iter().map(|it| take(*it, false)).collect())?,
            });
        }
        Ok(values)
    }
}

/// The first of each list, the second of each, and so on.
fn by_turns(lists: Vec<Vec<FieldValue>>) -> Result<Vec<FieldValue>> {
    let length = lists.first().map_or(0, Vec::len);
    if lists.iter().any(|it| it.len() != length) {
        return Err(crate::Error::invalid(
            "a spatial field has another number of latitudes than of longitudes",
        ));
    }
    let at = |at: usize| lists.iter().map(move |it| it[at].clone());
    Ok((0..length).flat_map(at).collect())
}

/// What maps load while they run.
#[derive(Debug, Default)]
pub struct Loads {
    at_hand: LoadedTexts,
    missing: BTreeSet<Bytes>,
    referenced: BTreeSet<(String, Bytes)>,
}

/// Documents that maps asked for, as clients read them.
#[derive(Debug, Default)]
pub struct LoadedTexts {
    by_key: HashMap<Bytes, Option<LoadedText>>,
}

#[derive(Debug)]
struct LoadedText {
    collection: String,
    text: String,
}

impl LoadedTexts {
    /// The text of a document by its key: `None` when it is not at hand, `Some(None)` when there
    /// is none.
    pub fn find(&self, key: &Bytes) -> Option<Option<&str>> {
        let found = self.by_key.get(key)?.as_ref();
        Some(found.map(|it| it.text.as_str()))
    }

    /// Whether the document is at hand, and in another collection than `collection`.
    pub fn is_elsewhere(&self, key: &Bytes, collection: &CollectionName) -> bool {
        let found = self.by_key.get(key).and_then(Option::as_ref);
        found.is_some_and(|it| {
            CollectionName::new(it.collection.as_str()).is_ok_and(|it| it.key() != collection.key())
        })
    }
}

impl Loads {
    /// What is at hand.
    pub fn texts(&self) -> &LoadedTexts {
        &self.at_hand
    }

    /// Remembers that the document in work refers to `id`, which is said to be in `collection`.
    pub fn refer(&mut self, id: &str, collection: Option<&CollectionName>) {
        if !id.is_empty() {
            let collection = collection.map_or(ALL_DOCUMENTS, CollectionName::key);
            self.referenced
                .insert((collection.to_owned(), to_id_key(id)));
        }
    }

    /// Asks for a document that is not at hand; the map is run again when it is.
    pub fn miss(&mut self, id: &str) {
        self.missing.insert(to_id_key(id));
    }

    /// Takes what the document in work referred to: collection and key.
    pub(crate) fn take_referenced(&mut self) -> BTreeSet<(String, Bytes)> {
        std::mem::take(&mut self.referenced)
    }

    /// What the document in work referred to.
    pub(crate) fn referenced(&self) -> &BTreeSet<(String, Bytes)> {
        &self.referenced
    }

    /// Takes what was asked for and not at hand.
    pub(crate) fn take_missing(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.missing).into_iter().collect()
    }

    /// Puts a document at hand, or the knowledge that there is none.
    pub(crate) fn put(&mut self, key: Bytes, document: Option<&StoredDocument>) {
        let text = document.map(|document| {
            let mut text = Vec::with_capacity(document.byte_count() + 192);
            document.write_json(&mut text);
            LoadedText {
                collection: document.collection().to_owned(),
                text: String::from_utf8(text).unwrap_or_default(),
            }
        });
        self.at_hand.by_key.insert(key, text);
    }
}
