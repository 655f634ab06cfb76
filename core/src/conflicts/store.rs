//! Storing a conflict, and taking it away when it is settled.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::Result;
use crate::attachments::{AttachmentName, ListedAttachment};
use crate::commands::Transaction;
use crate::commands::store_version::Previous;
use crate::document::EMPTY_COLLECTION;
use crate::schema::conflicts::{self, DocumentVersion};
use crate::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use crate::schema::tombstones::Tombstone;
use crate::schema::{CONFLICTS, DOCUMENTS};
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Etag, Live, Siblings};

/// Everything that lives under `key`, as [`Previous::find`] found it.
pub(crate) async fn siblings_of<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    previous: &Previous,
) -> Result<Siblings<DocumentVersion>> {
    Ok(match previous {
        Previous::Nothing => Siblings::default(),
        Previous::Document(record) => of_record(key, record),
        Previous::Tombstone(tombstone) if tombstone.is_conflict() => {
            match tx.get(CONFLICTS, key).await? {
                Some(value) => conflicts::decode(&value)?,
                None => of_tombstone(tombstone),
            }
        }
        Previous::Tombstone(tombstone) => of_tombstone(tombstone),
    })
}

/// The set of a document without conflict.
pub(crate) fn of_record(key: &[u8], record: &DocumentRecord) -> Siblings<DocumentVersion> {
    let id = match record.id() {
        "" => String::from_utf8_lossy(key).into_owned(),
        id => id.to_owned(),
    };
    Siblings {
        context: record.context.clone(),
        live: vec![Live {
            dot: record.dot,
            origin: record.origin,
            value: DocumentVersion {
                id,
                collection: record.collection().to_owned(),
                last_modified: record.last_modified,
                flags: record.flags.only(DocumentFlags::RESOLVED),
                is_deletion: false,
                attachments: record.attachments().to_owned(),
                metadata: record.metadata().to_owned(),
                body: record.body().to_owned(),
            },
        }],
    }
}

/// The set of a deleted document without conflict.
pub(crate) fn of_tombstone(tombstone: &Tombstone) -> Siblings<DocumentVersion> {
    Siblings {
        context: tombstone.context.clone(),
        live: vec![Live {
            dot: tombstone.dot,
            origin: tombstone.origin,
            value: DocumentVersion {
                id: tombstone.id.clone(),
                collection: tombstone.collection.clone(),
                last_modified: tombstone.last_modified,
                flags: DocumentFlags::NONE,
                is_deletion: true,
                attachments: String::new(),
                metadata: String::new(),
                body: String::new(),
            },
        }],
    }
}

/// Stores a set of several versions in place of what was there; `etag` is its place in the stream.
pub(crate) async fn store_conflict<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    previous: &Previous,
    set: &Siblings<DocumentVersion>,
    etag: Etag,
) -> Result<()> {
    for live in &set.live {
        crate::attachments::hold(tx, &live.value.attachments).await?;
    }
    let first = &set.live[0];
    let mut tombstone = Tombstone {
        etag,
        deleted_etag: Etag::ZERO,
        last_modified: tx.now(),
        flags: previous
            .flags()
            .only(DocumentFlags::HAS_REVISIONS)
            .with(DocumentFlags::CONFLICTED),
        context: set.context.clone(),
        dot: first.dot,
        origin: None,
        id: first.value.id.clone(),
        collection: first.value.collection.clone(),
    };
    match previous {
        Previous::Nothing => {}
        Previous::Document(record) => {
            crate::commands::store_version::unlink(tx, key, record).await?;
            crate::attachments::replace_all(tx, key, record.attachments(), "").await?;
            tx.delete(DOCUMENTS, key.clone());
            tombstone.deleted_etag = record.etag;
            // Whoever follows its collection must hear that it is gone from there.
            record.collection().clone_into(&mut tombstone.collection);
        }
        Previous::Tombstone(old) => {
            if old.is_conflict() {
                release(tx, key).await?;
            }
            tombstone.deleted_etag = old.deleted_etag;
            tombstone.collection.clone_from(&old.collection);
            crate::commands::clean_tombstones::remove(tx, key, old).await?;
        }
    }
    // What is in conflict is not deleted.
    if crate::revisions::leave_bin(tx, key).await? {
        tombstone.flags = tombstone.flags.with(DocumentFlags::HAS_REVISIONS);
    }
    if tombstone.collection.is_empty() {
        EMPTY_COLLECTION.clone_into(&mut tombstone.collection);
    }
    crate::commands::delete_document::store(tx, key, &tombstone).await?;
    tx.put(CONFLICTS, key.clone(), conflicts::encode(set));
    Ok(())
}

