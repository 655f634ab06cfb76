//! Loading what stands under an id, and installing what shall stand there.

use bytes::Bytes;

use super::Facts;
use super::content_fetch::hashes_of;
use crate::Result;
use crate::attachments::{
    AttachmentContent, ListedAttachment, hold_last, link, link_absent, link_known, parse_hash,
    release, replace_all, unlink,
};
use crate::commands::Transaction;
use crate::commands::delete_document::bury_replicated;
use crate::commands::store_version::{Lineage, NewVersion, Previous, store_replicated_version};
use crate::conflicts::{
    ConflictsConfiguration, keep_as_revision, resolve, siblings_of, store_conflict,
};
use crate::document::{CollectionName, Schedule};
use crate::revisions::has_some;
use crate::schema::blobs::ContentHash;
use crate::schema::configuration::{CONFLICTS_KEY, PURGED_KEY};
use crate::schema::conflicts::DocumentVersion;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::etags::ItemKind;
use crate::schema::ledger::{self, Fact};
use crate::schema::tombstones::Tombstone;
use crate::schema::{DATABASE, LEDGER};
use crate::storage::Snapshot;
use crate::version::{Etag, Live, Origin, Siblings};
use crate::{Error, ErrorKind};

/// What stands under an id, as record and as set.
pub(super) struct Stored {
    pub(super) previous: Previous,
    pub(super) set: Siblings<DocumentVersion>,
}

pub(super) async fn load<S: Snapshot>(tx: &mut Transaction<S>, key: &Bytes) -> Result<Stored> {
    let previous = Previous::find(tx, key).await?;
    let set = siblings_of(tx, key, &previous).await?;
    Ok(Stored { previous, set })
}

/// Puts `set` in the place of what is stored, under the etag `etag`.
pub(super) async fn install<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    previous: &Previous,
    set: &Siblings<DocumentVersion>,
    etag: Etag,
) -> Result<()> {
    let Some(sole) = set.sole() else {
        return store_conflict(tx, key, previous, set, etag).await;
    };
    match sole.value.is_deletion {
        true => {
            let tombstone = Tombstone {
                etag,
                deleted_etag: Etag::ZERO,
                last_modified: sole.value.last_modified,
                flags: sole.value.flags.only(DocumentFlags::RESOLVED),
                context: set.context.clone(),
                dot: sole.dot,
                origin: sole.origin,
                id: sole.value.id.clone(),
                collection: sole.value.collection.clone(),
            };
            bury_replicated(tx, key, previous, tombstone).await
        }
        false => install_document(tx, key, previous, set, sole, etag).await,
    }
}

async fn install_document<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    previous: &Previous,
    set: &Siblings<DocumentVersion>,
    sole: &Live<DocumentVersion>,
    etag: Etag,
) -> Result<()> {
    let value = &sole.value;
    let replaced = previous.document().map_or("", DocumentRecord::attachments);
    let held = hold_last(tx, previous).await?;
    replace_all(tx, key, replaced, &value.attachments).await?;
    let mut flags = value.flags.only(DocumentFlags::RESOLVED);
    if has_some(tx, key).await? {
        // Versions that lost to this one may have become the first.
        flags = flags.with(DocumentFlags::HAS_REVISIONS);
    }
    let version = NewVersion {
        id: &value.id,
        key,
        collection: &CollectionName::new(value.collection.as_str())?,
        attachments: &value.attachments,
        metadata: &value.metadata,
        body: &value.body,
        schedule: Schedule::of_metadata(&value.metadata)?,
        flags,
    };
    let lineage = Lineage {
        etag,
        context: set.context.clone(),
        dot: sole.dot,
        origin: sole.origin,
        last_modified: value.last_modified,
    };
    store_replicated_version(tx, previous, version, lineage).await?;
    release(tx, &held).await
}

