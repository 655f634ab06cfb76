//! Taking in a push that validation functions have a word in, and what conflict scripts make of it.
//!
//! The functions run here, over what was read; the merger takes in what was judged over what is
//! still there, and hands the rest back to be judged again.

use super::accept_writes::parse_parts;
use super::hub::{HubSession, unexpected};
use super::wire::{EdgeWrite, Verdict, WireEntry, WriteOutcome};
use super::{AcceptWrites, ReplicationCommand, ReplicationOutcome};
use crate::conflicts::ScriptResolution;
use crate::storage::Store;
use crate::validation::{Judge, Judgement, ValidationConfiguration};
use crate::version::Etag;
use crate::{ReadTransaction, Result};

/// How often writes of a push are judged again because what they replace has changed. After that
/// the edge offers them later.
const MAX_ROUNDS: usize = 8;

impl<S: Store> HubSession<S> {
    /// Judges a push and has it taken in; answers the verdicts, and the etags the edge knows.
    pub(super) async fn accept_validated(
        &mut self,
        mut accept: AcceptWrites,
        user: &str,
    ) -> Result<(Vec<WriteOutcome>, Vec<Etag>)> {
        let read = self.database.read().await?;
        let Some(mut configuration) = read.validation_configuration().await? else {
            let (outcomes, told, _) = self.offer(accept).await?;
            return Ok((outcomes, told));
        };
        let mut is_stopped = self.judge(&read, &configuration, &mut accept, user).await?;
        drop(read);
        let (mut outcomes, mut all_told, mut unjudged) = self.offer(accept.clone()).await?;
        // The place of each write that is offered again among all.
        let mut places: Vec<usize> = (0..outcomes.len()).collect();
        for _ in 0..MAX_ROUNDS {
            if unjudged.is_empty() || is_stopped {
                break;
            }
            places = unjudged.iter().map(|at| places[*at]).collect();
            let mut at = 0;
            accept.writes.retain(|_| {
                at += 1;
                unjudged.contains(&(at - 1))
            });
            let read = self.database.read().await?;
            configuration = read.validation_configuration().await?.unwrap_or_default();
            is_stopped = self.judge(&read, &configuration, &mut accept, user).await?;
            drop(read);
            let (again, told, left) = self.offer(accept.clone()).await?;
            for (place, outcome) in places.iter().zip(again) {
                outcomes[*place] = outcome;
            }
            all_told.extend(told);
            unjudged = left;
        }
        Ok((outcomes, all_told))
    }

    async fn offer(
        &self,
        accept: AcceptWrites,
    ) -> Result<(Vec<WriteOutcome>, Vec<Etag>, Vec<usize>)> {
        let command = ReplicationCommand::AcceptWrites(accept);
        match self.replicate(command).await? {
            ReplicationOutcome::Judged {
                outcomes,
                told,
                unjudged,
            } => Ok((outcomes, told, unjudged)),
            _ => Err(unexpected()),
        }
    }

    /// Asks the functions about each write. Answers whether one of them reached a limit: then those
    /// that come after it wait for another push, so that no push costs more than one such time.
    async fn judge(
        &mut self,
        read: &ReadTransaction<S::Snapshot>,
        configuration: &ValidationConfiguration,
        accept: &mut AcceptWrites,
        user: &str,
    ) -> Result<bool> {
        accept.judgements.clear();
        let scripts = self.options.scripts.clone();
        let judge = Judge {
            engine: scripts.as_deref().map(|it| it as _),
            configuration,
            now: self.database.host().clock.now(),
            user,
        };
        for write in &accept.writes {
            let key = crate::document::to_id_key(&write.version.id);
            if !accept.scope.contains(&key, &write.version.collection) {
                accept.judgements.push(None);
                continue;
            }
            let text = match write.version.is_deletion {
                true => None,
                false => match parse_parts(&write.version, self.database.limits()) {
                    Ok(text) => Some(text),
                    Err(_) => {
                        // The merger refuses it and says why.
                        accept.judgements.push(None);
                        continue;
                    }
                },
            };
            let stored = read.live_versions(&write.version.id).await?;
            let judged = judge.judge(&stored, &write.version, text.as_ref()).await?;
            let reached_limit = judged.as_ref().is_some_and(|it| it.reached_limit);
            let judgement = judged.map(|it| it.judgement);
            self.warnings.extend(warning(write, judgement.as_ref()));
            accept.judgements.push(judgement);
            if reached_limit {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<S: Store> HubSession<S> {
    /// Has conflicts that writes of a push have made resolved by the scripts of their collections.
    pub(super) async fn resolve_by_scripts(
        &mut self,
        offered: &[(String, Vec<WireEntry>)],
        outcomes: &[WriteOutcome],
    ) -> Result<()> {
        let Some(scripts) = self.options.scripts.clone() else {
            return Ok(());
        };
        for ((id, replaced), outcome) in offered.iter().zip(outcomes) {
            // Whoever came in beside others has no state of its own to be told.
            if !matches!(outcome.verdict, Verdict::Accepted { sole: None, .. }) {
                continue;
            }
            let database = self.database.clone();
            let resolving = database.resolve_conflict_by_script(&*scripts, id, replaced);
            if let ScriptResolution::Failed(why) = resolving.await? {
                self.warnings
                    .push(format!("'{id}' stays in conflict: {why}"));
            }
        }
        Ok(())
    }
}

/// What whoever runs the server should know.
fn warning(write: &EdgeWrite, judgement: Option<&Judgement>) -> Option<String> {
    let refusal = judgement?.refusal.as_ref()?;
    let is_failure = refusal.code == crate::validation::FAILED;
    is_failure.then(|| format!("'{}': {}", write.version.id, refusal.reason))
}