/// Gives the document that will settle a conflict the attachments of all its versions. Of several
/// with one name that of the first version keeps it; others with another content are beside it as
/// `RESOLVED_#1_name` and so on. Answers their list.
pub(crate) async fn unite_attachments<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
) -> Result<String> {
    let Some(value) = tx.get(CONFLICTS, key).await? else {
        return Ok(String::new());
    };
    let mut united: BTreeMap<String, ListedAttachment> = BTreeMap::new();
    let mut renamed = Vec::new();
    for live in conflicts::decode(&value)?.live {
        for listed in ListedAttachment::parse_list(&live.value.attachments)? {
            let name = AttachmentName::new(listed.name.as_str())?;
            match united.get(name.key()) {
                None => drop(united.insert(name.key().to_owned(), listed)),
                Some(first) if first.hash == listed.hash => {}
                Some(_) => renamed.push(listed),
            }
        }
    }
    // After all that have names of their own, which these must not take.
    for listed in renamed {
        let is_known = |it: &ListedAttachment| {
            it.hash == listed.hash && is_other_name_of(&it.name, &listed.name)
        };
        if !united.values().any(is_known) {
            let name = free_name(&united, &listed.name)?;
            let text = name.as_str().to_owned();
            let key = name.key().to_owned();
            united.insert(
                key,
                ListedAttachment {
                    name: text,
                    ..listed
                },
            );
        }
    }
    let list: Vec<ListedAttachment> = united.into_values().collect();
    let list = ListedAttachment::text_of(&list);
    crate::attachments::replace_all(tx, key, "", &list).await?;
    Ok(list)
}

/// The first name for another content of `name` that nothing has.
fn free_name(taken: &BTreeMap<String, ListedAttachment>, name: &str) -> Result<AttachmentName> {
    let mut number = 1;
    loop {
        let prefix = format!("RESOLVED_#{number}_");
        // A name may be as long as it can be already.
        let mut end = name.len().min(AttachmentName::MAX_BYTES - prefix.len());
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let free = AttachmentName::new(format!("{prefix}{}", &name[..end]))?;
        if !taken.contains_key(free.key()) {
            return Ok(free);
        }
        number += 1;
    }
}

/// Whether `other` is a name that [`free_name`] gives a content of `name`.
fn is_other_name_of(other: &str, name: &str) -> bool {
    let rest = other.strip_prefix("RESOLVED_#");
    let rest = rest.and_then(|it| it.split_once('_'));
    rest.is_some_and(|(number, rest)| {
        !rest.is_empty() && number.bytes().all(|it| it.is_ascii_digit()) && name.starts_with(rest)
    })
}

/// Takes the conflict of `key` away: its versions become revisions. Answers them.
pub(crate) async fn settle<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
) -> Result<Siblings<DocumentVersion>> {
    let Some(value) = tx.get(CONFLICTS, key).await? else {
        return Ok(Siblings::default());
    };
    let set = conflicts::decode(&value)?;
    for live in &set.live {
        keep_as_revision(tx, key, live).await?;
    }
    release(tx, key).await?;
    Ok(set)
}

/// Keeps a version that lost as a revision.
pub(crate) async fn keep_as_revision<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    live: &Live<DocumentVersion>,
) -> Result<()> {
    if live.value.is_deletion {
        return Ok(());
    }
    let context = name_of(live);
    let parts = parts_of(key, live, &context);
    crate::revisions::record(tx, &parts).await?;
    Ok(())
}

/// The context is the whole set's; a version's own name is its dot.
pub(crate) fn name_of(live: &Live<DocumentVersion>) -> ChangeVector {
    [live.dot].into_iter().collect()
}

/// A version as the record of a document, under its name.
pub(crate) fn parts_of<'a>(
    key: &'a Bytes,
    live: &'a Live<DocumentVersion>,
    name: &'a ChangeVector,
) -> DocumentParts<'a> {
    let mut flags = DocumentFlags::CONFLICTED;
    if !live.value.attachments.is_empty() {
        flags = flags.with(DocumentFlags::HAS_ATTACHMENTS);
    }
    DocumentParts {
        etag: Etag::ZERO,
        last_modified: live.value.last_modified,
        flags,
        context: name,
        dot: live.dot,
        origin: live.origin,
        id: &live.value.id,
        key,
        collection: &live.value.collection,
        attachments: &live.value.attachments,
        metadata: &live.value.metadata,
        body: &live.value.body,
    }
}

async fn release<S: Snapshot>(tx: &mut Transaction<S>, key: &Bytes) -> Result<()> {
    if let Some(value) = tx.get(CONFLICTS, key).await? {
        for live in conflicts::decode(&value)?.live {
            crate::attachments::release(tx, &live.value.attachments).await?;
        }
        tx.delete(CONFLICTS, key.clone());
        crate::replication::forget_conflict_base(tx, key).await?;
    }
    Ok(())
}
