//! Resolving by script: outside the merger, over the versions that were read.
//!
//! What a script makes of a conflict is stored as a write that expects these versions, so it settles
//! what it saw or nothing, and all of them stay as revisions. Servers that resolve one conflict
//! separately make the same document if the script is pure, and versions that say the same are one.

use serde::Deserialize;

use super::{Conflict, ConflictsConfiguration, ScriptResolver};
use crate::commands::{BatchCommand, DeleteDocument, ExpectedVersion, PutDocument};
use crate::document::{DocumentId, DocumentText, IdRequest, keep_number_texts, parse_document};
use crate::host::{ScriptCall, ScriptEngine, ScriptFailure};
use crate::replication::WireEntry;
use crate::revisions::with_records;
use crate::schema::conflicts::DocumentVersion;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::{REVISIONS, revisions};
use crate::storage::{Direction, Snapshot, Store};
use crate::validation::json_of;
use crate::{Database, Error, ErrorKind, ReadTransaction, Result};

/// How often a conflict is read anew because it has changed meanwhile.
const MAX_ATTEMPTS: usize = 8;
/// How many conflicts are read at once.
const PAGE: usize = 64;
/// How many revisions are searched for the base.
const MAX_REVISIONS: usize = 1024;

/// What became of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptResolution {
    /// There is none, or no script for it.
    NotConcerned,
    /// It is settled.
    Settled,
    /// The script wants nothing done.
    Left,
    /// The script failed, and the conflict stays.
    Failed(String),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    tombstone: bool,
    document: Option<String>,
}

