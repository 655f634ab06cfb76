//! Batches with scripts: run the scripts over what was read, commit, and run again what turned out
//! to have seen something else.
//!
//! Nothing here waits inside the merger. Patches of one document take turns, so that they do not
//! make each other run again; a plain write may, and then has made progress itself.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use futures_util::lock::{Mutex, MutexGuard};

use super::patch_document::{StalePatch, report, whole_text};
use super::{BatchCommand, CommandOutcome, Operation, Outcome, PatchDocument, PreparedPatch};
use crate::document::{PatchStatus, PatchedDocument, Run, Seen, run_script};
use crate::host::ScriptEngine;
use crate::storage::{Durability, Store};
use crate::version::Etag;
use crate::{Database, Error, ErrorKind, ReadTransaction, Result};

/// How often scripts of a batch are run again.
const MAX_ATTEMPTS: usize = 10_000;
const LANE_COUNT: usize = 64;

/// Where patches of the same document wait for each other.
pub(crate) struct PatchLanes([Mutex<()>; LANE_COUNT]);

impl Default for PatchLanes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl PatchLanes {
    /// Waits for the lanes of `keys`, always in the same order.
    async fn enter<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Vec<MutexGuard<'_, ()>> {
        let lanes: BTreeSet<usize> = keys
            .map(|key| {
                let mut hasher = DefaultHasher::new();
                key.hash(&mut hasher);
                usize::try_from(hasher.finish() % LANE_COUNT as u64).expect("it is below 64")
            })
            .collect();
        let mut entered = Vec::with_capacity(lanes.len());
        for lane in lanes {
            entered.push(self.0[lane].lock().await);
        }
        entered
    }
}

impl<S: Store> Database<S> {
    /// As [`Database::write_batch`], for batches that may hold patches by script.
    ///
    /// # Errors
    /// As [`Database::write_batch`], and those of [`ScriptEngine::call`].
    pub async fn write_batch_with_scripts(
        &self,
        engine: &dyn ScriptEngine,
        commands: Vec<BatchCommand>,
    ) -> Result<Vec<CommandOutcome>> {
        self.write_batch_with_scripts_as(engine, commands, None)
            .await
    }

