//! The server's side of an edge's writes: each is judged alone, all are committed together.
//!
//! Invariants:
//! - a write is in the documents exactly if it is in the ledger;
//! - nothing that an edge says becomes part of a context, a time, or the table of incarnations.

use std::sync::Arc;

use bytes::Bytes;

use super::accept_rule::{self, Offer};
use super::local_write::LocalWrite;
use super::records::{
    Stored, facts_of, hold_contents, install, let_go_of_contents, load, put_fact, settle_by_rule,
};
use super::wire::{EdgeWrite, Verdict, WireEntry, WriteOutcome, entry_to_wire, vector_to_wire};
use super::{Facts, ReplicationOutcome, Scope};
use crate::attachments::{AttachmentContent, AttachmentName, ListedAttachment, parse_hash};
use crate::commands::Transaction;
use crate::commands::store_version::Previous;
use crate::document::{DocumentId, DocumentText, parse_document};
use crate::schema::configuration::VALIDATION_KEY;
use crate::schema::conflicts::DocumentVersion;
use crate::schema::documents::DocumentFlags;
use crate::schema::edge::Refusal;
use crate::schema::etags;
use crate::schema::ledger::{self, Fact, ReplicaRecord};
use crate::schema::{BLOBS, DATABASE, ETAGS, LEDGER, REPLICAS};
use crate::storage::Snapshot;
use crate::validation::{Judgement, ValidationConfiguration};
use crate::version::{
    ChangeVector, Dot, Entry, Etag, IncarnationId, Live, Origin, ReplicaId, Siblings,
};
use crate::{Error, ErrorKind, Limits, Result};

/// How many settled facts one push lets go of.
const FORGOTTEN_AT_ONCE: usize = 256;
/// The most versions of one document that edges may bring to live side by side.
const MAX_SIBLINGS: usize = 32;
/// The most entries of each list in an offered write.
const MAX_ENTRIES: usize = 1024;

/// Takes in what an edge offers.
#[derive(Clone, Debug)]
pub struct AcceptWrites {
    /// The edge.
    pub replica: ReplicaId,
    /// It needs no answer any more for writes up to here.
    pub settled: u64,
    /// What it offers, oldest first.
    pub writes: Vec<EdgeWrite>,
    /// Contents of attachments that came with them.
    pub contents: Vec<AttachmentContent>,
    /// What it may write.
    pub scope: Scope,
    /// The incarnations that live: what others wrote and nobody has is not waited for.
    pub members: Arc<[IncarnationId]>,
    /// Whether every server that lives was followed to its end since another ceased to: then what a
    /// dead one wrote and is not here is nowhere.
    pub is_complete: bool,
    /// Whether other servers take in writes of edges too; then facts are kept for them.
    pub has_peers: bool,
    /// What the application's functions said of the writes, in their order; nothing where none was
    /// asked.
    pub judgements: Vec<Option<Judgement>>,
}

/// Why a write is not taken in now.
enum Hindrance {
    Verdict(Verdict),
    /// A function must be asked first, about what is here now.
    Unjudged,
    Error(Error),
}

impl From<Error> for Hindrance {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn refuse<T>(code: &str, reason: impl Into<String>) -> Result<T, Hindrance> {
    Err(Hindrance::Verdict(Verdict::Refused(Refusal {
        code: code.to_owned(),
        reason: reason.into(),
    })))
}

/// What functions said of one write, and which there are.
#[derive(Clone, Copy)]
struct Validated<'a> {
    configuration: Option<&'a ValidationConfiguration>,
    judgement: Option<&'a Judgement>,
}

impl Validated<'_> {
    fn check(
        &self,
        stored: &Siblings<DocumentVersion>,
        new: &DocumentVersion,
    ) -> Result<(), Hindrance> {
        let Some(configuration) = self.configuration else {
            return Ok(());
        };
        if configuration.functions_for(new, stored).is_empty() {
            return Ok(());
        }
        let fitting = self.judgement.filter(|it| it.fits(stored, configuration));
        match fitting.ok_or(Hindrance::Unjudged)?.refusal.clone() {
            Some(refusal) => Err(Hindrance::Verdict(Verdict::Refused(refusal))),
            None => Ok(()),
        }
    }
}

impl AcceptWrites {
    pub(super) fn byte_count(&self) -> usize {
        self.writes
            .iter()
            .map(|it| 256 + it.version.byte_count())
            .sum()
    }

