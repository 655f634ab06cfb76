//! Where an import goes: a database in this process, or a server elsewhere.

use std::future::Future;
use std::sync::Arc;

use crate::attachments::{AttachmentContent, AttachmentUpload};
use crate::commands::{BatchCommand, ChangeIndexes, Configure, Operation, SeedIdentity};
use crate::database::Database;
use crate::document::DocumentId;
use crate::indexes::{IndexRecord, LockMode, PortableIndex, to_name_key};
use crate::schema::INDEXES;
use crate::storage::{Durability, MaybeSend, MaybeSync, Snapshot as _, Store};
use crate::{Error, Result};

/// What is stored under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingDocument {
    /// Its change vector's text.
    pub change_vector: String,
    /// Its text; `@metadata` may be missing from it.
    pub text: String,
}

/// Takes what an import reads.
pub trait ImportTarget: MaybeSend + MaybeSync {
    /// Takes contents of attachments.
    type Upload: ImportUpload;

    /// Begins the content of an attachment; what it becomes, commands may refer to.
    ///
    /// # Errors
    /// Whatever the target reports.
    fn begin_upload(&self) -> Result<Self::Upload>;

    /// Replaces a configuration.
    fn configure(&self, configure: Configure) -> impl Future<Output = Result<()>> + MaybeSend;

    /// Defines an index.
    fn define_index(&self, index: PortableIndex) -> impl Future<Output = Result<()>> + MaybeSend;

    /// Runs commands in order, all or nothing.
    fn write(&self, commands: Arc<[BatchCommand]>) -> impl Future<Output = Result<()>> + MaybeSend;

    /// What is stored under `ids`, in their order.
    fn existing(
        &self,
        ids: &[DocumentId],
    ) -> impl Future<Output = Result<Vec<Option<ExistingDocument>>>> + MaybeSend;

    /// Sets the last number of an identity, unless it is already as high.
    fn raise_identity(
        &self,
        name: &str,
        value: i64,
    ) -> impl Future<Output = Result<()>> + MaybeSend;
}

/// Takes the content of one attachment.
pub trait ImportUpload: MaybeSend {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<()>> + MaybeSend;

    /// Ends the content.
    fn finish(self) -> impl Future<Output = Result<AttachmentContent>> + MaybeSend;
}

/// A database as the target, with a durability for the import's own writes: an import that can be
/// repeated does not need a sync for each batch.
pub struct DatabaseTarget<S: Store> {
    /// The database; its merger must run.
    pub database: Database<S>,
    /// When writes are acknowledged.
    pub durability: Durability,
}

/// Of targets that take no contents.
impl ImportUpload for std::convert::Infallible {
    async fn write(&mut self, _: &[u8]) -> Result<()> {
        match *self {}
    }

    async fn finish(self) -> Result<AttachmentContent> {
        match self {}
    }
}

impl<S: Store> ImportUpload for AttachmentUpload<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Self::write(self, bytes).await
    }

    async fn finish(self) -> Result<AttachmentContent> {
        Self::finish(self).await
    }
}

impl<S: Store> ImportTarget for DatabaseTarget<S> {
    type Upload = AttachmentUpload<S>;

    fn begin_upload(&self) -> Result<Self::Upload> {
        self.database.begin_upload()
    }

    async fn configure(&self, configure: Configure) -> Result<()> {
        let operation = Operation::Configure(configure);
        self.database
            .execute_with(operation, self.durability)
            .await
            .map(drop)
    }

    /// The indexes are not open here: what it yields is seen when they are.
    async fn define_index(&self, index: PortableIndex) -> Result<()> {
        let key = bytes::Bytes::from(to_name_key(&index.name).into_bytes());
        let tx = self.database.read().await?;
        let found = tx.snapshot().get_many(INDEXES, std::slice::from_ref(&key));
        let found = found.await?.into_iter().next().flatten();
        if let Some(record) = found {
            let record = IndexRecord::decode(&record)?;
            match record.lock_mode {
                LockMode::Unlock if record.source == index.source => return Ok(()),
                LockMode::Unlock => {}
                LockMode::LockedIgnore => return Ok(()),
                LockMode::LockedError => {
                    return Err(Error::invalid(format!(
                        "the index '{}' is locked against changes",
                        record.name
                    )));
                }
            }
        }
        let record = index.to_record(self.database.now().ticks()).encode();
        let operation = Operation::ChangeIndexes(ChangeIndexes {
            records: vec![(key, Some(record.into()))],
        });
        self.database
            .execute_with(operation, self.durability)
            .await
            .map(drop)
    }

    async fn write(&self, commands: Arc<[BatchCommand]>) -> Result<()> {
        let operation = Operation::Batch(commands);
        self.database
            .execute_with(operation, self.durability)
            .await
            .map(drop)
    }

    async fn existing(&self, ids: &[DocumentId]) -> Result<Vec<Option<ExistingDocument>>> {
        let ids: Vec<&str> = ids.iter().map(DocumentId::as_str).collect();
        let found = self.database.read().await?.documents(&ids).await?;
        let existing = found.into_iter().map(|found| {
            found.map(|document| ExistingDocument {
                change_vector: document.change_vector().to_owned(),
                text: document.body().to_owned(),
            })
        });
        Ok(existing.collect())
    }

    async fn raise_identity(&self, name: &str, value: i64) -> Result<()> {
        let seed = SeedIdentity {
            name: name.to_owned(),
            value,
            force: false,
        };
        let operation = Operation::SeedIdentity(seed);
        self.database
            .execute_with(operation, self.durability)
            .await
            .map(drop)
    }
}