impl<S: Store> Database<S> {
    /// Has the conflict of a document resolved by the script of its collection, if there is one.
    /// `replaced` is what the edge's write that made it replaced: one version of it is the base.
    ///
    /// # Errors
    /// Whatever store and engine report that is not the script's doing.
    pub async fn resolve_conflict_by_script(
        &self,
        engine: &dyn ScriptEngine,
        id: &str,
        replaced: &[WireEntry],
    ) -> Result<ScriptResolution> {
        for _ in 0..MAX_ATTEMPTS {
            let read = self.read().await?;
            let Some(configuration) = read.conflicts_configuration().await? else {
                return Ok(ScriptResolution::NotConcerned);
            };
            let Some(conflict) = read.conflict(id).await? else {
                return Ok(ScriptResolution::NotConcerned);
            };
            let Some(resolver) = configuration.resolver_for(&conflict.set) else {
                return Ok(ScriptResolution::NotConcerned);
            };
            let base = read.base_of(&conflict, replaced).await?;
            drop(read);
            let called = self.call_resolver(engine, resolver, &conflict, base.as_ref());
            let decided = match called.await {
                Ok(decided) => decided.or_else(|| latest(&configuration, &conflict)),
                Err(error) if error.details::<ScriptFailure>().is_some() => {
                    return Ok(ScriptResolution::Failed(error.message().to_owned()));
                }
                Err(error) if error.kind() == ErrorKind::InvalidRequest => {
                    return Ok(ScriptResolution::Failed(error.message().to_owned()));
                }
                Err(error) => return Err(error),
            };
            let Some(command) = decided else {
                return Ok(ScriptResolution::Left);
            };
            match self.write_batch(vec![command]).await {
                Ok(_) => return Ok(ScriptResolution::Settled),
                // Another version came in, or somebody settled it.
                Err(error) if error.kind() == ErrorKind::ConcurrencyConflict => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ScriptResolution::Failed(format!(
            "the conflict changed {MAX_ATTEMPTS} times while its script ran"
        )))
    }

    /// Has all conflicts resolved that there are, as after a script was configured. Answers how
    /// many were settled, and what failed.
    ///
    /// # Errors
    /// As [`Self::resolve_conflict_by_script`].
    pub async fn resolve_conflicts_by_script(
        &self,
        engine: &dyn ScriptEngine,
    ) -> Result<(usize, Vec<String>)> {
        let (mut settled, mut failures) = (0, Vec::new());
        let mut after = String::new();
        loop {
            let read = self.read().await?;
            let configuration = read.conflicts_configuration().await?.unwrap_or_default();
            if configuration.resolve_by_collection.is_empty() {
                return Ok((settled, failures));
            }
            let page = read.conflicts(&after, PAGE).await?;
            drop(read);
            let Some(last) = page.last() else {
                return Ok((settled, failures));
            };
            after.clone_from(&last.id);
            for conflict in page {
                let id = &conflict.id;
                match self.resolve_conflict_by_script(engine, id, &[]).await? {
                    ScriptResolution::Settled => settled += 1,
                    ScriptResolution::Failed(why) => failures.push(format!("'{id}': {why}")),
                    ScriptResolution::Left | ScriptResolution::NotConcerned => {}
                }
            }
        }
    }

    /// What the script wants done.
    async fn call_resolver(
        &self,
        engine: &dyn ScriptEngine,
        resolver: &ScriptResolver,
        conflict: &Conflict,
        base: Option<&DocumentVersion>,
    ) -> Result<Option<BatchCommand>> {
        let call = ScriptCall {
            program: resolver.program(),
            input: input(conflict, base),
            now: self.host().clock.now(),
        };
        let answer = engine.call(call).await?;
        let answer: Answer = serde_json::from_str(&answer).map_err(|reason| {
            Error::new(
                ErrorKind::Internal,
                format!("a conflict script answered badly: {reason}"),
            )
        })?;
        if answer.tombstone {
            return Ok(Some(delete(conflict)?));
        }
        let Some(text) = answer.document else {
            return Ok(None);
        };
        let mut document = parse_document(&text, self.limits())?;
        for version in conflict.set.live.iter().filter(|it| !it.value.is_deletion) {
            document.body = keep_number_texts(&version.value.body, &document.body);
        }
        Ok(Some(put(conflict, document)?))
    }
}

fn put(conflict: &Conflict, document: DocumentText) -> Result<BatchCommand> {
    Ok(BatchCommand::Put(PutDocument {
        id: IdRequest::Semantic(DocumentId::new(conflict.id.as_str(), usize::MAX)?),
        expected: ExpectedVersion::Exactly(conflict.change_vector.clone()),
        document,
    }))
}

fn delete(conflict: &Conflict) -> Result<BatchCommand> {
    Ok(BatchCommand::Delete(DeleteDocument {
        id: DocumentId::new(conflict.id.as_str(), usize::MAX)?,
        expected: ExpectedVersion::Exactly(conflict.change_vector.clone()),
    }))
}

/// Where the script decides nothing: the latest version, if that is how it is configured.
fn latest(configuration: &ConflictsConfiguration, conflict: &Conflict) -> Option<BatchCommand> {
    if !configuration.resolve_to_latest {
        return None;
    }
    let mut set = conflict.set.clone();
    let plain = ConflictsConfiguration {
        resolve_to_latest: true,
        ..ConflictsConfiguration::default()
    };
    super::resolve(&mut set, &plain);
    let kept = &set.sole()?.value;
    if kept.is_deletion {
        return delete(conflict).ok();
    }
    let text = json_of(kept, &kept.body, &kept.metadata);
    let limits = crate::Limits::default();
    put(conflict, parse_document(&text, &limits).ok()?).ok()
}

fn input(conflict: &Conflict, base: Option<&DocumentVersion>) -> String {
    let json = |version: &DocumentVersion| {
        let metadata = format!(
            "{}{}\"@last-modified\":\"{}\"",
            version.metadata,
            if version.metadata.trim().is_empty() {
                ""
            } else {
                ","
            },
            version.last_modified.to_text()
        );
        json_of(version, &version.body, &metadata)
    };
    let live = conflict.set.live.iter().map(|it| &it.value);
    let docs: Vec<String> = live
        .clone()
        .filter(|it| !it.is_deletion)
        .map(json)
        .collect();
    let collection = live.map(|it| it.collection.as_str()).next().unwrap_or("");
    format!(
        "{{\"docs\":[{}],\"hasTombstone\":{},\"base\":{},\"collection\":{}}}",
        docs.join(","),
        docs.len() < conflict.set.live.len(),
        base.map_or("null".to_owned(), json),
        serde_json::to_string(collection).expect("any text can be a JSON string")
    )
}

impl<S: Snapshot> ReadTransaction<S> {
    /// What the author of an edge's write had before it, if that was one version and a revision
    /// keeps it.
    async fn base_of(
        &self,
        conflict: &Conflict,
        replaced: &[WireEntry],
    ) -> Result<Option<DocumentVersion>> {
        let [replaced] = replaced else {
            return Ok(None);
        };
        let Some(incarnation) = self.incarnations().find(&replaced.name.id) else {
            return Ok(None);
        };
        let key = &conflict.key;
        let mut pages =
            crate::reader::Pages::new(REVISIONS, revisions::range(key), Direction::Backward, PAGE);
        let mut left = MAX_REVISIONS;
        while let Some(page) = pages.next(&self.snapshot).await? {
            for (_, value) in with_records(&self.snapshot, page).await? {
                if left == 0 {
                    return Ok(None);
                }
                left -= 1;
                let record = DocumentRecord::decode(value)?;
                let is_it =
                    record.dot.incarnation == incarnation && record.dot.etag == replaced.etag;
                if is_it && !record.flags.contains(DocumentFlags::DELETE_REVISION) {
                    let found = super::of_record(key, &record).live.pop();
                    return Ok(found.map(|it| it.value));
                }
            }
        }
        Ok(None)
    }
}