    pub(super) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let replica_key = Bytes::copy_from_slice(self.replica.bytes());
        let known = tx.get(REPLICAS, &replica_key).await?;
        let known = known
            .map(|value| ReplicaRecord::decode(&value))
            .transpose()?;
        let mut record = known.unwrap_or_default();
        let lists = self.writes.iter().map(|it| &it.version.attachments[..]);
        let held = hold_contents(tx, &self.contents, lists).await?;
        let validation = match tx
            .get(DATABASE, &Bytes::from_static(VALIDATION_KEY))
            .await?
        {
            None => None,
            Some(text) => {
                let text = String::from_utf8_lossy(&text);
                Some(ValidationConfiguration::parse(&text)?)
            }
        };
        let mut told = Vec::new();
        let mut unjudged = Vec::new();
        let mut outcomes = Vec::with_capacity(self.writes.len());
        for (at, write) in self.writes.iter().enumerate() {
            let origin = Origin {
                replica: self.replica,
                sequence: write.sequence,
                hash: write.hash,
            };
            let judged = Validated {
                configuration: validation.as_ref(),
                judgement: self.judgements.get(at).and_then(Option::as_ref),
            };
            let known_as = match &write.lost {
                Some(lost) => lost.name_of_lost(write.hash),
                None => origin,
            };
            let accepting = self.accept(tx, write, known_as, judged, &record, &mut told);
            let verdict = match accepting.await {
                Ok(verdict) => verdict,
                Err(Hindrance::Verdict(verdict)) => verdict,
                Err(Hindrance::Unjudged) => {
                    unjudged.push(at);
                    Verdict::Behind
                }
                Err(Hindrance::Error(error)) => return Err(error),
            };
            if matches!(verdict, Verdict::Accepted { .. }) && write.sequence > record.sequence {
                record.sequence = write.sequence;
                record.hash = write.hash;
            }
            outcomes.push(WriteOutcome { origin, verdict });
        }
        self.forget_settled(tx, &mut record).await?;
        record.last_heard = tx.now();
        tx.put(REPLICAS, replica_key, record.encode());
        let_go_of_contents(tx, &held).await?;
        Ok(ReplicationOutcome::Judged {
            outcomes,
            told,
            unjudged,
        })
    }

    async fn accept<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        write: &EdgeWrite,
        origin: Origin,
        validated: Validated<'_>,
        record: &ReplicaRecord,
        told: &mut Vec<Etag>,
    ) -> Result<Verdict, Hindrance> {
        let id = match DocumentId::new(write.version.id.as_str(), tx.limits.max_id_bytes) {
            Ok(id) => id,
            Err(error) => return refuse("InvalidDocument", error.message()),
        };
        let key = id.key().clone();
        if !self.scope.contains(&key, &write.version.collection) {
            return refuse("Forbidden", format!("'{}' may not be written", id.as_str()));
        }
        let stored = load(tx, &key).await?;
        let is_foreign =
            |it: &Live<DocumentVersion>| !self.scope.contains(&key, &it.value.collection);
        if stored.set.live.iter().any(is_foreign) {
            return refuse("Forbidden", format!("'{}' may not be changed", id.as_str()));
        }
        if let Some(lost) = &write.lost
            && let Some(verdict) = self.find_lost(tx, lost, &stored).await?
        {
            return Ok(verdict);
        }
        let offer = self.offer(tx, write, origin)?;
        let origins = stored
            .set
            .live
            .iter()
            .filter_map(|it| it.origin)
            .chain([origin]);
        let facts = facts_of(tx, &key, origins.collect()).await?;
        let is_settled = |entry: Entry| self.is_settled(tx, entry);
        let dot = match accept_rule::judge(&stored.set, &offer, &facts, is_settled) {
            accept_rule::Verdict::Known(dot) => return answer(tx, &stored.set, &offer, dot),
            accept_rule::Verdict::Behind => return Ok(Verdict::Behind),
            accept_rule::Verdict::New => {
                if write.lost.is_none() {
                    self.refuse_fork(tx, origin, record).await?;
                }
                let version = self.checked(tx, &id, write, &stored).await?;
                validated.check(&stored.set, &version)?;
                self.take_in(tx, &key, stored, (&offer, &facts), version)
                    .await?
            }
        };
        let set = load(tx, &key).await?.set;
        if set.sole().is_some_and(|sole| sole.dot == dot) {
            // The last etag of it is the document's.
            told.push(document_etag(tx, &key).await?);
        }
        answer(tx, &set, &offer, dot)
    }

    /// Whether what an edge believes lost is here, or may come.
    async fn find_lost<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        lost: &WireEntry,
        stored: &Stored,
    ) -> Result<Option<Verdict>, Hindrance> {
        if self.members.contains(&lost.name.id) {
            return Ok(Some(Verdict::Behind));
        }
        let not_lost = || refuse("InvalidDocument", "it names a write that was never lost");
        let Some(dot) = tx.known_entry(lost) else {
            // A life of which another server will tell, perhaps.
            if !self.is_complete {
                return Ok(Some(Verdict::Behind));
            }
            // One that came and went between two restores of one backup: what the ledger knows of it is all
            // that is known. But not what another edge calls itself.
            let replica = Bytes::copy_from_slice(lost.name.id.bytes());
            return match tx.get(REPLICAS, &replica).await? {
                None => Ok(None),
                Some(_) => not_lost(),
            };
        };
        if stored.set.context.contains(dot) {
            return Ok(Some(Verdict::Accepted {
                dot: lost.clone(),
                sole: None,
            }));
        }
        // Else anybody could take the names of others' writes.
        match tx.incarnations().row(dot.incarnation) {
            Ok(row) if dot.etag > row.seen => Ok(None),
            _ => not_lost(),
        }
    }

    /// The offer in this store's terms: what it names and nobody here knows, nobody here has.
    fn offer<S: Snapshot>(
        &self,
        tx: &Transaction<S>,
        write: &EdgeWrite,
        origin: Origin,
    ) -> Result<Offer, Hindrance> {
        let counts = [
            write.base.len(),
            write.replaces.len(),
            write.replaced_origins.len(),
            write.chain.len(),
        ];
        if counts.iter().any(|count| *count > MAX_ENTRIES) {
            return refuse(
                "LimitExceeded",
                format!("a write names at most {MAX_ENTRIES} others of each kind"),
            );
        }
        let mut base = ChangeVector::empty();
        for entry in &write.base {
            match tx.known_entry(entry) {
                Some(known) => base.include(known),
                // A server that may live and was never heard of.
                None if !self.is_complete || self.members.contains(&entry.name.id) => {
                    return Err(Hindrance::Verdict(Verdict::Behind));
                }
                None => {}
            }
        }
        Ok(Offer {
            origin,
            base,
            replaces: write
                .replaces
                .iter()
                .filter_map(|it| tx.known_entry(it))
                .collect(),
            replaced_origins: write.replaced_origins.clone(),
            chain: write.chain.clone(),
        })
    }

    /// Whether an entry that this document's context lacks hides nothing that could still come.
    fn is_settled<S: Snapshot>(&self, tx: &Transaction<S>, entry: Entry) -> bool {
        let names = tx.incarnations();
        if entry.incarnation == names.own() {
            return entry.etag <= tx.last_etag();
        }
        match names.row(entry.incarnation) {
            Ok(row) => {
                let is_dead = !self.members.contains(&row.id);
                row.seen >= entry.etag || (is_dead && self.is_complete)
            }
            Err(_) => true,
        }
    }

    /// A sequence that was used for something else, or that the replica said it is done with.
    async fn refuse_fork<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        origin: Origin,
        record: &ReplicaRecord,
    ) -> Result<(), Hindrance> {
        let same = ledger::of_sequence(&origin.replica, origin.sequence);
        let mut is_taken = false;
        for (key, _) in tx.scan(LEDGER, &same, usize::MAX).await? {
            is_taken |= Fact::from_key(&key)?.origin != origin;
        }
        if is_taken || origin.sequence <= record.settled {
            return Err(Hindrance::Verdict(Verdict::Forked));
        }
        Ok(())
    }

    /// The version as it will be stored: text checked, everything computed left to this server.
    async fn checked<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        id: &DocumentId,
        write: &EdgeWrite,
        stored: &Stored,
    ) -> Result<DocumentVersion, Hindrance> {
        let offered = &write.version;
        if LocalWrite::of_version(offered).hash_of(id.key()) != write.hash {
            return refuse(
                "InvalidDocument",
                format!("the content of '{}' is not what its hash says", id.as_str()),
            );
        }
        let mut version = DocumentVersion {
            id: id.as_str().to_owned(),
            // What was lost is as old as it was, for whoever takes the latest.
            last_modified: match &write.lost {
                Some(_) => offered.last_modified.min(tx.now()),
                None => tx.now(),
            },
            flags: DocumentFlags::NONE,
            ..offered.clone()
        };
        if !offered.is_deletion {
            let text = match parse_parts(offered, &tx.limits) {
                Ok(text) => text,
                Err(error) => return refuse(code_of(&error), error.message()),
            };
            if text.collection.as_str() != offered.collection {
                return refuse(
                    "InvalidDocument",
                    format!(
                        "the collection of '{}' is not what its metadata says",
                        id.as_str()
                    ),
                );
            }
            version.metadata = text.metadata;
            version.body = text.body;
            version.attachments = self.checked_attachments(tx, offered).await?;
        }
        if stored.set.live.len() >= MAX_SIBLINGS {
            return refuse(
                "TooManyVersions",
                format!(
                    "'{}' has {} versions in conflict; settle it first",
                    id.as_str(),
                    stored.set.live.len()
                ),
            );
        }
        Ok(version)
    }

    /// The list of attachments, all of whose contents must be here.
    async fn checked_attachments<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        offered: &DocumentVersion,
    ) -> Result<String, Hindrance> {
        let Ok(list) = ListedAttachment::parse_list(&offered.attachments) else {
            return refuse("InvalidDocument", "the list of attachments does not fit");
        };
        for listed in &list {
            let hash = parse_hash(&listed.hash);
            let (Ok(_), Ok(hash)) = (AttachmentName::new(listed.name.as_str()), hash) else {
                return refuse(
                    "InvalidDocument",
                    format!("the attachment '{}' has no fit name or hash", listed.name),
                );
            };
            let blob = tx.get(BLOBS, &Bytes::copy_from_slice(&hash)).await?;
            if blob.is_none() {
                return refuse(
                    "MissingAttachment",
                    format!("the content of '{}' is not here", listed.name),
                );
            }
        }
        Ok(ListedAttachment::text_of(&list))
    }

    async fn take_in<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        key: &Bytes,
        stored: Stored,
        (offer, facts): (&Offer, &Facts),
        version: DocumentVersion,
    ) -> Result<Dot, Hindrance> {
        let Stored { previous, mut set } = stored;
        if set.is_empty() && self.has_living_entry(tx, &offer.base) {
            // Its author had a document whose deletion is forgotten here. To let it come back
            // without a word would undo the deletion; that is for somebody to decide.
            let deletion = tx.take_dot();
            set.context.include(deletion);
            set.live.push(Live {
                dot: deletion,
                origin: None,
                value: DocumentVersion {
                    is_deletion: true,
                    attachments: String::new(),
                    metadata: String::new(),
                    body: String::new(),
                    ..version.clone()
                },
            });
        }
        let dot = tx.take_dot();
        for fact in accept_rule::facts_of(offer, dot) {
            put_fact(tx, fact, key).await?;
        }
        accept_rule::admit(&mut set, offer, dot, version, facts);
        settle_by_rule(tx, key, &mut set).await?;
        // After the facts, so that they come first in the stream too.
        let etag = tx.take_etag();
        install(tx, key, &previous, &set, etag).await?;
        Ok(dot)
    }

    /// Whether some of `base` was written by a server that lives: then it was here.
    fn has_living_entry<S: Snapshot>(&self, tx: &Transaction<S>, base: &ChangeVector) -> bool {
        let names = tx.incarnations();
        base.entries().iter().any(|entry| {
            let row = names.row(entry.incarnation);
            entry.incarnation == names.own() || row.is_ok_and(|row| self.members.contains(&row.id))
        })
    }

    /// Lets go of facts that this replica will never ask for again.
    async fn forget_settled<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        record: &mut ReplicaRecord,
    ) -> Result<()> {
        let settled = self.settled.min(record.sequence);
        record.settled = record.settled.max(settled);
        if self.has_peers || record.settled == 0 {
            return Ok(());
        }
        let range = ledger::up_to(&self.replica, record.settled);
        for (key, value) in tx.scan(LEDGER, &range, FORGOTTEN_AT_ONCE).await? {
            let (etag, _) = ledger::decode_value(&value)?;
            tx.delete(LEDGER, key);
            tx.delete(ETAGS, etags::key(etag));
        }
        Ok(())
    }
}

