//! A write that is answered when indexes have it.

use std::time::Duration;

use pinyon_core::commands::CommandOutcome;
use pinyon_core::document::CollectionName;
use pinyon_core::host::TimeSpan;
use pinyon_core::indexes::Followed;
use pinyon_core::{Error, ErrorKind, Result};

use crate::databases::OpenDatabase;
use crate::http::{QueryString, unescape};

/// What a writer wants to wait for.
pub struct IndexWait {
    timeout: Duration,
    /// Whether the write is answered with an error when the time is up.
    throws: bool,
    /// These indexes; all that are concerned when there are none.
    names: Vec<String>,
}

impl IndexWait {
    /// Reads the query string; `None` when it does not ask for waiting.
    ///
    /// # Errors
    /// `InvalidRequest` for a malformed value.
    pub fn parse(query: QueryString<'_>) -> Result<Option<Self>> {
        let Some(timeout) = query.get("waitForIndexesTimeout")? else {
            return Ok(None);
        };
        let span: TimeSpan = timeout.parse()?;
        let throws = query.get("waitForIndexThrow")?;
        let mut names = Vec::new();
        for (name, value) in query.pairs() {
            if name.eq_ignore_ascii_case("waitForSpecificIndex") {
                names.push(unescape(name, value)?.into_owned());
            }
        }
        Ok(Some(Self {
            timeout: Duration::from_millis(u64::try_from(span.ms()).unwrap_or(0)),
            throws: !throws.is_some_and(|it| it.eq_ignore_ascii_case("false")),
            names,
        }))
    }

    /// Waits until the indexes have what was written.
    ///
    /// # Errors
    /// `TimedOut` if that was asked for; whatever the storage reports. The write stands all the
    /// same.
    pub async fn wait(&self, database: &OpenDatabase, written: &[CommandOutcome]) -> Result<()> {
        let cutoff = database.read().await?.state().await?.last_etag.number();
        let collections = collections(written);
        let deadline = tokio::time::Instant::now() + self.timeout;
        for index in database.indexes.list() {
            let name = index.name();
            let is_concerned = if self.names.is_empty() {
                let followed = index.followed();
                followed.iter().any(|it| match (it, &collections) {
                    (Followed::All, _) | (_, None) => true,
                    (Followed::Collection(key), Some(written)) => written.contains(key),
                })
            } else {
                self.names.iter().any(|it| it.eq_ignore_ascii_case(&name))
            };
            // One that is paused is waited for: it may be started again.
            if !is_concerned || index.record().is_disabled || index.record().is_idle() {
                continue;
            }
            let mut waiter = None;
            loop {
                let progress = index.listen();
                let view = index.view().await?;
                let tx = database.read().await?;
                let is_done = view.progress.failure.is_some()
                    || index.is_retired()
                    || !index.is_stale(&view, &tx, Some(cutoff)).await?;
                drop((view, tx));
                if is_done {
                    break;
                }
                waiter.get_or_insert_with(|| index.await_progress());
                if tokio::time::timeout_at(deadline, progress).await.is_ok() {
                    continue;
                }
                if !self.throws {
                    return Ok(());
                }
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    format!(
                        "everything is written, but the index '{name}' did not have it within \
                         {} ms",
                        self.timeout.as_millis()
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// The keys of the collections that were written to; `None` when that cannot be told.
fn collections(written: &[CommandOutcome]) -> Option<Vec<String>> {
    written
        .iter()
        .map(|outcome| match outcome {
            CommandOutcome::Written(written) => CollectionName::new(written.collection.as_str())
                .ok()
                .map(|it| it.key().to_owned()),
            _ => None,
        })
        .collect()
}
