//! The checks after a restart: full reads against what the writers know, against each other and
//! against the counts the server keeps.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::client::{Client, document_id, etag_of};
use crate::content::{collection_of, document};
use crate::history::{Documents, History, Version};
use crate::writer::{COUNTER, Shared, prefix};

/// What a check read and found.
#[derive(Debug, Default)]
pub struct Found {
    /// Documents read and compared with what was written.
    pub documents: u64,
    /// Open operations that turned out to have been done.
    pub open_done: u64,
    /// The value of the shared counter.
    pub counter: u64,
}

/// Checks the whole database and takes what was found as the writers' new state.
///
/// # Errors
/// Anything acknowledged is missing, anything is there by half, or reads, counts and etags do
/// not agree.
pub fn check_database(
    client: &Client,
    histories: &mut [History],
    shared: &Shared,
) -> Result<Found> {
    let newest_first = client.read_newest_first()?;
    let etags = check_etags(histories, &newest_first)?;
    check_counts(&client.collection_counts()?, &newest_first)?;

    let mut found = Found::default();
    for history in histories.iter_mut() {
        let documents = read_writer(client, history.writer)?;
        found.documents += documents.len() as u64;
        found.open_done += u64::from(history.settle(documents)?);
    }
    let (value, counter_etag) = check_counter(client, shared)?;
    found.counter = value;
    found.documents += 1;

    // By etag and by id the same documents must be there.
    let by_id = histories.iter().flat_map(|history| &history.documents);
    let mut count = 1;
    for (id, version) in by_id {
        count += 1;
        if etags.get(id) != version.etag.as_ref() {
            bail!(
                "{id} is {version:?} by id and etag {:?} in etag order",
                etags.get(id)
            );
        }
    }
    if etags.get(COUNTER) != Some(&counter_etag) || etags.len() != count {
        bail!("{} documents in etag order, {count} by id", etags.len());
    }

    let highest = etags.values().copied().max().unwrap_or_default();
    let highest = histories
        .iter()
        .map(|history| history.highest_etag)
        .fold(highest, u64::max);
    for history in histories {
        history.highest_etag = highest;
    }
    Ok(found)
}

/// Etags fall strictly in the order newest first, and no two answers shared one.
fn check_etags(histories: &mut [History], newest_first: &[Value]) -> Result<BTreeMap<String, u64>> {
    let mut answered: Vec<u64> = Vec::new();
    for history in histories {
        answered.append(&mut history.etags);
    }
    answered.sort_unstable();
    if let Some(pair) = answered.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("etag {} was answered to two writes", pair[0]);
    }

    let mut etags = BTreeMap::new();
    let mut newer = u64::MAX;
    for document in newest_first {
        let id = document_id(document)?;
        let etag = etag_of(&document["@metadata"]["@change-vector"])?;
        if etag >= newer {
            bail!("{id} with etag {etag} comes after etag {newer}, newest first");
        }
        newer = etag;
        if etags.insert(id.to_owned(), etag).is_some() {
            bail!("{id} is there twice in etag order");
        }
    }
    Ok(etags)
}

/// The counts kept incrementally equal those of a full read.
fn check_counts(kept: &Value, documents: &[Value]) -> Result<()> {
    if kept["CountOfDocuments"].as_u64() != Some(documents.len() as u64) {
        bail!(
            "a full read finds {} documents, the counts are {kept}",
            documents.len()
        );
    }
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for document in documents {
        let collection = document["@metadata"]["@collection"]
            .as_str()
            .context("a document without @collection")?;
        *counted.entry(collection).or_default() += 1;
    }
    let kept_collections = kept["Collections"]
        .as_object()
        .with_context(|| format!("no Collections in {kept}"))?;
    for (collection, count) in kept_collections {
        let counted = counted.remove(collection.as_str()).unwrap_or_default();
        if count.as_u64() != Some(counted) {
            bail!("a full read finds {counted} documents of {collection}, the counts are {kept}");
        }
    }
    if let Some((collection, count)) = counted.first_key_value() {
        bail!("a full read finds {count} documents of {collection}, the counts are {kept}");
    }
    Ok(())
}

/// All documents of a writer, each compared in full with what its operation stored.
fn read_writer(client: &Client, writer: usize) -> Result<Documents> {
    let mut documents = Documents::new();
    for mut found in client.read_prefix(&prefix(writer))? {
        let metadata = found
            .as_object_mut()
            .and_then(|object| object.remove("@metadata"))
            .context("a document without metadata")?;
        let id = metadata["@id"].as_str().context("a document without @id")?;
        let serial = found["Serial"]
            .as_u64()
            .with_context(|| format!("{id} has no Serial"))?;
        if found != document(writer, id, serial) {
            bail!("{id} is not what operation {serial} of writer {writer} stored: {found}");
        }
        if metadata["@collection"].as_str() != Some(collection_of(id)) {
            bail!("{id} is in the wrong collection: {metadata}");
        }
        if documents.len() < REVISIONS_COMPARED {
            check_revision(client, id, &found, &metadata["@change-vector"])?;
        }
        let version = Version {
            serial,
            etag: Some(etag_of(&metadata["@change-vector"])?),
        };
        if documents.insert(id.to_owned(), version).is_some() {
            bail!("{id} is there twice in id order");
        }
    }
    Ok(documents)
}

/// Documents of one writer whose newest revisions are read; all are checked by `pinyon verify`,
/// but only a comparison with what was written shows that none was lost with its whole commit.
const REVISIONS_COMPARED: usize = 16;

/// The newest revision of a live document is that very version.
fn check_revision(client: &Client, id: &str, document: &Value, vector: &Value) -> Result<()> {
    let mut revision = client.newest_revision(id)?;
    let metadata = revision
        .as_object_mut()
        .and_then(|object| object.remove("@metadata"))
        .with_context(|| format!("{id} has no revision"))?;
    if metadata["@change-vector"] != *vector || revision != *document {
        bail!("{id} has version {vector}, its newest revision is {metadata}");
    }
    Ok(())
}

/// The counter shows every acknowledged increment and no more than were sent; returns its
/// value and etag.
fn check_counter(client: &Client, shared: &Shared) -> Result<(u64, u64)> {
    let answer = client.get(COUNTER)?;
    let counter = &answer.body["Results"][0];
    let value = counter["Value"]
        .as_u64()
        .with_context(|| format!("the counter is {}: {}", answer.status, answer.body))?;
    let acknowledged = shared.increments.load(Ordering::SeqCst);
    let open = shared.open_increments.load(Ordering::SeqCst);
    if value < acknowledged || value > acknowledged + open {
        bail!(
            "the counter is {value} after {acknowledged} acknowledged and {open} open increments"
        );
    }
    Ok((value, etag_of(&counter["@metadata"]["@change-vector"])?))
}