    /// As [`Self::write_batch_with_scripts`], with a durability of its own instead of the database's.
    ///
    /// # Errors
    /// As [`Self::write_batch_with_scripts`].
    #[cfg(feature = "whole")]
    pub async fn write_batch_with_scripts_as(
        &self,
        engine: &dyn ScriptEngine,
        mut commands: Vec<BatchCommand>,
        durability: Option<Durability>,
    ) -> Result<Vec<CommandOutcome>> {
        let patched = commands.iter().filter_map(|it| match it {
            BatchCommand::Patch(patch) => Some(&**patch.id.key()),
            _ => None,
        });
        let lanes = self.patch_lanes().enter(patched).await;
        if lanes.is_empty() {
            return self.write_as(commands, durability).await;
        }
        let read = self.read().await?;
        let mut offset = 0;
        for command in &mut commands {
            if let BatchCommand::Patch(patch) = command {
                self.prepare(engine, &read, patch, Vec::new(), offset)
                    .await?;
            }
            offset += etag_count(command);
        }
        drop(read);
        for _ in 0..MAX_ATTEMPTS {
            let error = match self.write_as(commands.clone(), durability).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(error) => error,
            };
            let Some(stale) = error.details::<StalePatch>() else {
                return Err(error);
            };
            let offset = commands.iter().take(stale.command).map(etag_count).sum();
            if let Some(BatchCommand::Patch(patch)) = commands.get_mut(stale.command) {
                let read = self.read().await?;
                let known = stale.documents.clone();
                self.prepare(engine, &read, patch, known, offset).await?;
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("the documents changed {MAX_ATTEMPTS} times while their patch ran"),
        ))
    }

    /// As [`Database::write_batch_with_scripts`]; without scripts, which this build leaves out.
    ///
    /// # Errors
    /// As [`Database::write_batch`], and `NotLoaded` for a patch.
    #[cfg(not(feature = "whole"))]
    pub async fn write_batch_with_scripts_as(
        &self,
        _engine: &dyn ScriptEngine,
        commands: Vec<BatchCommand>,
        durability: Option<Durability>,
    ) -> Result<Vec<CommandOutcome>> {
        self.write_as(commands, durability).await
    }

    async fn write_as(
        &self,
        commands: Vec<BatchCommand>,
        durability: Option<Durability>,
    ) -> Result<Vec<CommandOutcome>> {
        let batch = Operation::Batch(commands.into());
        let outcome = match durability {
            Some(durability) => self.execute_with(batch, durability).await?,
            None => self.execute(batch).await?,
        };
        match outcome {
            Outcome::Batch(outcomes) => Ok(outcomes),
            _ => Err(Error::new(
                ErrorKind::Internal,
                "a batch answered with the outcome of another operation",
            )),
        }
    }

    /// Runs a patch and commits nothing: what it would do. Documents that the script stores or
    /// deletes are not reported.
    ///
    /// # Errors
    /// As [`Self::write_batch_with_scripts`].
    pub async fn test_patch(
        &self,
        engine: &dyn ScriptEngine,
        mut patch: PatchDocument,
    ) -> Result<PatchedDocument> {
        let read = self.read().await?;
        let id = patch.id.as_str().to_owned();
        let stored = read.document(&id).await?;
        let actual = stored.as_ref().map(|it| it.change_vector());
        if let Err(unexpected) = patch.expected.check("the patch", &id, actual) {
            if patch.skip_if_unexpected {
                return Ok(report(&id, PatchStatus::Skipped, stored.as_ref()));
            }
            return Err(unexpected);
        }
        self.prepare(engine, &read, &mut patch, Vec::new(), 0)
            .await?;
        let mut result = report(&id, PatchStatus::NotModified, stored.as_ref());
        let Some(prepared) = &patch.prepared else {
            result.status = PatchStatus::DocumentDoesNotExist;
            return Ok(result);
        };
        result.output.clone_from(&prepared.effect.output);
        if let Some(document) = &prepared.effect.document {
            result.status = match stored {
                Some(_) => PatchStatus::Patched,
                None => PatchStatus::Created,
            };
            document
                .collection
                .as_str()
                .clone_into(&mut result.collection);
            result.document = Some(whole_text(&document.body, &document.metadata));
        }
        Ok(result)
    }

    /// Runs a patch's script, over `known` documents where there are such, behind commands of its
    /// batch that take `offset` etags.
    async fn prepare(
        &self,
        engine: &dyn ScriptEngine,
        read: &ReadTransaction<S::Snapshot>,
        patch: &mut PatchDocument,
        known: Vec<Seen>,
        offset: u64,
    ) -> Result<()> {
        let id = patch.id.as_str();
        let exists = match known.iter().find(|it| it.key == *patch.id.key()) {
            Some(own) => own.document.is_some(),
            None => read.document(id).await?.is_some(),
        };
        let Some(script) = patch.script_for(exists) else {
            patch.prepared = None;
            return Ok(());
        };
        let id_suffix = self.id_suffix(read).await?;
        let run = Run {
            engine,
            read,
            limits: self.limits(),
            now: self.host().clock.now(),
            next_etag: Etag::new(read.state().await?.last_etag.number() + 1 + offset),
            id_suffix: &id_suffix,
        };
        let ran = run_script(&run, script, id, known).await;
        let (seen, effect) = ran.map_err(|error| named(id, error))?;
        patch.prepared = Some(Arc::new(PreparedPatch { seen, effect }));
        Ok(())
    }
}

/// About as many etags as a command takes: ids that scripts make are counted by them, and scripts of
/// one batch should not make the same ones.
#[cfg(feature = "whole")]
fn etag_count(command: &BatchCommand) -> u64 {
    match command {
        BatchCommand::Patch(patch) => {
            let actions = patch
                .prepared
                .as_ref()
                .map_or(0, |it| it.effect.actions.len());
            1 + actions as u64
        }
        _ => 1,
    }
}

/// The error with the document's id before it, and its details kept.
fn named(id: &str, error: Error) -> Error {
    match error.details::<crate::host::ScriptFailure>() {
        Some(failure) => {
            Error::new(error.kind(), format!("'{id}': {failure}")).with_source(failure.clone())
        }
        None => error,
    }
}
