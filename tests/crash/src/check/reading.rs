//! Everything a check reads, each document compared in full with what its operation stored.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use pinyon_core::host::Timestamp;
use serde_json::Value;

use crate::client::{Client, Downloaded, etag_of};
use crate::content::{Attached, CONTENT_TYPE, NAMES, Times, collection_of, document};
use crate::history::History;
use crate::state::{Attachments, Documents, Found, Revision, Version};
use crate::writer::{COUNTER, prefix};

/// What was read of a database.
pub(super) struct Reading {
    pub(super) newest_first: Vec<Value>,
    pub(super) counts: Value,
    pub(super) statistics: Value,
    pub(super) counter: Value,
    pub(super) counter_revisions: u64,
    /// In the order of the histories.
    pub(super) writers: Vec<Found>,
    /// Attachments read, or found to be gone.
    pub(super) attachments: u64,
}

impl Reading {
    /// Reads all documents, and the revisions and attachments of those chosen. `None` if an
    /// attachment went meanwhile.
    pub(super) fn take(
        client: &Client,
        histories: &[History],
        chosen: &[BTreeSet<String>],
    ) -> Result<Option<Self>> {
        let counter = client.get(COUNTER)?;
        let mut reading = Self {
            newest_first: client.read_newest_first()?,
            counts: client.collection_counts()?,
            statistics: client.statistics()?,
            counter: counter.body["Results"][0].clone(),
            counter_revisions: client.revision_count(COUNTER)?,
            writers: Vec::new(),
            attachments: 0,
        };
        // Each on a connection of its own: most of the time is spent waiting.
        let read = std::thread::scope(|scope| {
            let begin =
                |(history, chosen)| scope.spawn(move || read_writer(client, history, chosen));
            let threads: Vec<_> = histories.iter().zip(chosen).map(begin).collect();
            let ends = threads.into_iter().map(|thread| match thread.join() {
                Ok(read) => read,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ends.collect::<Result<Option<Vec<_>>>>()
        })?;
        let Some(read) = read else { return Ok(None) };
        for (found, attachments) in read {
            reading.writers.push(found);
            reading.attachments += attachments;
        }
        Ok(Some(reading))
    }
}

/// All documents of a writer, the revisions of those chosen, and how many attachments were read.
fn read_writer(
    client: &Client,
    history: &History,
    chosen: &BTreeSet<String>,
) -> Result<Option<(Found, u64)>> {
    let documents = read_documents(client, history.writer)?;
    let mut revisions = BTreeMap::new();
    let mut attachments = 0;
    for id in chosen {
        revisions.insert(id.clone(), read_revisions(client, history.writer, id)?);
        if !history.had_attachments(id) {
            continue;
        }
        let listed = documents.get(id).map(|version| &version.attachments);
        let Some(count) = check_attachments(client, id, listed)? else {
            return Ok(None);
        };
        attachments += count;
    }
    let found = Found {
        documents,
        revisions,
    };
    Ok(Some((found, attachments)))
}

/// All documents of a writer.
fn read_documents(client: &Client, writer: usize) -> Result<Documents> {
    let mut documents = Documents::new();
    for mut found in client.read_prefix(&prefix(writer))? {
        let metadata = take_metadata(&mut found)?;
        let id = metadata["@id"].as_str().context("a document without @id")?;
        let serial = check_text(writer, id, &found)?;
        if metadata["@collection"].as_str() != Some(collection_of(id)) {
            bail!("{id} is in the wrong collection: {metadata}");
        }
        let version = Version {
            serial,
            etag: Some(etag_of(&metadata["@change-vector"])?),
            times: Times {
                expires: time(&metadata, "@expires")?,
                refresh: time(&metadata, "@refresh")?,
            },
            attachments: attachments(&metadata)?,
        };
        if documents.insert(id.to_owned(), version).is_some() {
            bail!("{id} is there twice in id order");
        }
    }
    Ok(documents)
}

fn take_metadata(document: &mut Value) -> Result<Value> {
    document
        .as_object_mut()
        .and_then(|object| object.remove("@metadata"))
        .context("a document without metadata")
}

/// The serial of the operation that stored a document, which must be exactly what that stored.
fn check_text(writer: usize, id: &str, found: &Value) -> Result<u64> {
    let serial = found["Serial"]
        .as_u64()
        .with_context(|| format!("{id} has no Serial"))?;
    if *found != document(writer, id, serial) {
        bail!("{id} is not what operation {serial} of writer {writer} stored: {found}");
    }
    Ok(serial)
}

fn time(metadata: &Value, name: &str) -> Result<Option<Timestamp>> {
    match &metadata[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(Timestamp::parse(text)?)),
        other => bail!("{name} is {other}"),
    }
}

/// The list of attachments in the metadata, which must agree with the flags.
fn attachments(metadata: &Value) -> Result<Attachments> {
    let mut attachments = Attachments::new();
    let listed = metadata["@attachments"].as_array();
    for listed in listed.into_iter().flatten() {
        let (Some(name), Some(hash), Some(size)) = (
            listed["Name"].as_str(),
            listed["Hash"].as_str(),
            listed["Size"].as_u64(),
        ) else {
            bail!("an attachment is listed as {listed}");
        };
        if listed["ContentType"] != CONTENT_TYPE {
            bail!("an attachment is listed as {listed}");
        }
        let hash = hash.to_owned();
        let attached = Attached { hash, size };
        if attachments.insert(name.to_owned(), attached).is_some() {
            bail!("the attachment '{name}' is listed twice: {metadata}");
        }
    }
    let flags = metadata["@flags"].as_str().unwrap_or_default();
    if flags.contains("HasAttachments") == attachments.is_empty() {
        bail!("the flags do not fit the attachments: {metadata}");
    }
    Ok(attachments)
}

/// The revisions of a document, oldest first.
fn read_revisions(client: &Client, writer: usize, id: &str) -> Result<Vec<Revision>> {
    let mut revisions = Vec::new();
    for mut found in client.revisions(id)? {
        let metadata = take_metadata(&mut found)?;
        if metadata["@id"] != *id {
            bail!("a revision of {id} says {metadata}");
        }
        let flags = metadata["@flags"].as_str().unwrap_or_default();
        let deleted = flags.contains("DeleteRevision");
        revisions.push(match deleted {
            true => Revision::Deleted,
            false => Revision::Stored {
                serial: check_text(writer, id, &found)?,
                etag: Some(etag_of(&metadata["@change-vector"])?),
                attachments: attachments(&metadata)?,
            },
        });
    }
    revisions.reverse();
    Ok(revisions)
}

/// Reads the attachments that a document lists, and looks for others; says how many. `None` if
/// one is gone: it is for who asked to know whether its document went as well.
fn check_attachments(
    client: &Client,
    id: &str,
    listed: Option<&Attachments>,
) -> Result<Option<u64>> {
    let nothing = Attachments::new();
    let listed = listed.unwrap_or(&nothing);
    for name in NAMES {
        let found = client.read_attachment(id, name)?;
        match (listed.get(name), found) {
            (None, None) => {}
            (Some(_), None) => return Ok(None),
            (Some(listed), Some(Downloaded { attached, hash }))
                if attached == *listed && hash.as_ref() == Some(&listed.hash) => {}
            (listed, found) => bail!("{id} lists its '{name}' as {listed:?}; it is {found:?}"),
        }
    }
    if client.read_attachment(id, "broken")?.is_some() {
        bail!("{id} has an attachment whose upload was broken off");
    }
    Ok(Some(NAMES.len() as u64))
}
