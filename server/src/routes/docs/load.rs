//! Loading documents by id, with what they refer to.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use pinyon_core::document::{IncludePath, ServedDocument, StoredDocument, to_id_key};
use pinyon_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::Xxh3;

use super::revision_includes::{IncludedRevision, RevisionIncludes, push_included_revisions};
use super::{json_bytes, share_documents, text_bytes};
use crate::databases::OpenDatabase;
use crate::http::{
    Call, JsonPieces, QueryString, Reply, empty, etag_value, json_with_etag, not_modified, unescape,
};

/// What is asked for.
#[derive(Default)]
pub struct LoadQuery<'a> {
    /// The ids, as often as they were given.
    pub ids: Vec<Cow<'a, str>>,
    includes: Vec<IncludePath>,
    metadata_only: bool,
    revisions: RevisionIncludes,
}

impl<'a> LoadQuery<'a> {
    /// Reads the query string.
    ///
    /// # Errors
    /// `InvalidRequest` for a malformed value, `Unsupported` for includes of other things.
    pub fn parse(query: QueryString<'a>) -> Result<Self> {
        let mut parsed = Self::default();
        for (name, value) in query.pairs() {
            match to_lower_case(name).as_ref() {
                "id" => parsed.ids.push(unescape(name, value)?),
                "include" if value.is_empty() => {}
                "include" => {
                    parsed
                        .includes
                        .push(IncludePath::parse(&unescape(name, value)?)?);
                }
                "metadataonly" => parsed.metadata_only = !value.eq_ignore_ascii_case("false"),
                "revisions" => parsed.revisions.add_path(&unescape(name, value)?)?,
                "revisionsbefore" => parsed.revisions.add_moment(&unescape(name, value)?)?,
                "counter" | "timeseries" | "timeseriestime" | "timeseriescount" | "cmpxchg" => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!("including by '{name}' is not implemented yet"),
                    ));
                }
                "txmode" if value.eq_ignore_ascii_case("ClusterWide") => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        "cluster-wide transactions are not implemented yet",
                    ));
                }
                _ => {}
            }
        }
        Ok(parsed)
    }
}

/// Names in query strings are the same in any case, as [`QueryString`] has it.
fn to_lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// What was found, from one snapshot.
struct Loaded {
    documents: Vec<Option<ServedDocument>>,
    included: Vec<(String, Option<StoredDocument>)>,
    revisions: Vec<IncludedRevision>,
}

/// Answers a load.
pub async fn load(call: &Call<'_>, query: LoadQuery<'_>) -> Reply {
    let database = call.open_database().await?;
    let is_plain = query.includes.is_empty() && query.revisions.is_empty();
    if let ([id], true) = (query.ids.as_slice(), is_plain) {
        return load_one(call, &database, id, query.metadata_only).await;
    }
    let loaded = read(&database, &query).await?;
    if query.ids.len() == 1 && loaded.documents[0].is_none() {
        return Ok(empty(StatusCode::NOT_FOUND));
    }
    let tag = hash(&query, &loaded);
    let etag = etag_value(&tag)?;
    if call.has_already(&tag) {
        return Ok(not_modified(etag));
    }
    let documents = || loaded.documents.iter().map(Option::as_ref);
    let included = || loaded.included.iter().map(|(_, it)| it.as_deref());
    let revision_bytes = json_bytes(loaded.revisions.iter().map(|it| Some(&*it.revision)));
    let byte_count = json_bytes(documents()) + json_bytes(included()) + revision_bytes;
    call.server.check_response_bytes(byte_count)?;
    let text_bytes = text_bytes(documents()) + text_bytes(included()) + revision_bytes;
    let mut json = JsonPieces::with_capacity(text_bytes + 64);
    json.text().extend_from_slice(b"{\"Results\":[");
    share_documents(documents(), query.metadata_only, &mut json);
    json.text().extend_from_slice(b"],\"Includes\":{");
    push_includes(&loaded.included, query.metadata_only, &mut json);
    json.text().push(b'}');
    if !query.revisions.is_empty() {
        push_included_revisions(&loaded.revisions, json.text());
    }
    json.text().push(b'}');
    Ok(json_with_etag(json, etag))
}

async fn load_one(
    call: &Call<'_>,
    database: &OpenDatabase,
    id: &str,
    metadata_only: bool,
) -> Reply {
    let Some(document) = database.read().await?.served_document(id).await? else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let etag = etag_value(document.change_vector())?;
    if call.has_already(document.change_vector()) {
        return Ok(not_modified(etag));
    }
    let mut json = JsonPieces::with_capacity(text_bytes([Some(&document)]) + 32);
    json.text().extend_from_slice(b"{\"Results\":[");
    share_documents([Some(&document)], metadata_only, &mut json);
    json.text().extend_from_slice(b"],\"Includes\":{}}");
    Ok(json_with_etag(json, etag))
}

async fn read(database: &OpenDatabase, query: &LoadQuery<'_>) -> Result<Loaded> {
    // Each id once, in the order of the first of its kind.
    let mut seen = HashSet::with_capacity(query.ids.len());
    let ids: Vec<&str> = query
        .ids
        .iter()
        .map(AsRef::as_ref)
        .filter(|id: &&str| seen.insert(to_id_key(id)))
        .collect();
    let transaction = database.read().await?;
    if query.includes.is_empty() && query.revisions.is_empty() {
        return Ok(Loaded {
            documents: transaction.served_documents(&ids).await?,
            included: Vec::new(),
            revisions: Vec::new(),
        });
    }
    let documents = transaction.documents(&ids).await?;
    let included = if query.includes.is_empty() {
        Vec::new()
    } else {
        let found: Vec<&StoredDocument> = documents.iter().flatten().collect();
        transaction.includes(&found, &query.includes).await?
    };
    let revisions = query.revisions.find(&transaction, &documents).await?;
    let documents = documents.into_iter().map(|it| it.map(Into::into));
    Ok(Loaded {
        documents: documents.collect(),
        included,
        revisions,
    })
}

/// A tag that differs whenever the response would.
fn hash(query: &LoadQuery<'_>, loaded: &Loaded) -> String {
    let mut hash = Xxh3::new();
    let mut add = |text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(if query.metadata_only {
        "metadata"
    } else {
        "documents"
    });
    let missing = "";
    for document in &loaded.documents {
        add(document.as_ref().map_or(missing, |it| it.id()));
        add(document.as_ref().map_or(missing, |it| it.change_vector()));
    }
    for (id, document) in &loaded.included {
        add(id);
        add(document.as_ref().map_or(missing, |it| it.change_vector()));
    }
    for included in &loaded.revisions {
        add(included.revision.id());
        add(included.revision.change_vector());
    }
    format!("Hash-{}", STANDARD.encode(hash.digest128().to_be_bytes()))
}

fn push_includes(
    included: &[(String, Option<StoredDocument>)],
    metadata_only: bool,
    json: &mut JsonPieces,
) {
    for (index, (id, document)) in included.iter().enumerate() {
        if index > 0 {
            json.text().push(b',');
        }
        serde_json::to_writer(json.text(), id).expect("a Vec takes any text");
        json.text().push(b':');
        share_documents([document.as_deref()], metadata_only, json);
    }
}