/// The etag of what stands under a document's key.
async fn document_etag<S: Snapshot>(tx: &mut Transaction<S>, key: &Bytes) -> Result<Etag> {
    Ok(match Previous::find(tx, key).await? {
        Previous::Nothing => Etag::ZERO,
        Previous::Document(record) => record.etag,
        Previous::Tombstone(tombstone) => tombstone.etag,
    })
}

fn code_of(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::LimitExceeded => "LimitExceeded",
        _ => "InvalidDocument",
    }
}

/// The text of an offered document, which may be anything.
pub(super) fn parse_parts(offered: &DocumentVersion, limits: &Limits) -> Result<DocumentText> {
    let body = offered.body.trim_end();
    let Some(inside) = body.strip_suffix('}').filter(|it| it.starts_with('{')) else {
        return Err(Error::invalid("a document must be a JSON object"));
    };
    let comma = if inside.trim() == "{" { "" } else { "," };
    let text = format!("{inside}{comma}\"@metadata\":{{{}}}}}", offered.metadata);
    parse_document(&text, limits)
}

fn answer<S: Snapshot>(
    tx: &Transaction<S>,
    set: &Siblings<DocumentVersion>,
    offer: &Offer,
    dot: Dot,
) -> Result<Verdict, Hindrance> {
    let names = tx.incarnations();
    let sole = match set.sole() {
        Some(sole) if sole.origin == Some(offer.origin) => Some((
            vector_to_wire(&set.context, names)?,
            sole.value.last_modified,
        )),
        _ => None,
    };
    Ok(Verdict::Accepted {
        dot: entry_to_wire(dot, names)?,
        sole,
    })
}