/// Holds what versions with these lists of attachments refer to, until all of them are stored: what
/// came with them, and what is here already, which one of them may lose before another gets it.
/// Answers what to let go of afterwards.
pub(super) async fn hold_contents<S: Snapshot>(
    tx: &mut Transaction<S>,
    contents: &[AttachmentContent],
    lists: impl Iterator<Item = &str>,
) -> Result<Vec<ContentHash>> {
    let mut held: Vec<ContentHash> = Vec::new();
    for content in contents {
        link(tx, content).await?;
        held.push(*content.hash());
    }
    for hash in hashes_of(lists) {
        if !held.contains(&hash) && link_known(tx, &hash).await? {
            held.push(hash);
        }
    }
    Ok(held)
}

/// Holds, beside what is `held`, the contents in these lists that are to be left on the server.
pub(super) async fn hold_absent<S: Snapshot>(
    tx: &mut Transaction<S>,
    lists: impl Iterator<Item = &str>,
    held: &mut Vec<ContentHash>,
) -> Result<()> {
    for list in lists {
        for listed in ListedAttachment::parse_list(list)? {
            let hash = parse_hash(&listed.hash)?;
            if !held.contains(&hash) {
                link_absent(tx, &hash, listed.size).await?;
                held.push(hash);
            }
        }
    }
    Ok(())
}

/// Lets go of them: what nothing refers to is loose again.
pub(super) async fn let_go_of_contents<S: Snapshot>(
    tx: &mut Transaction<S>,
    held: &[ContentHash],
) -> Result<()> {
    for hash in held {
        unlink(tx, hash).await?;
    }
    Ok(())
}

/// Brings a set into its order and resolves it as configured; what lost stays as revisions.
pub(super) async fn settle_by_rule<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    set: &mut Siblings<DocumentVersion>,
) -> Result<()> {
    set.sort(tx.incarnations())?;
    if !set.is_conflict() {
        return Ok(());
    }
    let configuration = match tx.get(DATABASE, &Bytes::from_static(CONFLICTS_KEY)).await? {
        None => ConflictsConfiguration::default(),
        Some(text) => ConflictsConfiguration::parse(&String::from_utf8_lossy(&text))?,
    };
    let lost = resolve(set, &configuration);
    for live in &lost {
        keep_as_revision(tx, key, live).await?;
    }
    if let ([sole], false) = (&mut set.live[..], lost.is_empty()) {
        sole.value.flags = sole.value.flags.with(DocumentFlags::RESOLVED);
    }
    Ok(())
}

/// What the ledger says of `origins` as writes of this document. What an edge claims of one
/// document says nothing of others.
pub(super) async fn facts_of<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    origins: Vec<Origin>,
) -> Result<Facts> {
    let mut facts = Facts::default();
    for origin in origins {
        let said = tx
            .scan(LEDGER, &ledger::of_origin(&origin), usize::MAX)
            .await?;
        for (key, value) in said {
            if ledger::decode_value(&value)?.1 == id_key {
                facts.insert(Fact::from_key(&key)?);
            }
        }
    }
    Ok(facts)
}

/// Writes a fact down, if it is new, at the next place of the stream.
pub(super) async fn put_fact<S: Snapshot>(
    tx: &mut Transaction<S>,
    fact: Fact,
    id_key: &[u8],
) -> Result<bool> {
    let key = fact.to_key();
    if tx.get(LEDGER, &key).await?.is_some() {
        return Ok(false);
    }
    let etag = tx.take_etag();
    tx.put(LEDGER, key.clone(), ledger::value(etag, id_key));
    tx.list_etag(ItemKind::Fact, etag, &key);
    Ok(true)
}

/// Notes that tombstones up to `etag` may be gone: who stands before it must compare everything.
pub(crate) async fn note_purged<S: Snapshot>(tx: &mut Transaction<S>, etag: Etag) -> Result<()> {
    let key = Bytes::from_static(PURGED_KEY);
    let before = tx.get(DATABASE, &key).await?;
    let before = before.map(|text| parse_purged(&String::from_utf8_lossy(&text)));
    if before.transpose()?.is_none_or(|before| before < etag) {
        tx.put(DATABASE, key, etag.to_string());
    }
    Ok(())
}

/// Reads what [`note_purged`] wrote.
pub(crate) fn parse_purged(text: &str) -> Result<Etag> {
    text.parse().map(Etag::new).map_err(|_| {
        Error::new(
            ErrorKind::Corrupted,
            "the etag up to which tombstones are gone is no number",
        )
    })
}
